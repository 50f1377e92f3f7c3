"""Rules about CUDA toolkits and compilers."""
