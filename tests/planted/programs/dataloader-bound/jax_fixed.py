"""Score samples that a sensor delivers: 16 threads ask for batches ahead."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

STEPS = int(os.environ.get("STEPS", "250"))
ROWS = int(os.environ.get("SIZE", "512"))
POINTS = 256


def samples(step):
    time.sleep(0.005)
    return np.full((ROWS, POINTS), 1.0 / (step + 1), np.float32)


@jax.jit
def score(scores, batch, weights):
    return scores + jnp.tanh(batch @ weights).mean(axis=0)


weights = jax.random.normal(jax.random.key(2), (POINTS, 512), jnp.float32)
scores = jnp.zeros(512, jnp.float32)
score(scores, samples(0), weights).block_until_ready()
began = time.perf_counter()
with ThreadPoolExecutor(16) as threads:
    for batch in threads.map(samples, range(STEPS)):
        scores = score(scores, batch, weights)
scores.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={float(jnp.abs(scores).mean()):.3f}")
print(f"loop_seconds={seconds:.6f}")
