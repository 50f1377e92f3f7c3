"""Kernels and copies on four streams, one after the other from one thread."""

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


streams = [cuda.stream() for _ in range(4)]
hosts = [cuda.pinned_array(N, np.float32) for _ in streams]
for host in hosts:
    host[:] = 0
fields = [cuda.to_device(host, stream=stream) for host, stream in zip(hosts, streams, strict=True)]
for _ in range(STEPS):
    for stream, field in zip(streams, fields, strict=True):
        increase[(N + 255) // 256, 256, stream](field)
for stream, field, host in zip(streams, fields, hosts, strict=True):
    field.copy_to_host(host, stream=stream)
cuda.synchronize()
print("all streams counted the steps:", all((host == STEPS).all() for host in hosts))
