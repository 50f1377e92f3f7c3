"""Grid arithmetic."""

from __future__ import annotations

TILE = 16
"""Side of the square tiles of the matrix products: 256 threads a block, and 2 KiB of shared memory."""

DEPTH = 64
"""Products that a tile of the fused kernels sums before the next is loaded: 64 samples, or 64 inputs."""

BLOCK = 128
"""Threads a block of the elementwise operations."""

ROWS_BLOCK = 64
"""Threads of the one block that sums over a minibatch: a row each for 64 rows, in turns for more."""


def blocks(items: int, block: int) -> int:
    """Return how many blocks cover the items."""
    return -(-items // block)


def tiles(rows: int, columns: int) -> tuple[int, int]:
    """Return the grid (x, y) of tiles that covers a matrix; x runs along the columns."""
    return blocks(columns, TILE), blocks(rows, TILE)
