"""Smooth a signal twice a step, with arrays for the results in between."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "1000"))
N = int(os.environ.get("SIZE", str(1 << 25)))
THIRD = np.float32(1 / 3)


@cuda.jit
def smooth(signal, out):
    i = cuda.grid(1)
    if i < signal.size:
        left, right = max(i - 1, 0), min(i + 1, signal.size - 1)
        out[i] = (signal[left] + signal[i] + signal[right]) * THIRD


d_signal = cuda.to_device(np.sin(np.arange(N, dtype=np.float32) * np.float32(1e-3)))
threads = 256
blocks = (N + threads - 1) // threads


def step():
    once = cuda.device_array(N, np.float32)
    smooth[blocks, threads](d_signal, once)
    twice = cuda.device_array(N, np.float32)
    smooth[blocks, threads](once, twice)
    return twice


step()
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    d_signal = step()
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={np.abs(d_signal.copy_to_host()).sum(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
