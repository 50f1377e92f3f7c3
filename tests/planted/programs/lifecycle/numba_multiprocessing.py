"""Two spawned processes use the GPU; the function they run is pickled by its name in __main__."""

import multiprocessing
import os

import numpy as np
from numba import cuda

N = int(os.environ.get("SIZE", "65536"))


@cuda.jit
def double(field):
    i = cuda.grid(1)
    if i < field.size:
        field[i] += field[i]


def work(start):
    field = cuda.to_device(np.full(N, start, np.float32))
    for _ in range(3):
        double[(N + 255) // 256, 256](field)
    return float(field.copy_to_host().mean())


if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print("results:", pool.map(work, [1, 2]))
