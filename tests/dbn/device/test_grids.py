"""The blocks that a step tells are those that it launches."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn import ops
from cudadoctor.dbn.network import Network, first_weights
from cudadoctor.dbn.rungs.fused import Fused
from cudadoctor.dbn.rungs.per_operation import Copied, HostArrays, PerOperation
from tests.dbn.following import small_set


class Spy:
    """A kernel that keeps the size of its grid and does nothing."""

    def __init__(self, seen: list[int]) -> None:
        self._seen = seen

    def __getitem__(self, configuration: Any) -> Any:
        self._seen.append(int(np.prod(configuration[0])))
        return lambda *_: None


@pytest.mark.parametrize("lane", [HostArrays, Copied, PerOperation, Fused], ids=lambda lane: lane.name)
@pytest.mark.parametrize("layers", [(7, 5, 3), (20, 9, 8, 2)])
def test_a_step_tells_the_grid_that_it_launches(
    lane: Any, layers: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(layers=layers, batch_size=11)
    rung = lane(network, first_weights(network, 0), *small_set(network))
    rung.begin_epoch(np.zeros((rung.minibatches, 11), np.uint32))
    seen: list[int] = []
    for module in pkgutil.iter_modules(ops.__path__, ops.__name__ + "."):
        loaded = importlib.import_module(module.name)
        if hasattr(loaded, "kernel"):
            monkeypatch.setattr(loaded, "kernel", Spy(seen))
    launches = [step for step in rung.steps if step.kind == "launch"]
    for step in launches:
        step.run(0)
    assert [step.blocks for step in launches] == seen
