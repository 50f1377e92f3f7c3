"""The operations of one training step on the GPU, one a file: its reference, its kernel, its launch.

All arrays are C-contiguous and live on the device; numbers are float32. Indices inside the kernels are signed and of
one type: numba computes in float64 where an unsigned 64-bit index meets a signed one. Scalars are handed over as
`numpy.float32`, because a Python float would arrive as float64 and take the arithmetic with it.
"""
