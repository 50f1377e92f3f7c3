"""Integrate many pendulums, all steps in one compiled loop."""

import os
import time

import jax
import jax.numpy as jnp

STEPS = int(os.environ.get("STEPS", "8000"))
N = int(os.environ.get("SIZE", "65536"))
H = 0.001


@jax.jit
def integrate(angle, speed):
    def step(state, _):
        angle, speed = state
        speed = speed - H * jnp.sin(angle)
        return (angle + H * speed, speed), None

    return jax.lax.scan(step, (angle, speed), length=STEPS)[0]


angle = jnp.linspace(0, 1, N, dtype=jnp.float32)
speed = jnp.zeros(N, jnp.float32)
integrate(angle, speed)[0].block_until_ready()
began = time.perf_counter()
angle, speed = integrate(angle, speed)
angle.block_until_ready()
seconds = time.perf_counter() - began
print(f"result={float(jnp.abs(angle).mean()):.4f}")
print(f"loop_seconds={seconds:.6f}")
