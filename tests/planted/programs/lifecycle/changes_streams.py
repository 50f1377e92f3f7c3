"""Replaces sys.stdout for a while, and leaves output unflushed and without an end of line."""

import io
import sys

real = sys.stdout
sys.stdout = io.StringIO()
print("kept to itself")
sys.stdout = real
sys.stdout.write("no newline, not flushed")
