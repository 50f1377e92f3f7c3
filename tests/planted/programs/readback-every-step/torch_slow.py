"""The largest eigenvalue of a matrix by power iteration; stops when the estimate has settled."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "15000"))
N = int(os.environ.get("SIZE", "5120"))
device = "cuda" if torch.cuda.is_available() else "cpu"


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


torch.manual_seed(4)
matrix = torch.rand(N, N, device=device) / N
vector = torch.ones(N, device=device)
for _ in range(3):
    (matrix @ vector).norm().item()
wait()
began = time.perf_counter()
old = 0.0
for _ in range(STEPS):
    product = matrix @ vector
    norm = product.norm()
    vector = product / norm
    new = norm.item()
    if new != new:
        raise ArithmeticError("the iteration left the range of float32")
    old = new
wait()
seconds = time.perf_counter() - began
print(f"result={old:.4f}")
print(f"loop_seconds={seconds:.6f}")
