"""Add up batches that a pool of threads fetches ahead of time."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

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
    with ThreadPoolExecutor(32) as pool:
        yield from pool.map(fetch, range(STEPS))


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
