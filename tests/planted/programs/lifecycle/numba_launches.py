"""10,000 launches of a tiny kernel, timed by the program itself."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "10000"))


@cuda.jit
def increase(field):
    field[cuda.grid(1)] += 1


field = cuda.to_device(np.zeros(32, np.int32))
increase[1, 32](field)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    increase[1, 32](field)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={int(field.copy_to_host().sum())}")
print(f"loop_seconds={seconds:.6f}")
