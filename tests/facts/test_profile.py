"""The profile's section: it comes back from a file, an older file reads without it, and shares leave the tracer out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from cudadoctor.facts.base import Missing
from cudadoctor.facts.document import decode_facts, encode_facts
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.profile import Analysis, Breakdown, Part, Profile, Program, Steps, Tracer, WhatIf
from tests.rules.test_properties import strategy_of

PROFILE = Profile(
    program=Program(script="train.py", arguments=2, python_version="3.12.3"),
    tracer=Tracer(state="traced", library="libcupti.so.12", version="26"),
    analysis=Analysis(
        steps=Steps(found_by="repetition", count=90, median_ms=1.5),
        what_ifs=(
            WhatIf(
                cause="pageable-transfer", scope="step", assumes="pinned memory", now_ms=1.5, predicted_ms=1.0,
                saved_ms=0.5, low_ms=0.4, high_ms=0.6, run_saved_s=0.05,
            ),
        ),
    ),
)  # fmt: skip


def saved(machine: Machine) -> bytes:
    return encode_facts(machine, version="0", recorded_at="2026-01-01T00:00:00Z")


def test_a_profile_comes_back_from_a_file() -> None:
    assert decode_facts(saved(Machine(profile=PROFILE))).profile == PROFILE


def test_a_file_from_before_there_were_profiles_still_reads() -> None:
    document = json.loads(saved(Machine(profile=PROFILE)))
    del document["facts"]["profile"]
    assert isinstance(decode_facts(json.dumps(document).encode()).profile, Missing)


@settings(max_examples=50, deadline=None)
@given(strategy_of(Profile))
def test_any_profile_comes_back_from_a_file(profile: Profile) -> None:
    assert decode_facts(saved(Machine(profile=profile))).profile == profile


def test_shares_are_of_the_time_that_is_the_programs_own() -> None:
    parts = (Part(kind="kernels", name="k", ms=4.0), Part(kind="idle", name="launching", ms=4.0))
    broken = Breakdown(window="steady", device=0, wall_ms=10.0, parts=(*parts, Part(kind="tracer", name="t", ms=2.0)))
    assert broken.own_ms == 8.0
    assert broken.share("kernels") == broken.share("idle", "launching") == pytest.approx(0.5)
    assert broken.share("idle", "Python") == 0.0
    assert Breakdown(window="whole", device=0, wall_ms=0.0, parts=()).share("kernels") == 0.0
