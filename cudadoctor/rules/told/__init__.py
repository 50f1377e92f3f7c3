"""Causes that a pasted text shows, one a file: a page and signs. A rule of the same id judges facts."""
