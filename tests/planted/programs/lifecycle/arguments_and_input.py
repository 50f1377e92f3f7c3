"""Prints its arguments, and its standard input in capitals."""

import sys

print(sys.argv[1:])
sys.stdout.write(sys.stdin.read().upper())
