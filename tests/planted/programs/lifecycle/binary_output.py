"""Writes every byte to standard output, without an end of line."""

import sys

sys.stdout.buffer.write(bytes(range(256)))
