"""Fit a network by gradient descent; the loss is read in each step, which is milliseconds of work."""

import os
import time

import jax
import jax.numpy as jnp

STEPS = int(os.environ.get("STEPS", "800"))
WIDTH = int(os.environ.get("SIZE", "4096"))


def loss(layers, rows, goal):
    for layer in layers:
        rows = jnp.tanh(rows @ layer)
    return jnp.mean((rows - goal) ** 2)


@jax.jit
def step(layers, rows, goal):
    value, slopes = jax.value_and_grad(loss)(layers, rows, goal)
    return [layer - 0.1 * slope for layer, slope in zip(layers, slopes, strict=True)], value


keys = jax.random.split(jax.random.key(4), 6)
layers = [jax.random.normal(key, (WIDTH, WIDTH), jnp.float32) / WIDTH**0.5 for key in keys[:4]]
rows, goal = (jax.random.normal(key, (WIDTH, WIDTH), jnp.float32) for key in keys[4:])
float(step(layers, rows, goal)[1])
losses = []
began = time.perf_counter()
for _ in range(STEPS):
    layers, value = step(layers, rows, goal)
    losses.append(float(value))
seconds = time.perf_counter() - began
print(f"result={sum(losses) / STEPS:.2f}")
print(f"loop_seconds={seconds:.6f}")
