"""Send a table of 256 rows of 4 kB to the device, row by row, before each update of a field."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "200"))
N = int(os.environ.get("SIZE", str(1 << 26)))
ROWS, COLUMNS = 256, 1024
RATE = np.float32(0.01)


@cuda.jit
def update(field, table):
    i = cuda.grid(1)
    if i < field.size:
        field[i] += RATE * table[(i // COLUMNS) % ROWS, i % COLUMNS]


table = np.random.default_rng(3).random((ROWS, COLUMNS), dtype=np.float32)
d_table = cuda.to_device(table)
d_rows = [d_table[row] for row in range(ROWS)]
d_field = cuda.to_device(np.zeros(N, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
update[blocks, threads](d_field, d_table)
d_field.copy_to_device(np.zeros(N, np.float32))
cuda.synchronize()
began = time.perf_counter()
for step in range(STEPS):
    table[0, 0] = step
    for d_row, row in zip(d_rows, table, strict=True):
        d_row.copy_to_device(row)
    update[blocks, threads](d_field, d_table)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_field.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
