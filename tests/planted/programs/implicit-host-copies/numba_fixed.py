"""Repeated y = a x + y, on arrays that stay on the device."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "40"))
N = int(os.environ.get("SIZE", str(1 << 24)))
A = np.float32(0.5)


@cuda.jit
def axpy(a, x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] += a * x[i]


x = np.linspace(0, 1, N, dtype=np.float32)
y = np.zeros(N, np.float32)
d_x, d_y = cuda.to_device(x), cuda.to_device(y)
threads = 256
blocks = (N + threads - 1) // threads
axpy[blocks, threads](A, d_x, d_y)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    axpy[blocks, threads](A, d_x, d_y)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_y.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
