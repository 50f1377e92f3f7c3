"""Add up blocks of a data set that is read from disk once, before the loop, and then stays on the device."""

import os
import tempfile
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "96"))
N = int(os.environ.get("SIZE", str(1 << 22)))
PARTS = 16


@cuda.jit
def accumulate(batch, total):
    i = cuda.grid(1)
    if i < total.size:
        total[i] += batch[i]


with tempfile.TemporaryDirectory(dir=os.environ.get("DATA_FOLDER")) as folder:
    path = os.path.join(folder, "data.bin")
    with open(path, "wb") as out:
        for part in range(PARTS):
            np.linspace(0, part, N, dtype=np.float32).tofile(out)
    batches = [cuda.to_device(batch) for batch in np.fromfile(path, np.float32).reshape(PARTS, N)]
d_total = cuda.to_device(np.zeros(N, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
accumulate[blocks, threads](batches[0], d_total)
cuda.synchronize()
began = time.perf_counter()
for step in range(STEPS):
    accumulate[blocks, threads](batches[step % PARTS], d_total)
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_total.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
