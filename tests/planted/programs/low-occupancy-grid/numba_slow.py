"""Square roots by Newton's iteration, by one block of threads that walks through the array."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "60"))
N = int(os.environ.get("SIZE", str(1 << 23)))
ITERATIONS = 40
HALF = np.float32(0.5)


@cuda.jit
def square_roots(values, out):
    for i in range(cuda.grid(1), values.size, cuda.gridsize(1)):
        value = values[i]
        root = value
        for _ in range(ITERATIONS):
            root = HALF * (root + value / root)
        out[i] = root


values = np.linspace(1, 2, N, dtype=np.float32)
d_values = cuda.to_device(values)
d_out = cuda.device_array_like(values)
threads = min(1024, N)
blocks = 1
square_roots[blocks, threads](d_values, d_out)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    square_roots[blocks, threads](d_values, d_out)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_out.copy_to_host().mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
