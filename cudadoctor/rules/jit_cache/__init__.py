"""Rules about the driver's cache of compiled kernels."""
