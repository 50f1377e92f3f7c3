"""10,000 launches of a tiny kernel, timed by the program itself."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "10000"))

field = torch.zeros(32, dtype=torch.int32, device="cuda")
field += 1
torch.cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    field += 1
torch.cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={int(field.sum())}")
print(f"loop_seconds={seconds:.6f}")
