"""Rules about Macs, up to the last macOS that has CUDA."""
