"""Four threads launch kernels on their own arrays at the same time."""

import os
import threading

import numpy as np
from numba import cuda

N = int(os.environ.get("SIZE", "65536"))
STEPS = int(os.environ.get("STEPS", "500"))


@cuda.jit
def increase(field):
    i = cuda.grid(1)
    if i < field.size:
        field[i] += np.float32(1)


def work(number):
    field = cuda.to_device(np.zeros(N, np.float32))
    for _ in range(STEPS):
        increase[(N + 255) // 256, 256](field)
    means[number] = float(field.copy_to_host().mean())


increase[1, 32](cuda.to_device(np.zeros(32, np.float32)))
means = [0.0] * 4
workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print("all threads counted the steps:", means == [float(STEPS)] * 4)
