"""How fast the CPU is said to be, by the ladder and by the race around it."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.attribution.ladder import cpu_us
from tests.attribution import races


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(850.0, 950.0, 900.0), (171.0, 4429.0, 250.0)],
    ids=["rounds that agree stand alone", "rounds that leave much open do not"],
)
def test_what_others_added_to_the_rounds_does_not_make_the_gpu_win(low: float, high: float, expected: float) -> None:
    rung = msgspec.structs.replace(races.rung("C1", 900.0), device="cpu", median_us=900.0, low_us=low, high_us=high)
    lane = races.lane("cpu-fast", "cpu", [250e-6 * 732] * 3)
    found = cpu_us(races.race(races.explanation(rung), lane))
    assert found == pytest.approx(expected)
