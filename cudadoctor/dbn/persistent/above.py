"""The second layer and the biases: their gradients and updates, in single precision throughout.

`above` has a row for each of the block's hidden units and one for the outputs' biases, a column for each class and one
for the units' biases, so that all of them are weights: a sample's input is 1 for a bias.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.persistent.plan import TILE_UNITS
from cudadoctor.gpu.numba_cuda import gpu_function
from cudadoctor.gpu.ptx import load_float, store_float

_ZERO = np.float32(0)


@gpu_function
def train_above(
    plan: Any, base: Any, worker: Any, workers: Any, lane: Any, momentum: Any, rate: Any, shrink: Any
) -> None:
    """Train the second layer and the biases, by `workers` warps that take 2 units and 16 columns at a time each."""
    width = TILE_UNITS * plan.tiles
    for first in range(0, width + 1, 2 * workers):
        unit = first + 2 * worker + (lane >> 4)
        for start in range(0, plan.classes + 1, 16):
            column = start + (lane & 15)
            if (unit < width and column <= plan.classes) or (unit == width and column < plan.classes):
                left, left_step = base + plan.units + 4 * unit, 4 * (width + 2)
                right, right_step = base + plan.outputs + 4 * column, 4 * plan.classes
                if column == plan.classes:  # the unit's bias, of which the sample's input is 1
                    left = base + plan.units + 4 * (width + 1)
                    right, right_step = base + plan.unit_deltas + 4 * unit, 4 * width
                g0 = g1 = g2 = g3 = _ZERO
                for _ in range(16 * plan.groups):
                    g0 += load_float(left) * load_float(right)
                    g1 += load_float(left + left_step) * load_float(right + right_step)
                    g2 += load_float(left + 2 * left_step) * load_float(right + 2 * right_step)
                    g3 += load_float(left + 3 * left_step) * load_float(right + 3 * right_step)
                    left += 4 * left_step
                    right += 4 * right_step
                at = base + 4 * (unit * (plan.classes + 1) + column)
                a = load_float(at + plan.above)
                change = rate * ((g0 + g1) + (g2 + g3))
                if unit < width and column < plan.classes:
                    change -= shrink * a
                speed = momentum * load_float(at + plan.above_velocities) + change
                store_float(at + plan.above_velocities, speed)
                store_float(at + plan.above, a + (momentum * speed + change))
