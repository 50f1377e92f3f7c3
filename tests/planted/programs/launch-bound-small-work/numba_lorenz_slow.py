"""An ensemble of Lorenz systems, advanced by classical Runge-Kutta steps."""

import os
import time

import numpy as np
from numba import cuda

STEPS = int(os.environ.get("STEPS", "3000"))
SYSTEMS = int(os.environ.get("SIZE", "65536"))
H = np.float32(0.0005)
HALF = np.float32(0.5)
SIGMA, RHO, BETA = np.float32(10), np.float32(28), np.float32(8 / 3)


@cuda.jit
def derivative(state, slope):
    i = cuda.grid(1)
    if i < state.shape[1]:
        x, y, z = state[0, i], state[1, i], state[2, i]
        slope[0, i] = SIGMA * (y - x)
        slope[1, i] = x * (RHO - z) - y
        slope[2, i] = x * y - BETA * z


@cuda.jit
def move(state, slope, h, out):
    i = cuda.grid(1)
    if i < state.shape[1]:
        for k in range(3):
            out[k, i] = state[k, i] + h * slope[k, i]


@cuda.jit
def combine(state, k1, k2, k3, k4, h):
    i = cuda.grid(1)
    if i < state.shape[1]:
        for k in range(3):
            middle = k2[k, i] + k3[k, i]
            state[k, i] += h / np.float32(6) * (k1[k, i] + middle + middle + k4[k, i])


threads = 128
blocks = (SYSTEMS + threads - 1) // threads
start = np.random.default_rng(1).random((3, SYSTEMS), dtype=np.float32) + np.float32(1)
state = cuda.to_device(start)
k1, k2, k3, k4, trial = (cuda.device_array_like(start) for _ in range(5))


def step():
    derivative[blocks, threads](state, k1)
    move[blocks, threads](state, k1, H * HALF, trial)
    derivative[blocks, threads](trial, k2)
    move[blocks, threads](state, k2, H * HALF, trial)
    derivative[blocks, threads](trial, k3)
    move[blocks, threads](state, k3, H, trial)
    derivative[blocks, threads](trial, k4)
    combine[blocks, threads](state, k1, k2, k3, k4, H)


step()
state.copy_to_device(start)
cuda.synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    step()
cuda.synchronize()
seconds = time.perf_counter() - began
print(f"result={np.abs(state.copy_to_host()).mean(dtype=np.float64):.4f}")
print(f"loop_seconds={seconds:.6f}")
