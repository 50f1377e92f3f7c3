"""A worker thread sleeps while it loads, but always has the next weight ready before the GPU is done."""

import os
import queue
import threading
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "120"))
N = int(os.environ.get("SIZE", str(1 << 26)))
ITERATIONS = 150
HALF = np.float32(0.5)


@cuda.jit
def square_roots(weight, out):
    i = cuda.grid(1)
    if i < out.size:
        value = weight + np.float32(i % 1000) * np.float32(0.001)
        root = value
        for _ in range(ITERATIONS):
            root = HALF * (root + value / root)
        out[i] = root


def load(full):
    for number in range(STEPS):
        time.sleep(0.001)
        full.put(np.float32(number % 5 + 1))


full = queue.Queue(maxsize=8)
d_out = cuda.device_array(N, np.float32)
threads = 256
blocks = (N + threads - 1) // threads
square_roots[blocks, threads](np.float32(1), d_out)
cuda.synchronize()
threading.Thread(target=load, args=(full,), daemon=True).start()
time.sleep(0.02)
began = time.perf_counter()
for _ in range(STEPS):
    square_roots[blocks, threads](full.get(), d_out)
    cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_out[: min(N, 1000)].copy_to_host().mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
