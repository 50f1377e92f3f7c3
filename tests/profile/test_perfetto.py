"""A trace file holds every record once, in the format that ui.perfetto.dev documents."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest

from cudadoctor.attribution.profile.trace import SAMPLES, Doing, SourceLine, Trace
from cudadoctor.profile.perfetto import trace_events
from cudadoctor.profile.perfetto_rows import without_overlap
from tests.attribution.profile.build import MAIN, Machine, loop, traced
from tests.attribution.profile.programs import pageable
from tests.report.profiles import on_two
from tests.report.test_reports import HOSTILE

NEEDED = {
    "X": {"pid", "tid", "ts", "dur", "name", "cat"},
    "M": {"pid", "name", "args"},
    "s": {"pid", "tid", "ts", "id", "name", "cat"},
    "f": {"pid", "tid", "ts", "id", "name", "cat", "bp"},
    "C": {"pid", "ts", "name", "args"},
    "i": {"pid", "tid", "ts", "name", "s"},
}
ALLOWED = {"X": {"args"}, "M": {"tid"}}


def read(trace: Trace) -> list[dict[str, Any]]:
    """Return the events of a file that was checked strictly."""
    data = b"".join(trace_events(trace))
    document = json.loads(data.decode("ascii"))
    assert set(document) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert document["displayTimeUnit"] in ("ms", "ns")
    events: list[dict[str, Any]] = document["traceEvents"]
    for event in events:
        kind = event["ph"]
        assert NEEDED[kind] <= set(event) - {"ph"} <= NEEDED[kind] | ALLOWED.get(kind, set()), event
        assert all(isinstance(event[key], int) for key in ("pid", "tid", "id") if key in event)
        assert all(event[key] >= 0 for key in ("ts", "dur") if key in event), event
        assert isinstance(event["name"], str)
    check_rows(events)
    return events


def check_rows(events: list[dict[str, Any]]) -> None:
    """Each row has a name, and its slices nest; arrows begin and end in a slice."""
    rows: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    processes = {event["pid"] for event in events if event["name"] == "process_name"}
    for event in events:
        assert event["pid"] in processes
        if event["ph"] == "X":
            rows[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    assert set(rows) <= named
    for slices in rows.values():
        slices.sort(key=lambda each: (each[0], -each[1]))
        ends: list[float] = []
        for start, end in slices:
            while ends and ends[-1] <= start + 0.0005:
                ends.pop()
            assert not ends or end <= ends[-1] + 0.0005
            ends.append(end)
    starts = {row: np.array([each[0] for each in slices]) for row, slices in rows.items()}
    open_arrows: dict[int, dict[str, Any]] = {}
    for event in events:
        if event["ph"] not in "sf":
            continue
        row = event["pid"], event["tid"]
        assert np.abs(starts[row] - event["ts"]).min() < 0.0005, event
        if event["ph"] == "s":
            assert event["id"] not in open_arrows
            open_arrows[event["id"]] = event
        else:
            begin = open_arrows.pop(event["id"])
            assert begin["ts"] <= event["ts"]
            assert (begin["name"], begin["cat"]) == (event["name"], event["cat"])
    assert not open_arrows


def of(events: list[dict[str, Any]], kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == kind and fields.items() <= event.items()]


def test_every_record_is_a_slice_and_every_submission_an_arrow() -> None:
    trace = traced(loop(pageable, 30))
    events = read(trace)
    kinds = Counter(event["cat"] for event in of(events, "X"))
    assert kinds["kernel"] == np.count_nonzero(trace.ops["kind"] == 1)
    assert kinds["copy to device"] == np.count_nonzero(trace.ops["kind"] == 2)
    assert sum(kinds[each] for each in ("launch", "copy", "sync", "module", "context")) == len(trace.calls)
    assert len(of(events, "s")) == len(of(events, "f")) == len(trace.ops)
    copy = of(events, "X", cat="copy to device")[0]
    record = trace.ops[trace.ops["kind"] == 2][0]
    assert copy["ts"] == pytest.approx(record["start"] / 1e3, abs=0.001)
    assert copy["dur"] == pytest.approx((record["end"] - record["start"]) / 1e3, abs=0.001)
    assert copy["args"]["bytes"] == 16 << 20
    assert (copy["args"]["from"], copy["args"]["to"]) == ("pageable", "device")
    assert copy["args"]["GB/s"] == pytest.approx(record["bytes"] / (record["end"] - record["start"]), rel=1e-3)


def test_threads_and_streams_have_rows_in_their_process_or_device() -> None:
    events = read(traced(loop(on_two, 20)))
    names = {event["args"]["name"] for event in of(events, "M") if event["name"] == "process_name"}
    assert names == {"process 1", "GPU 0", "GPU 1"}
    rows = {event["args"]["name"] for event in of(events, "M") if event["name"] == "thread_name"}
    assert {f"thread {MAIN} (main)", f"thread {MAIN + 1}", "stream 7", "stream 9", "stream 11"} <= rows


def test_ranges_samples_cpu_and_the_end_of_records_are_there() -> None:
    def program(m: Machine) -> None:
        for _ in range(30):
            m.mark("step", lambda: m.mark("forward", lambda: m.launch("k", 900, way=900)))
        m.sync()

    trace = traced(program)
    events = read(trace._replace(complete_until=5_000_000))
    assert len(of(events, "X", cat="nvtx", name="step")) == len(of(events, "X", cat="nvtx", name="forward")) == 30
    lines = [event for event in of(events, "X") if event["name"] == "train.py:12 step"]
    assert sum(event["args"]["samples"] for event in lines) == len(trace.samples)
    assert all(0 <= event["args"]["cores"] <= 1 for event in of(events, "C"))
    assert of(events, "C")
    assert of(events, "i")[0]["ts"] == 5000


def test_samples_at_one_line_are_one_slice_until_something_else_comes() -> None:
    at = np.array([0, 10, 20, 30, 400, 410], np.int64) * 1_000_000
    samples = np.zeros(6, SAMPLES)
    samples["at"], samples["thread"], samples["line"] = at, MAIN, (0, 0, 1, 1, 1, 1)
    samples["doing"] = (Doing.PYTHON, Doing.PYTHON, Doing.PYTHON, Doing.SLEEPING, Doing.SLEEPING, Doing.SLEEPING)
    trace = traced(loop(pageable, 2))._replace(
        samples=samples, lines=(SourceLine("a.py", 1, "f"), SourceLine("b.py", 2, "g"))
    )
    slices = [event for event in of(read(trace), "X") if event["name"][:4] in ("a.py", "b.py")]
    assert [(event["ts"], event["dur"], event["cat"], event["args"]["samples"]) for event in slices] == [
        (0, 20_000, "python", 2),
        (20_000, 10_000, "python", 1),
        (30_000, 40_000, "sleeping", 1),  # no sample for long: it is not known what went on
        (400_000, 20_000, "sleeping", 2),
    ]


def test_what_began_before_the_first_line_moves_all_times() -> None:
    trace = traced(loop(pageable, 3))
    early = trace.calls.copy()
    early["start"][0] = -2_000_000
    events = read(trace._replace(calls=early))
    assert min(event["ts"] for event in of(events, "X")) == 0
    copy = of(events, "X", cat="copy to device")[0]
    assert copy["ts"] == pytest.approx(2000 + trace.ops[trace.ops["kind"] == 2]["start"][0] / 1e3, abs=0.001)


def test_operations_that_overlap_in_a_stream_get_rows_of_their_own() -> None:
    trace = traced(loop(pageable, 10))
    ops = trace.ops.copy()
    ops["end"][2] = ops["start"][3] + 5_000
    events = read(trace._replace(ops=ops))
    rows = {event["args"]["name"] for event in of(events, "M") if event["name"] == "thread_name"}
    assert {"stream 7", "stream 7, overlapping 1"} <= rows
    assert len(of(events, "X", cat="kernel")) == np.count_nonzero(ops["kind"] == 1)


def test_spans_that_nest_share_a_row_and_others_do_not() -> None:
    kind = np.dtype([("start", "i8"), ("end", "i8")])
    nested = np.array([(0, 10), (2, 5), (5, 9), (10, 12)], kind)
    assert [len(group) for group in without_overlap(nested)] == [4]
    crossing = np.array([(0, 10), (5, 15), (12, 20)], kind)
    assert [len(group) for group in without_overlap(crossing)] == [2, 1]
    assert [len(group) for group in without_overlap(crossing[:0])] == [0]


def test_hostile_names_are_text() -> None:
    trace = traced(loop(pageable, 3))
    wild = trace._replace(names=tuple(f"{name}{HOSTILE}\ud800\n" for name in trace.names))
    assert f"forward{HOSTILE}\ud800\n" in {event["name"] for event in read(wild)}


def test_an_empty_trace_is_a_file_all_the_same() -> None:
    trace = traced(loop(pageable, 3))
    names = ("ops", "calls", "syncs", "overheads", "ranges", "cpu", "samples")
    empty = trace._replace(**{name: getattr(trace, name)[:0] for name in names})
    assert {event["ph"] for event in read(empty)} == {"M"}


def test_pieces_are_made_one_by_one_and_bounded() -> None:
    trace = traced(loop(pageable, 200))
    many = trace._replace(calls=np.tile(trace.calls, 200))
    sizes = [len(piece) for piece in trace_events(many)]
    assert sum(sizes) > 10_000_000
    assert max(sizes) < 12_000_000
