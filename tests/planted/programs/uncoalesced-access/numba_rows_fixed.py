"""Divide the rows of a matrix by their sums, a block a row."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "800"))
ROWS = int(os.environ.get("SIZE", str(1 << 16)))
COLUMNS = 256


@cuda.jit
def divide(matrix, out):
    row, column = cuda.blockIdx.x, cuda.threadIdx.x
    sums = cuda.shared.array(COLUMNS, np.float32)
    value = matrix[row, column]
    sums[column] = value
    cuda.syncthreads()
    width = COLUMNS // 2
    while width > 0:
        if column < width:
            sums[column] += sums[column + width]
        cuda.syncthreads()
        width //= 2
    out[row, column] = value / sums[0]


chance = np.random.default_rng(0)
matrix = cuda.to_device(chance.random((ROWS, COLUMNS), dtype=np.float32) + np.float32(0.1))
out = cuda.device_array_like(matrix)
blocks, threads = ROWS, COLUMNS
divide[blocks, threads](matrix, out)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    divide[blocks, threads](matrix, out)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={out.copy_to_host().sum(dtype=np.float64):.2f}")
print(f"loop_seconds={seconds:.6f}")
