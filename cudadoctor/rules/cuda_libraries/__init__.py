"""Rules about the CUDA libraries that programs load."""
