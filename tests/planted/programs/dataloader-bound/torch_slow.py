"""Train on samples that a data loader fetches one by one from a remote store."""

import os
import time

import torch
from torch.utils.data import DataLoader, Dataset

STEPS = int(os.environ.get("STEPS", "60"))
WIDTH = int(os.environ.get("SIZE", "2048"))
BATCH = 16
WORKERS = 0
device = "cuda" if torch.cuda.is_available() else "cpu"


class Store(Dataset):
    def __len__(self):
        return STEPS * BATCH

    def __getitem__(self, index):
        time.sleep(0.001)
        return torch.full((WIDTH,), float(index % 5))


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


def train():
    for batch in loader:
        weights.add_(torch.tanh(batch.to(device).mean(dim=0) @ weights), alpha=1e-3)


torch.manual_seed(8)
weights = torch.rand(WIDTH, WIDTH, device=device) / WIDTH
loader = DataLoader(Store(), BATCH, num_workers=WORKERS, persistent_workers=WORKERS > 0)
next(iter(loader))
torch.tanh(torch.zeros(WIDTH, device=device) @ weights)
wait()
began = time.perf_counter()
train()
wait()
seconds = time.perf_counter() - began
print(f"result={weights.mean().item():.4f}")
print(f"loop_seconds={seconds:.6f}")
