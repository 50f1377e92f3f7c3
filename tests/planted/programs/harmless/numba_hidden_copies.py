"""Filter frames that stream in from page-locked memory, the copy of the next behind the work on this one."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "250"))
N = int(os.environ.get("SIZE", str(1 << 24)))
ITERATIONS = 300
HALF = np.float32(0.5)


@cuda.jit
def filtered(frame, out):
    i = cuda.grid(1)
    if i < frame.size:
        value = frame[i] + np.float32(1)
        root = value
        for _ in range(ITERATIONS):
            root = HALF * (root + value / root)
        out[i] += root


frames = [cuda.pinned_array(N, np.float32) for _ in range(2)]
for number, frame in enumerate(frames):
    frame[:] = np.linspace(0, number + 1, N, dtype=np.float32)
streams = [cuda.stream(), cuda.stream()]
d_frames = [cuda.to_device(frame) for frame in frames]
d_out = cuda.to_device(np.zeros((2, N), np.float32))
d_outs = [d_out[0], d_out[1]]
threads = 256
blocks = (N + threads - 1) // threads
filtered[blocks, threads](d_frames[0], d_outs[0])
cuda.synchronize()
began = time.perf_counter()
for step in range(STEPS):
    turn = step % 2
    stream = streams[turn]
    d_frames[turn].copy_to_device(frames[turn], stream=stream)
    filtered[blocks, threads, stream](d_frames[turn], d_outs[turn])
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={d_out.copy_to_host().mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
