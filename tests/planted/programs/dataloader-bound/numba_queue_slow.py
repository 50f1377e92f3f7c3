"""Train on batches from a queue that one worker thread fills."""

import os
import queue
import threading
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "250"))
N = int(os.environ.get("SIZE", str(1 << 16)))
REPEATS = 4
WORKERS = 1


@cuda.jit
def accumulate(batch, total):
    i = cuda.grid(1)
    if i < total.size:
        total[i] += batch[i % batch.size]


def load(numbers, full):
    for number in numbers:
        time.sleep(0.005)
        full.put(np.full(N, number % 7, np.float32))


full = queue.Queue(maxsize=8)
d_batch = cuda.to_device(np.zeros(N, np.float32))
d_total = cuda.to_device(np.zeros(N * 256, np.float32))
threads = 256
blocks = (d_total.size + threads - 1) // threads
accumulate[blocks, threads](d_batch, d_total)
cuda.synchronize()
began = time.perf_counter()
for worker in range(WORKERS):
    threading.Thread(target=load, args=(range(worker, STEPS, WORKERS), full), daemon=True).start()
for _ in range(STEPS):
    d_batch.copy_to_device(full.get())
    for _ in range(REPEATS):
        accumulate[blocks, threads](d_batch, d_total)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_total.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
