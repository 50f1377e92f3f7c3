"""Gather the facts of a machine, one section a file. A probe never raises: what it cannot read is `Missing`."""
