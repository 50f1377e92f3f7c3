"""What every kernel of the network is written with."""

from __future__ import annotations

from cudadoctor.gpu.numba_cuda import cuda, gpu_function, gpu_kernel

__all__ = ["cuda", "gpu_function", "gpu_kernel"]
