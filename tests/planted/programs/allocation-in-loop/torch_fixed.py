"""Normalise the rows of a large matrix again and again; freed memory is used again."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "300"))
ROWS = int(os.environ.get("SIZE", "32768"))
device = "cuda" if torch.cuda.is_available() else "cpu"


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


torch.manual_seed(10)
matrix = torch.rand(ROWS, 2048, device=device)


def normalise(matrix):
    centred = matrix - matrix.mean(dim=1, keepdim=True)
    scaled = centred / centred.abs().amax(dim=1, keepdim=True)
    return 0.5 * scaled + 0.5


matrix = normalise(matrix)
wait()
began = time.perf_counter()
for _ in range(STEPS):
    matrix = normalise(matrix)
wait()
seconds = time.perf_counter() - began
print(f"result={matrix.mean().item():.4f}")
print(f"loop_seconds={seconds:.6f}")
