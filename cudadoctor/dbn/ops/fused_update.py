"""Gradient and Nesterov's update of a layer in one kernel, weights and biases.

G = s x[rows]^T d and q = column sums of d are never written: each thread sums its own and updates A, v and c, vc at
once: g = rate G - shrink A; v <- mu v + g; A <- A + mu v + g (for biases shrink is 0). x (samples, inputs) uint8 pixels
or float32 units; rows (minibatches, m) uint32, row `step` of it taken; d (m, outputs), A and v (inputs, outputs),
c and vc (outputs,), numbers (3,) = mu, rate, shrink, float32, on the device so that a recorded graph can be run at
another learning rate.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import DEPTH, TILE, tiles


def reference(
    x: Any, rows: Any, step: int, scale: Any, d: Any, weights: Any, velocity: Any, biases: Any, pace: Any, numbers: Any
) -> tuple[Any, Any, Any, Any]:
    """Return the new A, v, c and vc."""
    mu, rate, shrink = numbers
    change = rate * ((x[rows[step]].astype(np.float32) * scale).T @ d) - shrink * weights
    speed = mu * velocity + change
    bias_change = rate * d.sum(axis=0)
    bias_speed = mu * pace + bias_change
    return weights + mu * speed + change, speed, biases + mu * bias_speed + bias_change, bias_speed


@gpu_kernel
def kernel(
    x: Any, rows: Any, step: int, scale: Any, d: Any, weights: Any, velocity: Any, biases: Any, pace: Any, numbers: Any
) -> None:
    """One thread per (input, output); the first row of blocks updates the biases too."""
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    first = cuda.blockIdx.y * TILE
    column = cuda.blockIdx.x * TILE + tx
    samples, inputs, columns = d.shape[0], weights.shape[0], d.shape[1]
    left = cuda.shared.array((DEPTH, TILE), numba.float32)
    right = cuda.shared.array((DEPTH, TILE), numba.float32)
    total, bias_total = np.float32(0), np.float32(0)
    for start in range(0, samples, DEPTH):
        for k in range(ty, DEPTH, TILE):
            left[k, tx] = np.float32(0)
            right[k, tx] = np.float32(0)
            if start + k < samples:
                if first + tx < inputs:
                    left[k, tx] = np.float32(x[np.int64(rows[step, start + k]), first + tx]) * scale
                if column < columns:
                    right[k, tx] = d[start + k, column]
        cuda.syncthreads()
        for k in range(DEPTH):
            total += left[k, ty] * right[k, tx]
            bias_total += right[k, tx]
        cuda.syncthreads()
    mu, rate, shrink = numbers[0], numbers[1], numbers[2]
    if column < columns:
        if first + ty < inputs:
            change = rate * total - shrink * weights[first + ty, column]
            speed = mu * velocity[first + ty, column] + change
            velocity[first + ty, column] = speed
            weights[first + ty, column] += mu * speed + change
        if first == 0 and ty == 0:
            change = rate * bias_total
            speed = mu * pace[column] + change
            pace[column] = speed
            biases[column] += mu * speed + change


def launch(
    x: Any,
    rows: Any,
    step: int,
    scale: np.float32,
    d: Any,
    weights: Any,
    velocity: Any,
    biases: Any,
    pace: Any,
    numbers: Any,
    *,
    stream: Any = 0,
) -> None:
    """Update A, v, c and vc."""
    grid = tiles(*weights.shape)
    kernel[grid, (TILE, TILE), stream](x, rows, step, scale, d, weights, velocity, biases, pace, numbers)
