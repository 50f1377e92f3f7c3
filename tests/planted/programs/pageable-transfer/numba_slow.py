"""Add up batches that stream in from the host."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "200"))
N = int(os.environ.get("SIZE", str(1 << 24)))
BATCHES = 4


@cuda.jit
def accumulate(batch, total):
    i = cuda.grid(1)
    if i < total.size:
        total[i] += batch[i]


data = np.empty((BATCHES, N), np.float32)
for row, batch in enumerate(data):
    batch[:] = np.linspace(0, row + 1, N, dtype=np.float32)
d_batch = cuda.to_device(data[0])
d_total = cuda.to_device(np.zeros(N, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
accumulate[blocks, threads](d_batch, d_total)
d_total.copy_to_device(np.zeros(N, np.float32))
cuda.synchronize()
began = time.perf_counter()
for step in range(STEPS):
    d_batch.copy_to_device(data[step % BATCHES])
    accumulate[blocks, threads](d_batch, d_total)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_total.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
