"""Add up batches that a generator delivers, each after a wait, as from a remote store."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "300"))
N = int(os.environ.get("SIZE", str(1 << 25)))


@cuda.jit
def accumulate(total, weight):
    i = cuda.grid(1)
    if i < total.size:
        total[i] += weight


def fetch(number):
    time.sleep(0.004)
    return np.float32(number % 10)


def batches():
    for number in range(STEPS):
        yield fetch(number)


d_total = cuda.to_device(np.zeros(N, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
accumulate[blocks, threads](d_total, np.float32(1))
d_total.copy_to_device(np.zeros(N, np.float32))
cuda.synchronize()
began = time.perf_counter()
for weight in batches():
    for _ in range(5):
        accumulate[blocks, threads](d_total, weight)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_total.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
