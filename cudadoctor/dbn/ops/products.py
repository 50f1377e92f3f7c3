"""One number of a matrix product a thread, in blocks of TILE x TILE: part of the kernels that call it.

Both factors are staged in shared memory, a tile at a time, so that each number is read from device memory once per tile
of the result and not once per result. All threads of a block must call, those beyond the result's edge too. float32.
numba keeps a compiled kernel by its own file: who changes this one empties the cache of compiled kernels.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_function
from cudadoctor.dbn.ops.grid import TILE

# A tile that is read down its columns: one column more, and a warp's reads fall on different memory banks.
_PADDED = TILE + 1


@gpu_function
def row_by_column(a: Any, b: Any, row: Any, column: Any) -> Any:
    """Return (a b)[row, column] for a (rows, inner) and b (inner, columns)."""
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    rows, inner, columns = a.shape[0], a.shape[1], b.shape[1]
    left = cuda.shared.array((TILE, TILE), numba.float32)
    right = cuda.shared.array((TILE, TILE), numba.float32)
    total = np.float32(0)
    for start in range(0, inner, TILE):
        left[ty, tx] = np.float32(0)
        right[ty, tx] = np.float32(0)
        if row < rows and start + tx < inner:
            left[ty, tx] = a[row, start + tx]
        if start + ty < inner and column < columns:
            right[ty, tx] = b[start + ty, column]
        cuda.syncthreads()
        for k in range(TILE):
            total += left[ty, k] * right[k, tx]
        cuda.syncthreads()
    return total


@gpu_function
def row_by_row(a: Any, b: Any, row: Any, column: Any) -> Any:
    """Return (a b^T)[row, column] for a (rows, inner) and b (columns, inner), which is read along its rows."""
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    first = column - tx
    rows, inner, columns = a.shape[0], a.shape[1], b.shape[0]
    left = cuda.shared.array((TILE, TILE), numba.float32)
    right = cuda.shared.array((TILE, _PADDED), numba.float32)
    total = np.float32(0)
    for start in range(0, inner, TILE):
        left[ty, tx] = np.float32(0)
        right[ty, tx] = np.float32(0)
        if row < rows and start + tx < inner:
            left[ty, tx] = a[row, start + tx]
        if first + ty < columns and start + tx < inner:
            right[ty, tx] = b[first + ty, start + tx]
        cuda.syncthreads()
        for k in range(TILE):
            total += left[ty, k] * right[tx, k]
        cuda.syncthreads()
    return total
