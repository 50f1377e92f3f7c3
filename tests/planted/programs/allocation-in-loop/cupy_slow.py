"""Sharpen a signal again and again, and give the freed memory back each time."""

import os
import time

import cupy as cp

STEPS = int(os.environ.get("STEPS", "500"))
N = int(os.environ.get("SIZE", str(1 << 25)))


def sharpen(signal):
    smooth = (signal[:-2] + signal[1:-1] + signal[2:]) / cp.float32(3)
    out = signal.copy()
    out[1:-1] += cp.float32(0.1) * (signal[1:-1] - smooth)
    return cp.clip(out, -1, 1)


signal = cp.sin(cp.arange(N, dtype=cp.float32) * cp.float32(1e-3))
sharpen(signal)
pool = cp.get_default_memory_pool()
cp.cuda.Device().synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    signal = sharpen(signal)
    pool.free_all_blocks()
cp.cuda.Device().synchronize()
seconds = time.perf_counter() - began
print(f"result={float(cp.abs(signal).mean(dtype=cp.float64)):.4f}")
print(f"loop_seconds={seconds:.6f}")
