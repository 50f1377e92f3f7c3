"""Many small kernels, but launched as one CUDA graph of long enough work."""

import os
import time

import torch

STEPS = int(os.environ.get("STEPS", "120"))
N = int(os.environ.get("SIZE", str(1 << 22)))

torch.manual_seed(14)
field = torch.rand(N, device="cuda")


def relax():
    for _ in range(500):
        field.mul_(0.999).add_(0.0005)


side = torch.cuda.Stream()
side.wait_stream(torch.cuda.current_stream())
with torch.cuda.stream(side):
    relax()
torch.cuda.synchronize()
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    relax()
graph.replay()
torch.cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    graph.replay()
torch.cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={field.mean().item():.4f}")
print(f"loop_seconds={seconds:.6f}")
