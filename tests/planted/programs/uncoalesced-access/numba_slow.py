"""Standardise a table of samples by features; neighbouring threads take neighbouring samples."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "100"))
SAMPLES = int(os.environ.get("SIZE", str(1 << 21)))
FEATURES = 128


@cuda.jit
def fill(table):
    i = cuda.grid(1)
    if i < table.size:
        sample, feature = i // FEATURES, i % FEATURES
        table[sample, feature] = np.float32((sample * 7 + feature * 13) % 1000)


@cuda.jit
def standardise(table, mean, scale, out):
    sample, feature = cuda.grid(2)
    if sample < table.shape[0]:
        out[sample, feature] = (table[sample, feature] - mean[feature]) * scale[feature]


d_mean = cuda.to_device(np.full(FEATURES, 499.5, np.float32))
d_scale = cuda.to_device(np.linspace(0.001, 0.002, FEATURES, dtype=np.float32))
d_table = cuda.device_array((SAMPLES, FEATURES), np.float32)
d_out = cuda.device_array((SAMPLES, FEATURES), np.float32)
fill[SAMPLES, FEATURES](d_table)
threads = min(256, SAMPLES), 1
blocks = (SAMPLES + 255) // 256, FEATURES
standardise[blocks, threads](d_table, d_mean, d_scale, d_out)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    standardise[blocks, threads](d_table, d_mean, d_scale, d_out)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={np.abs(d_out[: min(SAMPLES, 1000)].copy_to_host()).mean(dtype=np.float64):.5f}")
print(f"loop_seconds={seconds:.6f}")
