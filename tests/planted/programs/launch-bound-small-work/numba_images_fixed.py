"""Count the edge pixels of many small images, all images in one launch of each operation."""

import os
import time

import numpy as np
from numba import cuda

IMAGES = int(os.environ.get("STEPS", "8000"))
SIDE = int(os.environ.get("SIZE", "64"))
THIRD, LIMIT = np.float32(1 / 3), np.float32(0.2)


@cuda.jit
def blur_rows(images, out):
    x, y, n = cuda.grid(3)
    if x < SIDE and y < SIDE:
        left, right = max(x - 1, 0), min(x + 1, SIDE - 1)
        out[n, y, x] = (images[n, y, left] + images[n, y, x] + images[n, y, right]) * THIRD


@cuda.jit
def blur_columns(images, out):
    x, y, n = cuda.grid(3)
    if x < SIDE and y < SIDE:
        up, down = max(y - 1, 0), min(y + 1, SIDE - 1)
        out[n, y, x] = (images[n, up, x] + images[n, y, x] + images[n, down, x]) * THIRD


@cuda.jit
def count_edges(images, counts):
    x, y, n = cuda.grid(3)
    if x < SIDE - 1 and y < SIDE - 1:
        rise = abs(images[n, y, x + 1] - images[n, y, x]) + abs(images[n, y + 1, x] - images[n, y, x])
        if rise > LIMIT:
            cuda.atomic.add(counts, n, 1)


images = cuda.to_device(np.random.default_rng(2).random((IMAGES, SIDE, SIDE), dtype=np.float32))
counts = cuda.to_device(np.zeros(IMAGES, np.int32))
first, second = (cuda.device_array((IMAGES, SIDE, SIDE), np.float32) for _ in range(2))
threads = 16, 16, 1
blocks = (SIDE + 15) // 16, (SIDE + 15) // 16, IMAGES


def process():
    blur_rows[blocks, threads](images, first)
    blur_columns[blocks, threads](first, second)
    count_edges[blocks, threads](second, counts)


process()
counts.copy_to_device(np.zeros(IMAGES, np.int32))
cuda.synchronize()
began = time.perf_counter()
process()
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={counts.copy_to_host().sum()}")
print(f"loop_seconds={seconds:.6f}")
