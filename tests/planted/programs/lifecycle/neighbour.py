"""A module beside the script that imports it."""

GREETING = "from the neighbour"
