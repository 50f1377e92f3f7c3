"""The door to libcupti: choose it, load it, and let it write what a program does into memory that outlives it."""
