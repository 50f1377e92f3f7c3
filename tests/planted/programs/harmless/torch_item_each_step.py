"""Train a wide network on large batches and print the loss of every step."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "30"))
WIDTH = int(os.environ.get("SIZE", "4096"))
device = "cuda" if torch.cuda.is_available() else "cpu"

torch.manual_seed(12)
network = torch.nn.Sequential(
    torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU()
).to(device)
optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
inputs = torch.rand(4 * WIDTH, WIDTH, device=device)
goal = torch.rand(4 * WIDTH, WIDTH, device=device)


def step():
    optimiser.zero_grad()
    loss = torch.nn.functional.mse_loss(network(inputs), goal)
    loss.backward()
    optimiser.step()
    return loss.item()


for _ in range(3):
    step()
began = time.perf_counter()
losses = [step() for _ in range(STEPS)]
if device == "cuda":
    torch.cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={sum(losses):.3f}")
print(f"loop_seconds={seconds:.6f}")
