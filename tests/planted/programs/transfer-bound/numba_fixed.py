"""Relax a field towards a large table that stays on the device."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "450"))
N = int(os.environ.get("SIZE", str(1 << 25)))
RATE = np.float32(0.01)


@cuda.jit
def relax(field, table):
    i = cuda.grid(1)
    if i < field.size:
        field[i] += RATE * (table[i] - field[i])


table = cuda.pinned_array(N, np.float32)
table[:] = np.linspace(0, 1, N, dtype=np.float32)
d_table = cuda.to_device(table)
d_field = cuda.to_device(np.zeros(N, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
relax[blocks, threads](d_field, d_table)
d_field.copy_to_device(np.zeros(N, np.float32))
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    relax[blocks, threads](d_field, d_table)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_field.copy_to_host().mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
