"""Rules about what the kernel said of a GPU since it booted."""
