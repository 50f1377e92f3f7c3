"""A kernel on each GPU in turn, from one thread."""

import os

import numpy as np
from numba import cuda

N = int(os.environ.get("SIZE", str(1 << 20)))
STEPS = int(os.environ.get("STEPS", "200"))


@cuda.jit
def increase(field):
    i = cuda.grid(1)
    if i < field.size:
        field[i] += np.float32(1)


counts = []
for gpu in cuda.gpus:
    with gpu:
        field = cuda.to_device(np.zeros(N, np.float32))
        for _ in range(STEPS):
            increase[(N + 255) // 256, 256](field)
        counts.append(float(field.copy_to_host().mean()))
print("all GPUs counted the steps:", set(counts) == {float(STEPS)})
print("GPUs:", len(counts))
