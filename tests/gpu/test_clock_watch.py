"""What NVML read of a GPU while a program ran."""

from __future__ import annotations

from typing import Any

from cudadoctor.gpu.clock_watch import ClockWatch


def reading(at: float, **values: Any) -> dict[str, Any]:
    return {"kind": "reading", "at": at, "values": {"sm_mhz": 1980, **values}, "violations_ns": {}, "pids": [7, 8]}


def test_readings_may_be_asked_for_twice_and_say_the_same() -> None:
    watch = ClockWatch(None)
    watch.ours(7)
    watch.mark("gpu-copied")
    at = watch._marks[0][0]
    watch._collect([reading(at + 1, power_mw=91_500), reading(at + 2)])  # type: ignore[arg-type]
    first = watch.readings()
    assert [(each.power_w, each.other_processes, each.during) for each in first] == [
        (91.5, 1, "gpu-copied"),
        (None, 1, "gpu-copied"),
    ]
    assert watch.readings() == first
