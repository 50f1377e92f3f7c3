"""The order in which a machine is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudadoctor.facts.base import Missing
from cudadoctor.probes import gather
from cudadoctor.probes.drivers import DriverContact


def test_the_power_state_of_a_card_is_read_before_nvml_can_wake_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    read = gather.power.gather

    class Contact(DriverContact):
        def __init__(self, **options: object) -> None:
            seen.append("NVML")
            super().__init__(absent=frozenset({"libnvidia-ml.so.1", "libcuda.so.1"}))

    def noted(*arguments: object) -> object:
        seen.append("power state")
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(gather, "DriverContact", Contact)
    monkeypatch.setattr(gather.power, "gather", noted)
    found = gather.machine(
        areas=frozenset({"pci", "driver"}),
        left_out="a test left it out",
        sysroot=str(tmp_path),
        live=True,
        device=None,
        limit_s=1.0,
    )
    assert seen == ["power state", "NVML"]
    assert isinstance(found.nvml, Missing)
