"""Distances of many points to a few hundred centres, one point at a time."""

import os
import time

import torch

POINTS = int(os.environ.get("STEPS", "30000"))
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
    difference = centres - points[n]
    nearest[n] = (difference * difference).sum(dim=1).min()


for n in range(min(3, POINTS)):
    assign(n)
wait()
began = time.perf_counter()
for n in range(POINTS):
    assign(n)
wait()
seconds = time.perf_counter() - began
print(f"result={nearest.mean().item():.3f}")
print(f"loop_seconds={seconds:.6f}")
