"""Brighten the frames of a film that lies in NumPy arrays."""

import os
import time

import cupy as cp
import numpy as np

STEPS = int(os.environ.get("STEPS", "480"))
N = int(os.environ.get("SIZE", str(1080 * 1920)))


def brighten(frame):
    return cp.clip(frame * cp.float32(1.2) + cp.float32(0.05), 0, 1).mean(dtype=cp.float64)


chance = np.random.default_rng(0)
film = [chance.random(N, dtype=np.float32) for _ in range(24)]
total = cp.zeros((), cp.float64)
brighten(cp.asarray(film[0]))
cp.cuda.Device().synchronize()
began = time.perf_counter()
for step in range(STEPS):
    total += brighten(cp.asarray(film[step % len(film)]))
cp.cuda.Device().synchronize()
seconds = time.perf_counter() - began
print(f"result={float(total):.4f}")
print(f"loop_seconds={seconds:.6f}")
