"""Rules about how the kernel module is built and whether the kernel takes it."""
