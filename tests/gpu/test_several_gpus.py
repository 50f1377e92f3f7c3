"""Kernels on several GPUs: one that takes its process along does not take the others."""

from __future__ import annotations

import pytest

from cudadoctor.facts.ladder import Step
from cudadoctor.gpu.worker import Worker
from cudadoctor.probes import drivers


def climb(
    monkeypatch: pytest.MonkeyPatch, behaviour: str, devices: tuple[int, ...]
) -> tuple[drivers.Steps, tuple[Step, ...]]:
    monkeypatch.setenv("CUDADOCTOR_CLIMB", behaviour)

    def start(*, limit_s: float) -> Worker:
        return Worker("tests.gpu.tasks:climb", limit_s=limit_s, waits=True)

    monkeypatch.setattr(drivers, "start_kernels", start)
    run = drivers.run_kernels(start(limit_s=1.0), devices, limit_s=1.0)
    return run.steps, run.further


def ends(further: tuple[Step, ...]) -> dict[int | None, tuple[str, str]]:
    return {step.device: (step.name, step.state) for step in further}


def test_the_steps_of_the_first_stand_apart_from_those_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    own, further = climb(monkeypatch, "", (0, 1, 2))
    assert list(own) == ["kernel-compile", "kernel-result"]
    assert [(step.device, step.name) for step in further] == [
        (device, name) for device in (1, 2) for name in ("context", "kernel-compile", "kernel-result")
    ]


def test_after_a_crash_a_new_child_goes_on_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    own, further = climb(monkeypatch, "crash:1", (0, 1, 2))
    assert own["kernel-result"].state == "passed"
    assert ends(further) == {1: ("kernel-result", "crashed"), 2: ("kernel-result", "passed")}
    assert [step.name for step in further if step.device == 2] == ["context", "kernel-compile", "kernel-result"]


def test_after_a_hang_the_rest_is_not_tried_and_the_reason_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    own, further = climb(monkeypatch, "hang:0", (0, 1, 2))
    assert own["kernel-result"].state == "timed out"
    assert ends(further) == {1: ("context", "not reached"), 2: ("context", "not reached")}
    assert further[0].detail == "not tried, since the check of GPU 0 hung"
