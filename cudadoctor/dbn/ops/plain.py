"""The plain operations of a matrix library: what a program is made of that never fuses two of them.

All arrays are float32; flat ones are passed with one dimension, matrices C-contiguous. These are what gnumpy and
cudamat offered in 2014; `style_2014` puts a training step together from them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import BLOCK, TILE, blocks, tiles
from cudadoctor.dbn.ops.products import row_by_column

ADD, SUBTRACT, MULTIPLY, DIVIDE = 0, 1, 2, 3
GREATER, LESS, EQUAL, TIMES = 0, 1, 2, 3
EXP, LOG, NEGATE = 0, 1, 2


@gpu_kernel
def binary_kernel(code: int, a: Any, b: Any, out: Any) -> None:
    """One thread per number of the flat arrays: out = a (+, -, *, /) b."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < out.size:
        if code == ADD:
            out[i] = a[i] + b[i]
        elif code == SUBTRACT:
            out[i] = a[i] - b[i]
        elif code == MULTIPLY:
            out[i] = a[i] * b[i]
        else:
            out[i] = a[i] / b[i]


@gpu_kernel
def scalar_kernel(code: int, a: Any, number: Any, out: Any) -> None:
    """One thread per number of the flat arrays: out = a (>, <, ==, *) number; a comparison gives 1 or 0."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < out.size:
        if code == TIMES:
            out[i] = a[i] * number
        else:
            true = a[i] > number
            if code == LESS:
                true = a[i] < number
            elif code == EQUAL:
                true = a[i] == number
            out[i] = np.float32(1) if true else np.float32(0)


@gpu_kernel
def unary_kernel(code: int, a: Any, out: Any) -> None:
    """One thread per number of the flat arrays: out = exp a, log a or -a."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < out.size:
        if code == EXP:
            out[i] = math.exp(a[i])
        elif code == LOG:
            out[i] = math.log(a[i])
        else:
            out[i] = -a[i]


@gpu_kernel
def copy_kernel(a: Any, out: Any, start: int, count: int) -> None:
    """One thread per number: out[start + i] = a[i] for i below `count`, flat."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < count:
        out[start + i] = a[i]


@gpu_kernel
def transpose_kernel(a: Any, out: Any) -> None:
    """One thread per number, tile by tile: out = a^T."""
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * TILE + ty, cuda.blockIdx.x * TILE + tx
    if row < a.shape[0] and column < a.shape[1]:
        out[column, row] = a[row, column]


@gpu_kernel
def product_kernel(a: Any, b: Any, out: Any) -> None:
    """One thread per number of the result: out = a b."""
    column = cuda.blockIdx.x * TILE + cuda.threadIdx.x
    row = cuda.blockIdx.y * TILE + cuda.threadIdx.y
    total = row_by_column(a, b, row, column)
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = total


@gpu_kernel
def row_maximum_kernel(a: Any, out: Any) -> None:
    """One thread per row: out (rows, 1)."""
    row = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if row < a.shape[0]:
        best = a[row, 0]
        for column in range(1, a.shape[1]):
            best = max(best, a[row, column])
        out[row, 0] = best


@gpu_kernel
def expand_kernel(a: Any, out: Any) -> None:
    """One thread per number: every column of `out` becomes the one column of a (rows, 1)."""
    row, column = cuda.blockIdx.y * TILE + cuda.threadIdx.y, cuda.blockIdx.x * TILE + cuda.threadIdx.x
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = a[row, 0]


def flat_grid(count: int) -> tuple[int, int]:
    """Return grid and block of a kernel over a flat array."""
    return blocks(count, BLOCK), BLOCK


def matrix_grid(rows: int, columns: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return grid and block of a kernel over a matrix."""
    return tiles(rows, columns), (TILE, TILE)
