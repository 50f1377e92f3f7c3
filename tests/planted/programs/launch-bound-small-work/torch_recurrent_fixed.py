"""Run a small gated recurrent cell over a long sequence, a hundred steps a CUDA graph."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "10000"))
HIDDEN = int(os.environ.get("SIZE", "128"))
CHUNK = 100
device = "cuda" if torch.cuda.is_available() else "cpu"


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


torch.manual_seed(6)
inputs = torch.randn(CHUNK, 64, HIDDEN, device=device)
weights = torch.randn(3, HIDDEN, HIDDEN, device=device) / HIDDEN**0.5
hidden = torch.zeros(64, HIDDEN, device=device)


def run(steps):
    for step in range(steps):
        x = inputs[step]
        update = torch.sigmoid(x + hidden @ weights[0])
        reset = torch.sigmoid(x + hidden @ weights[1])
        candidate = torch.tanh(x + (reset * hidden) @ weights[2])
        hidden.copy_(update * hidden + (1 - update) * candidate)


side = torch.cuda.Stream()
side.wait_stream(torch.cuda.current_stream())
with torch.cuda.stream(side):
    run(3)
wait()
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    run(CHUNK)
graph.replay()
hidden.zero_()
wait()
began = time.perf_counter()
for _ in range(0, STEPS, CHUNK):
    graph.replay()
wait()
seconds = time.perf_counter() - began
print(f"result={hidden.abs().mean().item():.4f}")
print(f"loop_seconds={seconds:.6f}")
