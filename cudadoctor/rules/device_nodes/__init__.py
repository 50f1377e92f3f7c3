"""Rules about the nodes under /dev."""
