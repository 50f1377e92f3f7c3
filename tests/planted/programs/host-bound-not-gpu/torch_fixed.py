"""Score documents by their words; the words were counted once, before."""

import os
import time

import torch
from torch.utils.data import DataLoader, Dataset

STEPS = int(os.environ.get("STEPS", "100"))
WORDS = int(os.environ.get("SIZE", "200"))
BATCH, VOCABULARY = 32, 4096
device = "cuda" if torch.cuda.is_available() else "cpu"


class Documents(Dataset):
    def __len__(self):
        return STEPS * BATCH

    def __getitem__(self, index):
        counts = [0.0] * VOCABULARY
        word = index + 1
        for _ in range(WORDS * 10):
            word = (word * 1103515245 + 12345) % 2147483648
            counts[word % VOCABULARY] += 1.0
        return torch.tensor(counts)


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


torch.manual_seed(9)
weights = torch.rand(VOCABULARY, 1024, device=device)
scores = torch.zeros(1024, device=device)
batches = [batch.to(device) for batch in DataLoader(Documents(), BATCH, num_workers=0)]
batches[0] @ weights
wait()
began = time.perf_counter()
for batch in batches:
    scores += (batch @ weights).mean(dim=0)
wait()
seconds = time.perf_counter() - began
print(f"result={scores.std().item() / STEPS:.4f}")
print(f"loop_seconds={seconds:.6f}")
