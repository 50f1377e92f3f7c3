"""Move the samples of each batch to the device in one piece, stacked on the host."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "200"))
BATCH = int(os.environ.get("SIZE", "512"))
FEATURES = 1024
device = "cuda" if torch.cuda.is_available() else "cpu"


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


torch.manual_seed(11)
samples = [torch.rand(FEATURES) for _ in range(BATCH)]
weights = torch.rand(FEATURES, FEATURES, device=device)
total = torch.zeros(BATCH, FEATURES, device=device)


def gather():
    return torch.stack(samples).to(device)


gather() @ weights
wait()
began = time.perf_counter()
for _ in range(STEPS):
    total += gather() @ weights
wait()
seconds = time.perf_counter() - began
print(f"result={total.mean().item() / STEPS:.2f}")
print(f"loop_seconds={seconds:.6f}")
