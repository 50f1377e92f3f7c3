"""Rules about container engines and NVIDIA Container Toolkit on a host."""
