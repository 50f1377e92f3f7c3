"""Square roots by Newton's iteration, for many numbers; waits for each pass before it starts the next."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "150"))
N = int(os.environ.get("SIZE", str(1 << 26)))
ITERATIONS = 100
HALF = np.float32(0.5)


@cuda.jit
def square_roots(values, out):
    i = cuda.grid(1)
    if i < values.size:
        value = values[i]
        root = value
        for _ in range(ITERATIONS):
            root = HALF * (root + value / root)
        out[i] = root


values = np.linspace(1, 2, N, dtype=np.float32)
d_values = cuda.to_device(values)
d_out = cuda.device_array_like(values)
threads = 256
blocks = (N + threads - 1) // threads
square_roots[blocks, threads](d_values, d_out)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    square_roots[blocks, threads](d_values, d_out)
    cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_out.copy_to_host().mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
