"""A program that could not be traced, and what is said of it."""

from __future__ import annotations

import pytest

from cudadoctor.doctor import diagnose
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.profile import Profile, Program, Run, Tracer


def _found(tracer: Tracer) -> list[tuple[str, str]]:
    profile = Profile(program=Program(script="train.py"), tracer=tracer, control=(Run(wall_s=2.0, exit_code=0),))
    return [(each.id, each.fix.text) for each in diagnose(Machine(profile=profile), "profile").findings]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("no libcupti was found", "Install the libcupti"),
        ("/x/libcupti.so.13: of CUDA 13.0, newer than the driver's 12.8", "Install the libcupti"),
        ("cuptiActivityEnable returned X (39): another tool holds CUPTI", "End the tool"),
        ("cuptiActivityEnable returned X (33): tracing is not possible on a virtual GPU", "a whole GPU of its own"),
    ],
)
def test_a_refusal_is_a_finding_with_its_way_out(reason: str, words: str) -> None:
    found = _found(Tracer(state="refused", reason=reason))
    assert [id for id, _ in found] == ["program-not-traced"]
    assert words in found[0][1]


def test_a_program_with_a_profiler_of_its_own_is_told_so() -> None:
    reason = "the program took the trace records itself, as torch.profiler does"
    assert _found(Tracer(state="failed", reason=reason)) == [
        ("program-not-traced", "Run the program without its own profiler.")
    ]


@pytest.mark.parametrize("state", ["traced", "not tried"])
def test_nothing_is_said_where_nothing_was_refused(state: str) -> None:
    assert _found(Tracer(state=state, reason="")) == []  # type: ignore[arg-type]
