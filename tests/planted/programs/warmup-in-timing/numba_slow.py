"""Time a short filter of four kernels, from the first call on."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "40"))
N = int(os.environ.get("SIZE", str(1 << 22)))
THIRD, HALF = np.float32(1 / 3), np.float32(0.5)


@cuda.jit
def smooth(signal, out):
    i = cuda.grid(1)
    if i < signal.size:
        out[i] = (signal[max(i - 1, 0)] + signal[i] + signal[min(i + 1, signal.size - 1)]) * THIRD


@cuda.jit
def differ(signal, smoothed, out):
    i = cuda.grid(1)
    if i < signal.size:
        out[i] = signal[i] - smoothed[i]


@cuda.jit
def sharpen(signal, difference):
    i = cuda.grid(1)
    if i < signal.size:
        signal[i] += HALF * difference[i]


@cuda.jit
def clip(signal, low, high):
    i = cuda.grid(1)
    if i < signal.size:
        signal[i] = min(max(signal[i], low), high)


def step():
    smooth[blocks, threads](d_signal, d_smoothed)
    differ[blocks, threads](d_signal, d_smoothed, d_difference)
    sharpen[blocks, threads](d_signal, d_difference)
    clip[blocks, threads](d_signal, np.float32(-1), np.float32(1))


signal = np.sin(np.arange(N, dtype=np.float32))
threads = 256
blocks = (N + threads - 1) // threads
began = time.perf_counter()
d_signal, d_smoothed, d_difference = (cuda.to_device(signal) for _ in range(3))
for _ in range(STEPS):
    step()
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={np.abs(d_signal.copy_to_host()).mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
