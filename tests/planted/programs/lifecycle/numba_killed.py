"""Kills itself while kernels are under way: `segv` (the default) by a read of address 0, `kill` by SIGKILL."""

import ctypes
import os
import signal
import sys

import numpy as np
from numba import cuda

N = int(os.environ.get("SIZE", str(1 << 24)))


@cuda.jit
def halve(field):
    i = cuda.grid(1)
    if i < field.size:
        field[i] *= np.float32(0.5)


field = cuda.to_device(np.ones(N, np.float32))
threads = 256
blocks = (N + threads - 1) // threads
for _ in range(int(os.environ.get("STEPS", "500"))):
    halve[blocks, threads](field)
print("kernels are under way", flush=True)
if "kill" in sys.argv[1:]:
    os.kill(os.getpid(), signal.SIGKILL)
ctypes.string_at(0)
