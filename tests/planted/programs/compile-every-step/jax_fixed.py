"""Relax a field with a rate that changes with time; the update is compiled once and takes the rate."""

import os
import time

import jax
import jax.numpy as jnp

STEPS = int(os.environ.get("STEPS", "40"))
N = int(os.environ.get("SIZE", str(1 << 24)))


@jax.jit
def update(field, goal, rate):
    return field + rate * (goal - field)


field = jnp.zeros(N, jnp.float32)
goal = jnp.linspace(0, 1, N, dtype=jnp.float32)
update(field, goal, 0.5).block_until_ready()
began = time.perf_counter()
for step in range(STEPS):
    rate = 1 / (step + 10)
    field = update(field, goal, rate)
field.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={float(field.mean()):.5f}")
print(f"loop_seconds={seconds:.6f}")
