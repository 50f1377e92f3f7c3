"""Uses torch.profiler on itself: it must still find its own kernels."""

import torch
from torch.profiler import ProfilerActivity, profile

matrix = torch.rand(1024, 1024, device="cuda")
matrix @ matrix
with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as prof:
    for _ in range(20):
        matrix @ matrix
    torch.cuda.synchronize()
names = {event.key for event in prof.key_averages() if "gemm" in event.key.lower() or "matmul" in event.key}
print("the profiler saw products:", bool(names))
