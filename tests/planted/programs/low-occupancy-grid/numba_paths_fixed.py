"""Price an option on paths that a hundred and more blocks walks."""

import math
import os
import time

import numpy as np
from numba import cuda
from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_normal_float32

STEPS = int(os.environ.get("STEPS", "40"))
PATHS = int(os.environ.get("SIZE", "2048"))
BLOCKS = min(PATHS, 128)
THREADS = 256
ONE, VOLATILITY = np.float32(1), np.float32(0.02)


@cuda.jit
def walk(states, paid, paths):
    thread = cuda.grid(1)
    total = np.float32(0)
    for _ in range(paths):
        price = ONE
        for _ in range(16):
            price *= math.exp(VOLATILITY * xoroshiro128p_normal_float32(states, thread))
        total += max(price - ONE, np.float32(0))
    cuda.atomic.add(paid, 0, total)


states = create_xoroshiro128p_states(BLOCKS * THREADS, seed=1)
walk[BLOCKS, THREADS](states, cuda.to_device(np.zeros(1)), 1)
paid = cuda.to_device(np.zeros(1))
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    walk[BLOCKS, THREADS](states, paid, PATHS // BLOCKS)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={paid.copy_to_host()[0] / (STEPS * PATHS * THREADS):.2f}")
print(f"loop_seconds={seconds:.6f}")
