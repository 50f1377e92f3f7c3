"""Three kernels, compiled before the clock starts, then steady work on a large signal."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "900"))
N = int(os.environ.get("SIZE", str(1 << 27)))
THIRD, HALF = np.float32(1 / 3), np.float32(0.5)


@cuda.jit
def smooth(signal, out):
    i = cuda.grid(1)
    if i < signal.size:
        out[i] = (signal[max(i - 1, 0)] + signal[i] + signal[min(i + 1, signal.size - 1)]) * THIRD


@cuda.jit
def mix(signal, smoothed):
    i = cuda.grid(1)
    if i < signal.size:
        signal[i] = HALF * (signal[i] + smoothed[i])


@cuda.jit
def clip(signal, low, high):
    i = cuda.grid(1)
    if i < signal.size:
        signal[i] = min(max(signal[i], low), high)


def step():
    smooth[blocks, threads](d_signal, d_smoothed)
    mix[blocks, threads](d_signal, d_smoothed)
    clip[blocks, threads](d_signal, np.float32(-1), np.float32(1))


signal = np.linspace(-2, 2, N, dtype=np.float32)
d_signal, d_smoothed = cuda.to_device(signal), cuda.device_array_like(signal)
threads = 256
blocks = (N + threads - 1) // threads
step()
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    step()
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={np.abs(d_signal.copy_to_host()).mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
