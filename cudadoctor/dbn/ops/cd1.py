"""The operations of contrastive divergence with one step (CD-1) on a restricted Boltzmann machine.

v (m, visible), h (m, hidden), W (visible, hidden), g (visible,), b (hidden,), float32. Kinds of units: Gaussian (the
sum as it is), rectified, sigmoid. Formulas: `pretraining`, which is their reference in NumPy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_function, gpu_kernel
from cudadoctor.dbn.ops.grid import BLOCK, TILE, blocks, tiles
from cudadoctor.dbn.ops.products import row_by_column, row_by_row

CODES = {"gaussian": 0, "relu": 1, "sigmoid": 2}


@gpu_function
def activated(n: Any, code: Any) -> Any:
    """Return the activation of a sum, by `CODES`."""
    if code == 1:
        return max(n, np.float32(0))
    if code == 2:
        return np.float32(1) / (np.float32(1) + math.exp(-n))
    return n


@gpu_kernel
def up_kernel(v: Any, weights: Any, biases: Any, code: int, out: Any) -> None:
    """One thread per (sample, hidden unit): out = act(v W + b)."""
    column = cuda.blockIdx.x * TILE + cuda.threadIdx.x
    row = cuda.blockIdx.y * TILE + cuda.threadIdx.y
    total = row_by_column(v, weights, row, column)
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = activated(total + biases[column], code)


@gpu_kernel
def down_kernel(h: Any, weights: Any, biases: Any, code: int, out: Any) -> None:
    """One thread per (sample, visible unit): out = act(h W^T + g)."""
    column = cuda.blockIdx.x * TILE + cuda.threadIdx.x
    row = cuda.blockIdx.y * TILE + cuda.threadIdx.y
    total = row_by_row(h, weights, row, column)
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = activated(total + biases[column], code)


@gpu_kernel
def sample_kernel(h: Any, noise: Any, code: int, out: Any) -> None:
    """One thread per number of the flat arrays: states of hidden units, given what was drawn for each."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < out.size:
        if code == 2:
            out[i] = np.float32(1) if noise[i] <= h[i] else np.float32(0)
        else:
            spread = math.sqrt(np.float32(1) / (np.float32(1) + math.exp(-h[i])) + np.float32(1e-30))
            out[i] = max(h[i] + spread * noise[i], np.float32(0))


@gpu_kernel
def learn_kernel(v: Any, h: Any, v_again: Any, h_again: Any, weights: Any, speed: Any, numbers: Any) -> None:
    """One thread per weight: statistics v^T h - v'^T h', velocity, weight; numbers are mu, factor, rate, shrink."""
    column = cuda.blockIdx.x * TILE + cuda.threadIdx.x
    row = cuda.blockIdx.y * TILE + cuda.threadIdx.y
    if row < weights.shape[0] and column < weights.shape[1]:
        total = np.float32(0)
        for sample in range(v.shape[0]):
            total += v[sample, row] * h[sample, column] - v_again[sample, row] * h_again[sample, column]
        faster = numbers[0] * speed[row, column] + numbers[1] * total
        speed[row, column] = faster
        weights[row, column] = weights[row, column] * numbers[3] + numbers[2] * faster


@gpu_kernel
def learn_bias_kernel(units: Any, again: Any, biases: Any, speed: Any, numbers: Any) -> None:
    """One thread per unit: the bias's statistics, its velocity, itself."""
    column = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if column < biases.size:
        total = np.float32(0)
        for sample in range(units.shape[0]):
            total += units[sample, column] - again[sample, column]
        faster = numbers[0] * speed[column] + numbers[1] * total
        speed[column] = faster
        biases[column] += numbers[2] * faster


@gpu_kernel
def error_kernel(v: Any, again: Any, out: Any) -> None:
    """One thread per sample: its squared distance from its reconstruction; out (m,)."""
    sample = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if sample < v.shape[0]:
        total = np.float32(0)
        for column in range(v.shape[1]):
            difference = v[sample, column] - again[sample, column]
            total += difference * difference
        out[sample] = total


def up(v: Any, weights: Any, biases: Any, units: str, out: Any) -> None:
    """Compute hidden units from visible ones."""
    up_kernel[tiles(*out.shape), (TILE, TILE)](v, weights, biases, CODES[units], out)


def down(h: Any, weights: Any, biases: Any, units: str, out: Any) -> None:
    """Compute visible units from hidden ones."""
    down_kernel[tiles(*out.shape), (TILE, TILE)](h, weights, biases, CODES[units], out)


def sample(h: Any, noise: Any, units: str, out: Any) -> None:
    """Draw states; all arrays flat."""
    sample_kernel[blocks(out.size, BLOCK), BLOCK](h, noise, CODES[units], out)


def learn(v: Any, h: Any, v_again: Any, h_again: Any, machine: Any, speed: Any, numbers: Any) -> None:
    """Update weights and both biases; `machine` and `speed` are W, g, b and their velocities."""
    weights, visible, hidden = machine
    learn_kernel[tiles(*weights.shape), (TILE, TILE)](v, h, v_again, h_again, weights, speed[0], numbers)
    learn_bias_kernel[blocks(visible.size, BLOCK), BLOCK](v, v_again, visible, speed[1], numbers)
    learn_bias_kernel[blocks(hidden.size, BLOCK), BLOCK](h, h_again, hidden, speed[2], numbers)


def error(v: Any, v_again: Any, out: Any) -> None:
    """Compute each sample's squared reconstruction error."""
    error_kernel[blocks(v.shape[0], BLOCK), BLOCK](v, v_again, out)
