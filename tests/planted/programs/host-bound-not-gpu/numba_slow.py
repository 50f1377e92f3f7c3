"""Relax a field; the rate of each step comes from a sum over a window, in Python."""

import math
import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "400"))
N = int(os.environ.get("SIZE", str(1 << 25)))
WINDOW = 30000


@cuda.jit
def relax(field, goal, rate):
    i = cuda.grid(1)
    if i < field.size:
        field[i] += rate * (goal[i] - field[i])


def rate_of(step):
    total = 0.0
    for k in range(WINDOW):
        total += math.exp(-(((k - step) / 5000.0) ** 2))
    return np.float32(total / WINDOW * 0.01)


d_goal = cuda.to_device(np.linspace(0, 1, N, dtype=np.float32))
d_field = cuda.to_device(np.zeros(N, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
relax[blocks, threads](d_field, d_goal, np.float32(0))
cuda.synchronize()
began = time.perf_counter()
for step in range(STEPS):
    relax[blocks, threads](d_field, d_goal, rate_of(step))
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_field.copy_to_host().mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
