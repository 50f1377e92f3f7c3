"""Rules about Python packages."""
