"""Causes that only the profile of a user's program shows; those that a race shows too are in `rules/race`."""
