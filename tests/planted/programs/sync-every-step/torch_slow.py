"""Smooth a signal again and again; every step is waited for, as benchmarks do it."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "6000"))
N = int(os.environ.get("SIZE", str(1 << 23)))
device = "cuda" if torch.cuda.is_available() else "cpu"


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


torch.manual_seed(3)
signal = torch.rand(N, device=device)
goal = torch.rand(N, device=device)
signal.lerp_(goal, 0.0)
wait()
began = time.perf_counter()
for _ in range(STEPS):
    signal.lerp_(goal, 0.001)
    wait()
seconds = time.perf_counter() - began
print(f"result={signal.mean().item():.4f}")
print(f"loop_seconds={seconds:.6f}")
