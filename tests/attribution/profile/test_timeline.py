"""What is drawn of a trace: shares that add up, steps that are whole, and never more than fits."""

from __future__ import annotations

import numpy as np
import pytest

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.strip import BUCKETS
from cudadoctor.attribution.profile.timeline import MOST_LANES, MOST_SPANS, timeline
from cudadoctor.attribution.profile.trace import Trace
from cudadoctor.facts.profile import Steps
from cudadoctor.facts.timeline import Excerpt, Strip
from tests.attribution.profile import xla
from tests.attribution.profile.build import MAIN, PEAKS, Machine, control, loop, traced
from tests.attribution.profile.programs import heavy, pageable, sleeping, synced, tiny


def steps_of(step: object, count: int) -> tuple[Trace, Steps]:
    program = loop(step, count)  # type: ignore[arg-type]
    trace = traced(program)
    return trace, analyse(trace, control(program), PEAKS).steps


def excerpt_of(step: object, count: int = 100) -> tuple[Excerpt, Steps]:
    trace, steps = steps_of(step, count)
    found = timeline(trace, steps).excerpt
    assert found is not None
    return found, steps


def mean(strip: Strip, name: str, device: int | None) -> float:
    return sum(sum(row.shares) for row in strip.rows if (row.name, row.device) == (name, device)) / BUCKETS


def test_the_strip_holds_what_the_device_did() -> None:
    trace, steps = steps_of(pageable, 60)
    strip = timeline(trace, steps).strip
    ops = trace.ops
    for kinds, name in (((1, 8), "kernels"), ((2, 3), "copies")):
        mine = ops[np.isin(ops["kind"], kinds)]
        assert mean(strip, name, 0) == pytest.approx((mine["end"] - mine["start"]).sum() / trace.end, abs=0.003)
    assert strip.bucket_s * BUCKETS == pytest.approx(trace.end / 1e9)
    assert strip.thread == MAIN


def test_the_shares_of_the_host_never_exceed_the_whole_and_leave_nothing_out() -> None:
    for step in (tiny, sleeping, synced):
        trace, steps = steps_of(step, 40)
        strip = timeline(trace, steps).strip
        host = np.sum([row.shares for row in strip.rows if row.device is None], axis=0)
        assert host.max() <= 1.01
        assert host[:-1].min() >= 0.97


def test_waiting_and_the_way_into_a_launch_are_told_apart_from_python() -> None:
    strip = timeline(*steps_of(sleeping, 60)).strip
    assert mean(strip, "waiting", None) > 3 * mean(strip, "Python", None)
    strip = timeline(*steps_of(tiny, 300)).strip
    assert mean(strip, "launching", None) > 5 * mean(strip, "Python", None)


def test_nothing_is_drawn_after_records_were_lost() -> None:
    trace, steps = steps_of(heavy, 60)
    strip = timeline(trace._replace(complete_until=trace.end // 2), steps).strip
    assert strip.known_until_s == pytest.approx(trace.end / 2e9)
    assert all(not any(row.shares[BUCKETS // 2 + 1 :]) for row in strip.rows)


def test_the_excerpt_holds_whole_steps_of_usual_length() -> None:
    found, steps = excerpt_of(pageable)
    assert found.steps == 3
    assert steps.median_ms is not None
    assert found.length_us / 3 == pytest.approx(1e3 * steps.median_ms, rel=0.1)
    copies = [span for span in found.spans if span.kind == "to device"]
    assert sum(span.count for span in copies) == 3
    assert {span.name for span in copies} == {"16 MiB, pageable"}
    kernels = [span.name for span in found.spans if span.kind == "kernel"]
    assert kernels == ["forward", "backward"] * 3
    assert steps.window_start_s <= found.start_s <= steps.window_end_s


def test_all_spans_lie_within_the_excerpt_and_in_their_lane() -> None:
    for step in (tiny, pageable, synced):
        found, _ = excerpt_of(step)
        assert found.spans
        for span in found.spans:
            assert 0 <= span.start_us <= span.end_us <= found.length_us + 0.001
            assert (found.lanes[span.lane].kind == "stream") == (
                span.kind in ("kernel", "graph", "to device", "to host")
            )
            assert 0 <= span.filled <= 1


def many(m: Machine, _: int) -> None:
    for kernel in range(3000):
        m.launch(f"k{kernel}", 2, way=1, host=1)


def test_a_step_of_thousands_of_operations_is_drawn_in_part_or_joined() -> None:
    found, _ = excerpt_of(many, 6)
    assert len(found.spans) <= MOST_SPANS
    assert found.steps is not None
    joined = [span for span in found.spans if span.count > 1]
    assert found.steps < 1 or joined
    assert all(span.filled < 1 for span in joined if span.kind == "kernel")


def test_of_many_streams_some_are_left_out_and_counted() -> None:
    def step(m: Machine, _: int) -> None:
        for stream in range(12):
            m.launch(f"k{stream}", 50, stream=10 + stream)

    found, _ = excerpt_of(step, 40)
    assert len(found.lanes) == MOST_LANES
    assert found.lanes[0].main
    assert found.lanes_left_out == 12 + 1 - MOST_LANES


def test_where_nothing_repeats_the_middle_is_drawn() -> None:
    trace = traced(loop(tiny, 50))
    found = timeline(trace, Steps(found_by="none")).excerpt
    assert found is not None
    assert found.steps is None
    assert sum(span.count for span in found.spans if span.kind == "kernel") == pytest.approx(60, abs=2)
    assert timeline(trace).excerpt == found


def test_a_program_that_used_no_gpu_has_a_strip_alone() -> None:
    trace = traced(loop(tiny, 5))
    nothing = trace._replace(ops=trace.ops[:0], calls=trace.calls[:0], syncs=trace.syncs[:0])
    made = timeline(nothing, Steps(found_by="none"))
    assert made.excerpt is None
    assert made.strip.thread == MAIN
    assert all(row.device is None for row in made.strip.rows)
    empty = nothing._replace(samples=trace.samples[:0], cpu=trace.cpu[:0])
    assert [row.name for row in timeline(empty).strip.rows] == ["host"]


def test_a_wait_that_ended_by_a_callback_is_drawn() -> None:
    """XLA waits in no call of the driver; the thread would seem to do nothing."""
    trace, steps = steps_of(xla.read_back, 300)
    assert mean(timeline(trace, steps).strip, "synchronizing", None) > 0.3
    found = timeline(trace, steps).excerpt
    assert found is not None
    main = next(place for place, lane in enumerate(found.lanes) if lane.main)
    assert any(span.lane == main and span.kind == "synchronizing" for span in found.spans)
