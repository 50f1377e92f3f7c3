"""Products of large matrices, one after the other, normalised so that nothing overflows."""

import os
import time

import jax
import jax.numpy as jnp

STEPS = int(os.environ.get("STEPS", "200"))
N = int(os.environ.get("SIZE", "8192"))


@jax.jit
def step(state, matrix):
    product = state @ matrix
    return product / jnp.max(jnp.abs(product))


matrix = jax.random.uniform(jax.random.key(15), (N, N), jnp.float32) / N
state = jnp.ones((N, N), jnp.float32)
step(state, matrix).block_until_ready()
began = time.perf_counter()
for _ in range(STEPS):
    state = step(state, matrix)
state.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={float(state.mean()):.2f}")
print(f"loop_seconds={seconds:.6f}")
