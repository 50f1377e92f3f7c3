"""Raises: a traceback of two frames of this file, exit code 1."""


def divide(number):
    return number / 0


print("about to fail")
divide(1)
