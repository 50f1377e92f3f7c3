"""Distances of many points to a few hundred centres, a block of points at a time."""

import os
import time

import torch

POINTS = int(os.environ.get("STEPS", "30000"))
BLOCK = 2000
CENTRES = int(os.environ.get("SIZE", "512"))
device = "cuda" if torch.cuda.is_available() else "cpu"


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


torch.manual_seed(7)
points = torch.rand(POINTS, 64, device=device)
centres = torch.rand(CENTRES, 64, device=device)
nearest = torch.zeros(POINTS, device=device)


def assign(n):
    difference = points[n : n + BLOCK, None, :] - centres
    nearest[n : n + BLOCK] = (difference * difference).sum(dim=2).min(dim=1).values


assign(0)
wait()
began = time.perf_counter()
for n in range(0, POINTS, BLOCK):
    assign(n)
wait()
seconds = time.perf_counter() - began
print(f"result={nearest.mean().item():.3f}")
print(f"loop_seconds={seconds:.6f}")
