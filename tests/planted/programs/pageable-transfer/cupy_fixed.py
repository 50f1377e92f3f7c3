"""Add up batches that stream in from page-locked NumPy arrays."""

import os
import time

import cupy as cp
import cupyx
import numpy as np

STEPS = int(os.environ.get("STEPS", "200"))
N = int(os.environ.get("SIZE", str(1 << 24)))


def host_array(values):
    pinned = cupyx.empty_pinned(values.shape, values.dtype)
    pinned[:] = values
    return pinned


batches = [host_array(np.linspace(0, row, N, dtype=np.float32)) for row in range(4)]
batch = cp.zeros(N, cp.float32)
total = cp.zeros(N, cp.float32)
batch.set(batches[0])
total += batch
cp.cuda.Device().synchronize()
began = time.perf_counter()
for step in range(STEPS):
    batch.set(batches[step % 4])
    total += batch
cp.cuda.Device().synchronize()
seconds = time.perf_counter() - began
print(f"result={float(total.mean(dtype=cp.float64)):.3f}")
print(f"loop_seconds={seconds:.6f}")
