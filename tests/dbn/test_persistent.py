"""The kernel that trains an epoch, emulated; on a GPU `tests/dbn/device` runs the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.persistent.arrays import first_state, padded_pixels, rates, sums_for, weights_of
from cudadoctor.dbn.persistent.plan import divide
from tests.dbn import emulator
from tests.dbn.following import assert_follows_the_reference


def lane_type(monkeypatch: pytest.MonkeyPatch, multiprocessors: int, shared_bytes: int = 1 << 18) -> Any:
    class Emulated:
        def __init__(self, network: Network, layers: list[Layer], pixels: Any, labels: Any) -> None:
            self.network = network
            self.plan = divide(network, multiprocessors=multiprocessors, shared_bytes=shared_bytes)
            self.pixels, self.labels = padded_pixels(pixels, self.plan), labels.astype(np.int32)
            self.state = first_state(layers)
            self.sums = np.full(sums_for(self.plan), 12345, np.int64)

        def prepare(self, tick: Any) -> None:
            pass

        def train_epoch(self, rows: Any, learn_rate: float, tick: Any) -> tuple[float, float]:
            totals = np.full(2 * len(rows), np.nan, np.float32)
            arrays = (self.pixels, self.labels, rows.reshape(-1), self.state, self.sums, totals)
            emulator.launch(monkeypatch, self.plan, (*arrays, len(rows), *rates(self.network, learn_rate)))
            loss, mistakes = totals.reshape(-1, 2).sum(axis=0, dtype=np.float64) / rows.size
            return float(loss), float(mistakes)

        def layers(self) -> list[Layer]:
            return weights_of(self.state, self.network)

    return Emulated


@pytest.mark.parametrize(
    ("layers", "batch", "multiprocessors"),
    [((7, 5, 3), 11, 4), ((40, 9, 3), 11, 2), ((4, 3, 18), 15, 1)],
)
def test_the_kernel_follows_the_reference(
    layers: tuple[int, ...], batch: int, multiprocessors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.shrink_blocks(monkeypatch, warps=2, matrix_warps=1)
    network = Network(layers=layers, batch_size=batch, weight_scale=0.5)
    assert_follows_the_reference(lane_type(monkeypatch, multiprocessors), network)
