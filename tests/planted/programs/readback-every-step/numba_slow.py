"""Relax one field towards another until the probe at its end has arrived."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "8000"))
N = int(os.environ.get("SIZE", str(1 << 24)))
RATE = np.float32(0.001)


@cuda.jit
def relax(field, goal, probe):
    i = cuda.grid(1)
    if i < field.size:
        field[i] += RATE * (goal[i] - field[i])
        if i == field.size - 1:
            probe[0] = goal[i] - field[i]


d_goal = cuda.to_device(np.linspace(0, 1, N, dtype=np.float32))
d_field = cuda.to_device(np.zeros(N, np.float32))
d_probe = cuda.to_device(np.ones(1, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
relax[blocks, threads](d_field, d_goal, d_probe)
d_field.copy_to_device(np.zeros(N, np.float32))
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    relax[blocks, threads](d_field, d_goal, d_probe)
    if d_probe.copy_to_host()[0] < 1e-6:
        break
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_field.copy_to_host().mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
