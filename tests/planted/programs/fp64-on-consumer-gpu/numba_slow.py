"""Evaluate a polynomial of high degree for many points; the numbers in the kernel are Python floats."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "400"))
N = int(os.environ.get("SIZE", str(1 << 23)))
DEGREE = 4000


@cuda.jit
def polynomial(points, out):
    i = cuda.grid(1)
    if i < points.size:
        value = 0.0
        for _ in range(DEGREE):
            value = value * points[i] + 0.5
        out[i] = value


points = np.linspace(-0.9, 0.9, N, dtype=np.float32)
d_points = cuda.to_device(points)
d_out = cuda.device_array_like(points)
threads = 256
blocks = (N + threads - 1) // threads
polynomial[blocks, threads](d_points, d_out)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    polynomial[blocks, threads](d_points, d_out)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_out.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
