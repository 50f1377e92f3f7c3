"""Ends with a text: it goes to standard error, and the exit code is 1."""

import sys

sys.exit("no input was given")
