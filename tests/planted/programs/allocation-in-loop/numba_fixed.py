"""Smooth a signal twice a step, with two arrays that are used in turn."""

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


start = np.sin(np.arange(N, dtype=np.float32) * np.float32(1e-3))
d_signal = cuda.to_device(start)
once = cuda.device_array(N, np.float32)
threads = 256
blocks = (N + threads - 1) // threads


def step():
    smooth[blocks, threads](d_signal, once)
    smooth[blocks, threads](once, d_signal)


step()
d_signal.copy_to_device(start)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    step()
d_signal.copy_to_device(start)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={np.abs(d_signal.copy_to_host()).sum(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
