"""Rules about what the driver API and NVML say of one GPU."""
