"""Rules about what NVML tells of the GPUs."""
