"""Add up blocks of a data set that is read from disk, past the page cache, in every step."""

import mmap
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


def read_part(file, part):
    offset = part * buffer.nbytes
    os.posix_fadvise(file, offset, buffer.nbytes, os.POSIX_FADV_DONTNEED)
    os.preadv(file, [buffer], offset)
    return buffer


buffer = np.frombuffer(mmap.mmap(-1, 4 * N), np.float32)
with tempfile.TemporaryDirectory(dir=os.environ.get("DATA_FOLDER")) as folder:
    path = os.path.join(folder, "data.bin")
    with open(path, "wb") as out:
        for part in range(PARTS):
            np.linspace(0, part, N, dtype=np.float32).tofile(out)
        out.flush()
        os.fsync(out.fileno())
    file = os.open(path, os.O_RDONLY | (os.O_DIRECT if buffer.nbytes % 4096 == 0 else 0))
    d_batch = cuda.to_device(read_part(file, 0))
    d_total = cuda.to_device(np.zeros(N, np.float32))
    threads = 256
    blocks = (N + threads - 1) // threads
    accumulate[blocks, threads](d_batch, d_total)
    cuda.synchronize()
    began = time.perf_counter()
    for step in range(STEPS):
        d_batch.copy_to_device(read_part(file, step % PARTS))
        accumulate[blocks, threads](d_batch, d_total)
    cuda.synchronize()
    seconds = time.perf_counter() - began
    os.close(file)
print(f"result={d_total.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
