"""Score batches that come from page-locked host memory."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "150"))
ROWS = int(os.environ.get("SIZE", "16384"))
FEATURES = 1024
device = "cuda" if torch.cuda.is_available() else "cpu"


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


torch.manual_seed(5)
batches = [torch.rand(ROWS, FEATURES) for _ in range(4)]
if device == "cuda":
    batches = [batch.pin_memory() for batch in batches]
weights = torch.rand(FEATURES, 16, device=device)
scores = torch.zeros(ROWS, 16, device=device)
batches[0].to(device) @ weights
wait()
began = time.perf_counter()
for step in range(STEPS):
    batch = batches[step % 4].to(device, non_blocking=True)
    scores += batch @ weights
wait()
seconds = time.perf_counter() - began
print(f"result={scores.mean().item() / STEPS:.2f}")
print(f"loop_seconds={seconds:.6f}")
