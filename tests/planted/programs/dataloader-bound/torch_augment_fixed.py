"""Train on images that a data loader augments, in processes beside the training."""

import os
import time

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

STEPS = int(os.environ.get("STEPS", "40"))
SIDE = int(os.environ.get("SIZE", "224"))
BATCH = 16
WARM_UP = 3
WORKERS = 12
device = "cuda" if torch.cuda.is_available() else "cpu"


class Augmented(Dataset):
    """Images, each shifted, noisy and blurred in its own way."""

    def __init__(self):
        self.images = np.random.default_rng(1).random((64, 3, SIDE, SIDE), np.float32)

    def __len__(self):
        return (STEPS + WARM_UP) * BATCH

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        image = np.roll(self.images[index % 64], rng.integers(0, SIDE, 2), axis=(1, 2))
        image = image + 0.1 * rng.standard_normal(image.shape).astype(np.float32)
        for axis in (1, 2):
            image = (np.roll(image, 1, axis) + 2 * image + np.roll(image, -1, axis)) / 4
        return torch.from_numpy((image - image.mean()) / image.std())


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


def step(batch):
    images = batch.to(device)
    loss = (model(images).mean(dim=(1, 2, 3)) - 1).square().mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


torch.manual_seed(8)
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 64, 3), torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 3), torch.nn.ReLU(), torch.nn.Conv2d(64, 8, 3)
).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
batches = iter(DataLoader(Augmented(), BATCH, num_workers=WORKERS))
for _ in range(WARM_UP):
    step(next(batches))
wait()
began = time.perf_counter()
for batch in batches:
    loss = step(batch)
wait()
seconds = time.perf_counter() - began
print(f"result={loss.item():.3f}")
print(f"loop_seconds={seconds:.6f}")
