"""Whatever was recorded: parts sum to the wall time, nothing crashes, and figures are finite."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.trace import (
    CALLS,
    CPU_TIMES,
    DEVICE_OPS,
    OVERHEADS,
    RANGES,
    READS,
    SAMPLES,
    SYNCS,
    Control,
    Peaks,
    SourceLine,
    Trace,
    TracerCost,
)
from cudadoctor.facts.document import decode_facts, encode_facts
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.profile import Analysis, Profile, Program, Tracer
from tests.attribution.profile.build import PEAKS, control, traced
from tests.attribution.profile.programs import PLANTED

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
TIMES = st.integers(0, 5_000) | st.integers(-(10**6), 10**9) | st.sampled_from([-(2**63), 2**63 - 1])
SMALL = {
    "correlation": st.integers(0, 12),
    "thread": st.integers(1, 3),
    "device": st.integers(0, 2),
    "context": st.integers(0, 2),
    "stream": st.sampled_from([0, 7, 0xFFFFFFFF]),
    "name": st.integers(-2, 6),
    "line": st.integers(-1, 2),
    "bytes": st.sampled_from([-1, 0, 4, 70_000, 2**62]),
    "blocks": st.sampled_from([-1, 0, 1, 200, 2**62]),
    "cpu": st.integers(0, 10**9),
}


def records(kind: np.dtype[Any]) -> st.SearchStrategy[np.ndarray]:
    fields = []
    for name in kind.names or ():
        if name in ("start", "end", "at"):
            fields.append(TIMES)
        elif name in SMALL:
            fields.append(SMALL[name])
        elif kind[name] == np.dtype("?"):
            fields.append(st.booleans())
        else:
            fields.append(st.integers(0, 13))
    return st.lists(st.tuples(*fields), max_size=40).map(lambda rows: np.array(rows, dtype=kind))


TRACES = st.builds(
    Trace,
    ops=records(DEVICE_OPS), calls=records(CALLS), syncs=records(SYNCS), overheads=records(OVERHEADS),
    ranges=records(RANGES), cpu=records(CPU_TIMES), samples=records(SAMPLES),
    names=st.just(("a", "cupy_add__float64", "k")), lines=st.just((SourceLine("a.py", 1, "f"),)),
    end=TIMES, main_thread=st.integers(1, 4), dropped=st.integers(0, 3),
    complete_until=st.none() | TIMES,
    cost=st.builds(TracerCost, *[st.sampled_from([0.0, -5.0, 700.0, 1e9])] * 3),
)  # fmt: skip


def check(analysis: Analysis) -> None:
    for told in (*analysis.steady, *analysis.whole):
        parts = [part.ms for part in told.parts]
        assert all(ms >= 0 for ms in parts)
        assert math.isclose(sum(parts) + told.residual_ms, told.wall_ms, abs_tol=1e-6 * max(1.0, told.wall_ms))
        assert told.residual_ms >= -1e-6 * max(1.0, told.wall_ms)
    profile = Profile(program=Program(script="a.py"), tracer=Tracer(state="traced"), analysis=analysis)
    written = encode_facts(Machine(profile=profile), version="0", recorded_at="2026-01-01T00:00:00Z")
    assert b"NaN" not in written
    assert decode_facts(written).profile == profile  # no figure is infinite or not a number


@SLOW
@given(TRACES, st.lists(st.integers(-1, 10**9), max_size=2))
def test_no_trace_crashes_and_the_parts_always_sum(trace: Trace, walls: list[int]) -> None:
    check(analyse(trace, Control(tuple(walls)), PEAKS))
    check(analyse(trace, Control((trace.end,)), Peaks()))


BASE = {name: traced(slow) for name, (_, slow, _) in PLANTED.items() if name in ("host arrays", "read-back")}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(BASE)), st.data())
def test_a_trace_with_records_lost_moved_or_doubled_still_sums(name: str, data: st.DataObject) -> None:
    trace = BASE[name]
    chance = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    part = data.draw(st.sampled_from([0.01, 0.3, 0.9]))

    def spoilt(array: np.ndarray) -> np.ndarray:
        made = array[chance.random(len(array)) > part].copy()
        if "start" in (made.dtype.names or ()) and len(made):
            moved = chance.random(len(made)) < part
            made["start"][moved] += chance.integers(-(10**6), 10**6, int(moved.sum()))
            made = np.concatenate([made, made[: len(made) // 10]])
        return made

    ops = spoilt(trace.ops) if data.draw(st.booleans()) else trace.ops
    calls = spoilt(trace.calls) if data.draw(st.booleans()) else trace.calls
    syncs = spoilt(trace.syncs) if data.draw(st.booleans()) else trace.syncs
    check(analyse(trace._replace(ops=ops, calls=calls, syncs=syncs), control(PLANTED[name][1]), PEAKS))


def test_an_empty_trace_is_all_start_up() -> None:
    empty = {
        "ops": np.zeros(0, DEVICE_OPS), "calls": np.zeros(0, CALLS), "syncs": np.zeros(0, SYNCS),
        "overheads": np.zeros(0, OVERHEADS), "ranges": np.zeros(0, RANGES), "cpu": np.zeros(0, CPU_TIMES),
        "samples": np.zeros(0, SAMPLES), "reads": np.zeros(0, READS), "marks": np.zeros(0, np.int64),
    }  # fmt: skip
    found = analyse(Trace(**empty, names=(), lines=(), end=10**9, main_thread=1), Control((10**9,)), PEAKS)
    check(found)
    assert found.devices == ()
    assert [(part.kind, part.name, part.ms) for part in found.whole[0].parts] == [("before", "host", 1000.0)]
    assert found.replay is not None
    assert found.replay.why_no_what_if == "no steady work of a GPU was recorded"


def test_equal_traces_give_equal_analyses() -> None:
    trace = BASE["read-back"]
    runs = control(PLANTED["read-back"][1])
    assert msgspec.json.encode(analyse(trace, runs, PEAKS)) == msgspec.json.encode(analyse(trace, runs, PEAKS))
