"""Ends with exit code 3, and its output comes before."""

import sys

print("before the end")
sys.exit(3)
