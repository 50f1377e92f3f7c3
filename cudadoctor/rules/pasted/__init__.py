"""Causes of a pasted text: its signs, and the causes that they speak for."""
