"""Fit a field to a goal by gradient descent; the losses are read back at the end."""

import os
import time

import jax
import jax.numpy as jnp

STEPS = int(os.environ.get("STEPS", "9000"))
N = int(os.environ.get("SIZE", str(1 << 23)))


@jax.jit
def step(field, goal):
    difference = goal - field
    return field + 1e-3 * difference, jnp.mean(difference * difference)


field = jnp.zeros(N, jnp.float32)
goal = jnp.linspace(0, 1, N, dtype=jnp.float32)
float(step(field, goal)[1])
losses = []
began = time.perf_counter()
for _ in range(STEPS):
    field, loss = step(field, goal)
    losses.append(loss)
field.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={sum(float(loss) for loss in losses):.2f}")
print(f"loop_seconds={seconds:.6f}")
