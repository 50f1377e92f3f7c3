"""Produce frames on the device and hand each to the host."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "200"))
N = int(os.environ.get("SIZE", str(1 << 24)))


@cuda.jit
def render(frame, shift):
    i = cuda.grid(1)
    if i < frame.size:
        frame[i] = (i + shift) % 1024


frame = np.zeros(N, np.float32)
d_frame = cuda.to_device(frame)
threads = 256
blocks = (N + threads - 1) // threads
render[blocks, threads](d_frame, 0)
d_frame.copy_to_host(frame)
seen = 0.0
began = time.perf_counter()
for step in range(STEPS):
    render[blocks, threads](d_frame, step)
    d_frame.copy_to_host(frame)
    seen += float(frame[step % N])
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={seen:.4f}")
print(f"loop_seconds={seconds:.6f}")
