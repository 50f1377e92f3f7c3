"""Sum of many terms for every point of a plane: long kernels of many blocks that only compute."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "40"))
N = int(os.environ.get("SIZE", str(1 << 24)))
TERMS = 4000
HALF = np.float32(0.5)


@cuda.jit
def series(points, out):
    i = cuda.grid(1)
    if i < points.size:
        point = points[i]
        low, high = np.float32(0), np.float32(1)
        for _ in range(TERMS):
            low = low * point + HALF
            high = high * point - HALF
        out[i] = low + high * point


points = np.linspace(-0.9, 0.9, N, dtype=np.float32)
d_points = cuda.to_device(points)
d_out = cuda.device_array_like(points)
threads = 256
blocks = (N + threads - 1) // threads
series[blocks, threads](d_points, d_out)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    for _ in range(4):
        series[blocks, threads](d_points, d_out)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_out.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
