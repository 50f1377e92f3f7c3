"""cudadoctor: says what is wrong with a CUDA environment, and why the GPU may be slower than the CPU."""

__version__ = "0.1.0"
