"""The only door to NVML, the driver API and numba.cuda."""
