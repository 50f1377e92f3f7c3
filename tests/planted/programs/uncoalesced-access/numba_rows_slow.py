"""Divide the rows of a matrix by their sums, a thread a row."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "800"))
ROWS = int(os.environ.get("SIZE", str(1 << 16)))
COLUMNS = 256


@cuda.jit
def divide(matrix, out):
    row = cuda.grid(1)
    if row < matrix.shape[0]:
        total = np.float32(0)
        for column in range(COLUMNS):
            total += matrix[row, column]
        for column in range(COLUMNS):
            out[row, column] = matrix[row, column] / total


chance = np.random.default_rng(0)
matrix = cuda.to_device(chance.random((ROWS, COLUMNS), dtype=np.float32) + np.float32(0.1))
out = cuda.device_array_like(matrix)
threads = 128
blocks = (ROWS + threads - 1) // threads
divide[blocks, threads](matrix, out)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    divide[blocks, threads](matrix, out)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={out.copy_to_host().sum(dtype=np.float64):.2f}")
print(f"loop_seconds={seconds:.6f}")
