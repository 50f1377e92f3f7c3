"""Newton's iteration, with one number fetched after every long kernel."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "150"))
N = int(os.environ.get("SIZE", str(1 << 26)))
ITERATIONS = 100
HALF = np.float32(0.5)


@cuda.jit
def square_roots(values, out, last):
    i = cuda.grid(1)
    if i < values.size:
        value = values[i]
        root = value
        for _ in range(ITERATIONS):
            root = HALF * (root + value / root)
        out[i] = root
        if i == values.size - 1:
            last[0] = root


values = np.linspace(1, 2, N, dtype=np.float32)
d_values = cuda.to_device(values)
d_out = cuda.device_array_like(values)
d_last = cuda.device_array(1, np.float32)
threads = 256
blocks = (N + threads - 1) // threads
square_roots[blocks, threads](d_values, d_out, d_last)
cuda.synchronize()
total = 0.0
began = time.perf_counter()
for _ in range(STEPS):
    square_roots[blocks, threads](d_values, d_out, d_last)
    total += float(d_last.copy_to_host()[0])
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={total / STEPS:.5f}")
print(f"loop_seconds={seconds:.6f}")
