"""Rules about the services of the NVIDIA driver."""
