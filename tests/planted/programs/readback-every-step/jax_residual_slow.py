"""Solve a linear system by iteration, and look at the residual after each step."""

import os
import time

import jax
import jax.numpy as jnp

STEPS = int(os.environ.get("STEPS", "6000"))
N = int(os.environ.get("SIZE", "512"))


@jax.jit
def improve(x):
    better = x - 0.05 * (matrix @ x - right)
    return better, jnp.abs(better - x).max()


matrix = jnp.eye(N) * 0.5 + jnp.ones((N, N)) * 1e-4
right = jnp.ones(N)
x, residual = improve(jnp.zeros(N))
float(residual)
began = time.perf_counter()
for _ in range(STEPS):
    x, residual = improve(x)
    if float(residual) < 0.0:
        break
x.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={float(x.sum()):.3f}")
print(f"loop_seconds={seconds:.6f}")
