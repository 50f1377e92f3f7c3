"""Let heat spread over a plate, and wait for every step of it."""

import os
import time

import jax
import jax.numpy as jnp

STEPS = int(os.environ.get("STEPS", "9000"))
N = int(os.environ.get("SIZE", "3000"))


@jax.jit
def spread(heat):
    around = jnp.roll(heat, 1, 0) + jnp.roll(heat, -1, 0) + jnp.roll(heat, 1, 1) + jnp.roll(heat, -1, 1)
    return heat + 0.1 * (around - 4.0 * heat)


heat = jnp.zeros((N, N), jnp.float32).at[N // 2, N // 2].set(1000.0)
spread(heat).block_until_ready()
began = time.perf_counter()
for _ in range(STEPS):
    heat = spread(heat)
    heat.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={float(heat.sum()):.1f}")
print(f"loop_seconds={seconds:.6f}")
