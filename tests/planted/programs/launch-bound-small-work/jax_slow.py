"""Integrate many pendulums, operation by operation."""

import os
import time

import jax.numpy as jnp

STEPS = int(os.environ.get("STEPS", "8000"))
N = int(os.environ.get("SIZE", "65536"))
H = 0.001


def step(angle, speed):
    speed = speed - H * jnp.sin(angle)
    return angle + H * speed, speed


angle = jnp.linspace(0, 1, N, dtype=jnp.float32)
speed = jnp.zeros(N, jnp.float32)
step(angle, speed)[0].block_until_ready()
began = time.perf_counter()
for _ in range(STEPS):
    angle, speed = step(angle, speed)
angle.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={float(jnp.abs(angle).mean()):.4f}")
print(f"loop_seconds={seconds:.6f}")
