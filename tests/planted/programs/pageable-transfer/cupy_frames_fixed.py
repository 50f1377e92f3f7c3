"""Brighten the frames of a film that lies in page-locked memory."""

import os
import time

import cupy as cp
import cupyx
import numpy as np

STEPS = int(os.environ.get("STEPS", "480"))
N = int(os.environ.get("SIZE", str(1080 * 1920)))


def brighten(frame):
    return cp.clip(frame * cp.float32(1.2) + cp.float32(0.05), 0, 1).mean(dtype=cp.float64)


def page_locked(values):
    pinned = cupyx.empty_pinned(values.shape, values.dtype)
    pinned[:] = values
    return pinned


chance = np.random.default_rng(0)
film = [page_locked(chance.random(N, dtype=np.float32)) for _ in range(24)]
frames = [cp.empty(N, cp.float32) for _ in range(2)]
total = cp.zeros((), cp.float64)
brighten(cp.asarray(film[0]))
cp.cuda.Device().synchronize()
began = time.perf_counter()
for step in range(STEPS):
    frame = frames[step % 2]
    frame.set(film[step % len(film)])
    total += brighten(frame)
cp.cuda.Device().synchronize()
seconds = time.perf_counter() - began
print(f"result={float(total):.4f}")
print(f"loop_seconds={seconds:.6f}")
