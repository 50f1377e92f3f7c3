"""An ensemble of Lorenz systems, advanced by classical Runge-Kutta steps, many steps a launch."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "3000"))
SYSTEMS = int(os.environ.get("SIZE", "65536"))
H = np.float32(0.0005)
HALF, SIXTH = np.float32(0.5), np.float32(1 / 6)
SIGMA, RHO, BETA = np.float32(10), np.float32(28), np.float32(8 / 3)


@cuda.jit(device=True)
def slope(x, y, z):
    return SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z


@cuda.jit
def advance(state, steps):
    i = cuda.grid(1)
    if i < state.shape[1]:
        x, y, z = state[0, i], state[1, i], state[2, i]
        half = H * HALF
        for _ in range(steps):
            ax, ay, az = slope(x, y, z)
            bx, by, bz = slope(x + half * ax, y + half * ay, z + half * az)
            cx, cy, cz = slope(x + half * bx, y + half * by, z + half * bz)
            dx, dy, dz = slope(x + H * cx, y + H * cy, z + H * cz)
            x += H * SIXTH * (ax + bx + bx + cx + cx + dx)
            y += H * SIXTH * (ay + by + by + cy + cy + dy)
            z += H * SIXTH * (az + bz + bz + cz + cz + dz)
        state[0, i], state[1, i], state[2, i] = x, y, z


threads = 128
blocks = (SYSTEMS + threads - 1) // threads
start = np.random.default_rng(1).random((3, SYSTEMS), dtype=np.float32) + np.float32(1)
state = cuda.to_device(start)
advance[blocks, threads](state, 1)
state.copy_to_device(start)
cuda.synchronize()
began = time.perf_counter()
done = 0
while done < STEPS:
    steps = min(100, STEPS - done)
    advance[blocks, threads](state, steps)
    done += steps
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={np.abs(state.copy_to_host()).mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
