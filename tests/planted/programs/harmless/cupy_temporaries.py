"""Large temporaries in every step, which the memory pool hands out again for nothing."""

import os
import time

import cupy as cp

STEPS = int(os.environ.get("STEPS", "500"))
N = int(os.environ.get("SIZE", str(1 << 27)))

signal = cp.linspace(0, 1, N, dtype=cp.float32)
goal = cp.linspace(1, 0, N, dtype=cp.float32)
signal = signal + cp.float32(0.01) * (goal - signal)
cp.cuda.Device().synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    signal = signal + cp.float32(0.01) * (goal - signal)
cp.cuda.Device().synchronize()
seconds = time.perf_counter() - began
print(f"result={float(cp.abs(signal).mean(dtype=cp.float64)):.4f}")
print(f"loop_seconds={seconds:.6f}")
