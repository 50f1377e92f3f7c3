"""Apply a gain that changes with time, by one kernel that takes the gain as an argument."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "30"))
N = int(os.environ.get("SIZE", str(1 << 25)))
PASSES = 20


@cuda.jit
def apply(signal, gain):
    i = cuda.grid(1)
    if i < signal.size:
        signal[i] += gain * (np.float32(1) - signal[i])


d_signal = cuda.to_device(np.zeros(N, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
apply[blocks, threads](d_signal, np.float32(0.5))
d_signal.copy_to_device(np.zeros(N, np.float32))
cuda.synchronize()
began = time.perf_counter()
for step in range(STEPS):
    gain = np.float32(1e-3 / (step + 1))
    for _ in range(PASSES):
        apply[blocks, threads](d_signal, gain)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_signal.copy_to_host().mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
