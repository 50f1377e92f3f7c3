"""Allocate several GB once, then sweep over them."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "300"))
N = int(os.environ.get("SIZE", str(1 << 30)))
HALF = np.float32(0.5)


@cuda.jit
def fill(field):
    i = cuda.grid(1)
    if i < field.size:
        field[i] = np.float32(i % 1000)


@cuda.jit
def sweep(field):
    i = cuda.grid(1)
    if i < field.size:
        field[i] = HALF * field[i] + HALF


d_field = cuda.device_array(N, np.float32)
threads = 256
blocks = (N + threads - 1) // threads
fill[blocks, threads](d_field)
sweep[blocks, threads](d_field)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    sweep[blocks, threads](d_field)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_field[:1000].copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
