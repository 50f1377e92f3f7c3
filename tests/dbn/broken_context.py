"""Races in which one rung makes a CUDA error that no later call of its process survives."""

from __future__ import annotations

from typing import Any

import numpy as np

from cudadoctor.dbn.lanes import work
from cudadoctor.gpu.child import Reporter


def in_the_lane_gpu_copied(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Run a race whose lane `gpu-copied` writes where no memory is, in every epoch."""
    _harm("train_epoch")
    work(arguments, reporter)


def in_the_ladder(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Run a race whose rung R1 writes where no memory is, in every slice."""
    _harm("train")
    work(arguments, reporter)


def _harm(method: str) -> None:
    from cudadoctor.dbn.ops.device import cuda
    from cudadoctor.dbn.rungs.per_operation import Copied

    @cuda.jit
    def wild(array: Any) -> None:
        array[1 << 42] = 1.0

    def harmful(self: Any, *arguments: Any) -> Any:
        wild[1, 1](cuda.to_device(np.zeros(1, np.float32)))
        return healthy(self, *arguments)

    healthy = getattr(Copied, method)
    setattr(Copied, method, harmful)
