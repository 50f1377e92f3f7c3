"""Nesterov's update in the form of one array: g = rate G - shrink A; v <- mu v + g; A <- A + mu v + g.

A, v and G flat (parameters,), float32. A holds the look-ahead weights W + mu v, which is all that a step needs; when
training is over, W = A - mu v. rate = lr / m, because G is a sum over the minibatch; shrink = lr lambda for weights
and 0 for biases.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.ops.device import cuda, gpu_kernel
from cudadoctor.dbn.ops.grid import BLOCK, blocks


def reference(ahead: Any, velocity: Any, gradient: Any, mu: Any, rate: Any, shrink: Any) -> tuple[Any, Any]:
    """Return the new A and v."""
    change = rate * gradient - shrink * ahead
    speed = mu * velocity + change
    return ahead + mu * speed + change, speed


@gpu_kernel
def kernel(ahead: Any, velocity: Any, gradient: Any, mu: Any, rate: Any, shrink: Any) -> None:
    """One thread per parameter."""
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < ahead.size:
        change = rate * gradient[i] - shrink * ahead[i]
        speed = mu * velocity[i] + change
        velocity[i] = speed
        ahead[i] += mu * speed + change


def launch(
    ahead: Any,
    velocity: Any,
    gradient: Any,
    mu: np.float32,
    rate: np.float32,
    shrink: np.float32,
    *,
    block: int = BLOCK,
    stream: Any = 0,
) -> None:
    """Update A and v."""
    kernel[blocks(ahead.size, block), block, stream](ahead, velocity, gradient, mu, rate, shrink)
