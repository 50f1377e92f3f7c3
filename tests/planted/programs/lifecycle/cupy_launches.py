"""10,000 launches of a tiny kernel, timed by the program itself."""

import os
import time

import cupy as cp

STEPS = int(os.environ.get("STEPS", "10000"))

field = cp.zeros(32, cp.int32)
field += 1
cp.cuda.Device().synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    field += 1
cp.cuda.Device().synchronize()
seconds = time.perf_counter() - began
print(f"result={int(field.sum())}")
print(f"loop_seconds={seconds:.6f}")
