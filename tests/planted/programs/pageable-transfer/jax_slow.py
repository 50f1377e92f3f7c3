"""Score batches that are put on the device anew in every step."""

import os
import time

import jax
import jax.numpy as jnp
import numpy as np

STEPS = int(os.environ.get("STEPS", "150"))
ROWS = int(os.environ.get("SIZE", "16384"))
FEATURES = 1024


@jax.jit
def score(scores, batch, weights):
    return scores + batch @ weights


rng = np.random.default_rng(5)
batches = [rng.random((ROWS, FEATURES), dtype=np.float32) for _ in range(4)]
weights = jnp.asarray(rng.random((FEATURES, 16), dtype=np.float32))
scores = jnp.zeros((ROWS, 16), jnp.float32)
score(scores, jax.device_put(batches[0]), weights).block_until_ready()
began = time.perf_counter()
for step in range(STEPS):
    batch = jax.device_put(batches[step % 4])
    scores = score(scores, batch, weights)
scores.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={float(scores.mean()) / STEPS:.1f}")
print(f"loop_seconds={seconds:.6f}")
