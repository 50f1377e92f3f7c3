"""Imported by the package's main module, relatively."""

ANSWER = 42
