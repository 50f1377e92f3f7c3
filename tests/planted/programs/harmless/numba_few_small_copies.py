"""Newton's iteration with a start value from pageable host memory in every step: the copies are a small part."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "120"))
N = int(os.environ.get("SIZE", str(1 << 26)))
ITERATIONS = 150
HALF = np.float32(0.5)


@cuda.jit
def square_roots(starts, out):
    i = cuda.grid(1)
    if i < out.size:
        value = np.float32(1) + np.float32(i % 1000) * np.float32(0.001)
        root = starts[i % starts.size]
        for _ in range(ITERATIONS):
            root = HALF * (root + value / root)
        out[i] = root


starts = np.linspace(1, 2, 65536, dtype=np.float32)
d_starts = cuda.to_device(starts)
d_out = cuda.device_array(N, np.float32)
threads = 256
blocks = (N + threads - 1) // threads
square_roots[blocks, threads](d_starts, d_out)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    d_starts.copy_to_device(starts)
    square_roots[blocks, threads](d_starts, d_out)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_out[: min(N, 1000)].copy_to_host().mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
