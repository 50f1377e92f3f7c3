from __future__ import annotations

import pytest

from cudadoctor.dbn.gpu import GpuPerOperation
from cudadoctor.dbn.network import Network
from tests.dbn.following import assert_follows_the_reference


@pytest.mark.parametrize("layers", [(7, 5, 3), (4, 3), (4, 5, 3, 2)])
def test_the_lane_follows_the_reference(layers: tuple[int, ...]) -> None:
    assert_follows_the_reference(GpuPerOperation, Network(layers=layers, batch_size=11, weight_scale=0.5))
