"""Kernels of few blocks: a cause where kernels take the time, and none where the host does."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.attribution.causes import Cause, judge
from cudadoctor.facts.explanation import Call
from cudadoctor.facts.machine import Machine
from cudadoctor.rules.diagnose import diagnose
from tests.attribution.calls import launch, read_back
from tests.attribution.races import KERNELS, explanation, race, recorded

MULTIPROCESSORS = 132


def of_blocks(calls: tuple[Call, ...], blocks: int) -> tuple[Call, ...]:
    return tuple(msgspec.structs.replace(call, blocks=blocks) if call.kind == "launch" else call for call in calls)


def found(calls: tuple[Call, ...], multiprocessors: int | None = MULTIPROCESSORS) -> Cause | None:
    judged = judge(race(explanation(recorded("R1", calls), multiprocessors=multiprocessors)))
    assert judged is not None
    return next((cause for cause in judged.causes if cause.id == "low-occupancy-grid"), None)


LONG = tuple(launch(5, 200) for _ in range(4))
"""800 µs of kernels, 20 of launching."""


def test_long_kernels_of_few_blocks_are_the_cause_but_only_possibly() -> None:
    cause = found(of_blocks(LONG, 66))
    assert cause is not None
    assert (cause.lead, cause.confidence) == (True, "possible")
    assert cause.saving_us == pytest.approx(0.75 * 800, rel=0.02)  # a quarter of 264


def test_kernels_of_many_blocks_are_not() -> None:
    assert found(of_blocks(LONG, 264)) is None


def test_few_blocks_cost_nothing_where_the_host_launches_too_slowly() -> None:
    assert found(of_blocks(KERNELS, 16)) is None
    assert found(of_blocks((*KERNELS, read_back(10, 2)), 16)) is None


def test_half_of_the_kernel_time_is_asked_for() -> None:
    small, large = of_blocks(LONG[:1], 10), of_blocks(LONG[1:], 2000)
    assert found((*small, *large)) is None


def test_nothing_is_said_where_grids_or_multiprocessors_are_not_known() -> None:
    assert found(LONG) is None
    assert found((*of_blocks(LONG[1:], 66), LONG[0])) is None
    assert found(of_blocks(LONG, 66), None) is None


def test_the_finding_names_the_blocks() -> None:
    explained = explanation(recorded("R1", of_blocks(LONG, 66)), multiprocessors=MULTIPROCESSORS)
    told = {finding.id: finding for finding in diagnose(Machine(race=race(explained)))[0]}
    evidence = {each.name: each.value for each in told["low-occupancy-grid"].evidence}
    assert evidence["multiprocessors"] == MULTIPROCESSORS
    assert evidence["blocks of the longest of them (kernel)"] == 66
    assert "launch-bound-small-work" not in told
