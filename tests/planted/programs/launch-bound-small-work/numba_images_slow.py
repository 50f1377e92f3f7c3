"""Count the edge pixels of many small images: blur along rows, along columns, then compare with the neighbours."""

import os
import time

import numpy as np
from numba import cuda

IMAGES = int(os.environ.get("STEPS", "8000"))
SIDE = int(os.environ.get("SIZE", "64"))
THIRD, LIMIT = np.float32(1 / 3), np.float32(0.2)


@cuda.jit
def blur_rows(images, n, out):
    x, y = cuda.grid(2)
    if x < SIDE and y < SIDE:
        left, right = max(x - 1, 0), min(x + 1, SIDE - 1)
        out[y, x] = (images[n, y, left] + images[n, y, x] + images[n, y, right]) * THIRD


@cuda.jit
def blur_columns(image, out):
    x, y = cuda.grid(2)
    if x < SIDE and y < SIDE:
        up, down = max(y - 1, 0), min(y + 1, SIDE - 1)
        out[y, x] = (image[up, x] + image[y, x] + image[down, x]) * THIRD


@cuda.jit
def count_edges(image, n, counts):
    x, y = cuda.grid(2)
    if x < SIDE - 1 and y < SIDE - 1:
        rise = abs(image[y, x + 1] - image[y, x]) + abs(image[y + 1, x] - image[y, x])
        if rise > LIMIT:
            cuda.atomic.add(counts, n, 1)


images = cuda.to_device(np.random.default_rng(2).random((IMAGES, SIDE, SIDE), dtype=np.float32))
counts = cuda.to_device(np.zeros(IMAGES, np.int32))
first, second = (cuda.device_array((SIDE, SIDE), np.float32) for _ in range(2))
threads = 16, 16
blocks = (SIDE + 15) // 16, (SIDE + 15) // 16


def process(n):
    blur_rows[blocks, threads](images, n, first)
    blur_columns[blocks, threads](first, second)
    count_edges[blocks, threads](second, n, counts)


process(0)
counts.copy_to_device(np.zeros(IMAGES, np.int32))
cuda.synchronize()
began = time.perf_counter()
for n in range(IMAGES):
    process(n)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={counts.copy_to_host().sum()}")
print(f"loop_seconds={seconds:.6f}")
