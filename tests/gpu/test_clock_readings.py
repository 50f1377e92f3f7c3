"""How often NVML is asked while a program runs."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from cudadoctor.gpu import clock_readings


class Enough(Exception):  # noqa: N818 - ends a loop
    pass


class Told:
    """A reporter that has enough after some readings."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.at: list[float] = []

    def step(self, name: str) -> Any:
        return nullcontext()

    def send(self, kind: str, **data: Any) -> None:
        assert kind == "reading"
        self.at.append(data["at"])
        if len(self.at) == self.most:
            raise Enough


@pytest.mark.parametrize(
    ("calm", "readings"),
    [(False, 61), (True, 31)],  # three seconds: all dense, or one dense and two in quarters
)
def test_a_program_is_disturbed_rarely_once_the_clocks_have_risen(
    calm: bool, readings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=100.0)

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(clock_readings, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    monkeypatch.setattr(clock_readings, "open_device", lambda address, reporter: "handle")
    monkeypatch.setattr(clock_readings, "_read", lambda function, *arguments: None)
    told = Told(readings)
    with pytest.raises(Enough):
        clock_readings.work({"pci_address": "0000:01:00.0", "calm": calm}, told)  # type: ignore[arg-type]
    assert told.at[-1] - told.at[0] == pytest.approx(3.0, abs=0.3)
    steps = [later - earlier for earlier, later in zip(told.at, told.at[1:], strict=False)]
    assert min(steps) == pytest.approx(clock_readings.INTERVAL_S)
    assert max(steps) == pytest.approx(clock_readings.CALM_INTERVAL_S if calm else clock_readings.INTERVAL_S)
