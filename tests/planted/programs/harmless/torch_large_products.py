"""Products of large matrices."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "60"))
N = int(os.environ.get("SIZE", "8192"))
device = "cuda" if torch.cuda.is_available() else "cpu"

torch.manual_seed(13)
left = (torch.rand(N, N, device=device) / N).bfloat16()
right = torch.rand(N, N, device=device).bfloat16()
for _ in range(3):
    left @ right
if device == "cuda":
    torch.cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    for _ in range(10):
        product = left @ right
if device == "cuda":
    torch.cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={product.float().mean().item():.3f}")
print(f"loop_seconds={seconds:.6f}")
