"""Push particles about; the wind of all steps is worked out before."""

import math
import os
import time

import jax
import jax.numpy as jnp

STEPS = int(os.environ.get("STEPS", "600"))
N = int(os.environ.get("SIZE", str(1 << 20)))
GUSTS = 20_000 if N > 1000 else 100


def wind(step):
    force = 0.0
    for gust in range(GUSTS):
        force += math.sin(0.001 * gust * (step + 1)) / (gust + 1)
    return force


@jax.jit
def push(place, speed, force):
    speed = 0.999 * speed + 1e-3 * (force - place)
    return place + 1e-3 * speed, speed


winds = [wind(step) for step in range(STEPS)]
place, speed = jnp.linspace(-1, 1, N, dtype=jnp.float32), jnp.zeros(N, jnp.float32)
push(place, speed, wind(0))[0].block_until_ready()
began = time.perf_counter()
for step in range(STEPS):
    place, speed = push(place, speed, winds[step])
place.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={float(jnp.abs(place).mean()):.5f}")
print(f"loop_seconds={seconds:.6f}")
