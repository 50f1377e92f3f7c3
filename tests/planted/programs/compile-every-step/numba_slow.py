"""Apply a gain that changes with time, by a kernel made for each gain."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "30"))
N = int(os.environ.get("SIZE", str(1 << 25)))
PASSES = 20


def make_kernel(gain):
    @cuda.jit
    def apply(signal):
        i = cuda.grid(1)
        if i < signal.size:
            signal[i] += gain * (np.float32(1) - signal[i])

    return apply


d_signal = cuda.to_device(np.zeros(N, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
make_kernel(np.float32(0.5))[blocks, threads](d_signal)
d_signal.copy_to_device(np.zeros(N, np.float32))
cuda.synchronize()
began = time.perf_counter()
for step in range(STEPS):
    kernel = make_kernel(np.float32(1e-3 / (step + 1)))
    for _ in range(PASSES):
        kernel[blocks, threads](d_signal)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_signal.copy_to_host().mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
