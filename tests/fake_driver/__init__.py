"""A fake NVIDIA driver in C, compiled by the test session and driven by a scenario file."""
