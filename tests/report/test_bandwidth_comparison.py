"""A measurement beside a saved one."""

from __future__ import annotations

import json

import msgspec
import pytest

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.findings import Change, Diagnosis
from cudadoctor.report.bandwidth import compare, comparison_lines, comparison_sentence
from cudadoctor.report.document import render_json
from cudadoctor.report.identifiers import without_identifiers
from cudadoctor.report.redact import redacted
from tests.report.full_bandwidth import curve, everything, latency, result
from tests.rules.build import bandwidth, link


def one(now: Bandwidth, then: Bandwidth, key: str = "h2d_pinned") -> Change:
    return next(change for change in compare(now, then, "old.json").changes if change.key == key)


def run(rate: float, *samples: float) -> Bandwidth:
    return everything(results=(result("h2d_pinned", rate, samples_gb_per_s=samples or (rate,)),))


def test_a_run_beside_itself_has_not_changed() -> None:
    comparison = compare(everything(), everything(), "old.json")
    assert len(comparison.changes) > 30
    assert {change.change_percent for change in comparison.changes} == {0.0}
    assert not any(change.marked for change in comparison.changes)
    assert (comparison.only_now, comparison.only_then, comparison.notes) == ((), (), ())
    assert "none of" in comparison_sentence(comparison)


@pytest.mark.parametrize(
    ("now", "then", "marked"),
    [
        (run(40.0, 39, 40, 41), run(55.0, 54, 55, 56), True),
        (run(55.0, 54, 55, 56), run(40.0, 39, 40, 41), True),
        (run(52.0, 50, 52, 56), run(55.0, 54, 55, 56), False),  # the saved figure lies among the samples of this run
        (run(55.0, 54, 55, 56), run(52.0, 50, 52, 56), False),  # and the other way round
        (run(52.0, 50, 52, 54.5), run(55.0, 54, 55, 56), False),  # neither figure does, but samples do
        (run(54.0, 53.9, 54.0, 54.1), run(55.0, 54.9, 55.0, 55.1), False),  # 1.8 %: two runs differ by as much
    ],
)
def test_marked_is_what_lies_outside_both_intervals(now: Bandwidth, then: Bandwidth, marked: bool) -> None:
    assert one(now, then).marked is marked


@pytest.mark.parametrize(
    ("key", "percent", "marked"),
    [
        ("h2d_pinned", 4, False),
        ("h2d_pinned", 6, True),
        ("h2d_bidirectional", 10, False),
        ("h2d_bidirectional", 15, True),
        ("d2h_pageable", 27, False),
        ("d2h_pageable_fresh", 40, True),
        ("numba_d2h", 27, False),
        ("numba_d2h_pinned", 6, True),
    ],
)
def test_how_much_two_runs_of_one_machine_differ_depends_on_the_kind(key: str, percent: float, marked: bool) -> None:
    now, then = (everything(results=(result(key, rate),)) for rate in (10 * (1 - percent / 100), 10.0))
    assert one(now, then, key).marked is marked


def test_the_stand_in_of_a_saved_file_is_the_same_gpu() -> None:
    uuid = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
    then = everything(device_uuid=without_identifiers(uuid))
    assert then.device_uuid != uuid
    assert compare(everything(device_uuid=uuid), then, "f").notes == ()
    other = everything(device_uuid="GPU-6d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77")
    assert compare(other, then, "f").notes == ("another GPU of the same model",)


def test_the_change_is_in_percent_of_the_saved_run() -> None:
    change = one(run(44.0), run(55.0))
    assert change.change_percent == pytest.approx(-20.0)
    lines = comparison_lines(compare(run(44.0), run(55.0), "old.json"))
    assert next(line.split()[-5:] for line in lines if "pinned" in line) == ["44.00", "55.00", "-20.0", "%", "slower"]
    said = comparison_sentence(compare(run(44.0), run(55.0), "old.json"))
    assert "1 of" in said
    assert "host to device, pinned (-20.0 %)" in said


def test_a_latency_that_grows_is_slower() -> None:
    now, then = (everything(latencies=(latency("submit", seconds),)) for seconds in (4e-6, 2e-6))
    (line,) = [line for line in comparison_lines(compare(now, then, "f")) if "queueing" in line]
    assert line.split()[-3:] == ["+100.0", "%", "slower"]


def test_a_fit_is_compared_by_its_intervals() -> None:
    now, then = (everything(curves=(curve(overhead_s=seconds),)) for seconds in (9e-6, 9.1e-6))
    assert not one(now, then, "h2d_pinned overhead").marked
    now = everything(curves=(curve(overhead_s=18e-6),))
    assert one(now, then, "h2d_pinned overhead").marked


def test_what_moved_the_bytes_is_part_of_what_is_compared() -> None:
    now = everything(results=(result("h2d_pinned", 51.0, mover="kernel"),))
    then = everything(results=(result("h2d_pinned", 55.0),))
    comparison = compare(now, then, "f")
    assert comparison.only_now == ("host to device, pinned, kernel",)
    assert comparison.only_then == ("host to device, pinned",)


def test_another_model_another_card_and_another_link_are_said() -> None:
    now = everything()
    assert compare(now, everything(device_name="NVIDIA A100"), "f").notes == (
        "another model of GPU: NVIDIA H100 80GB HBM3 now, NVIDIA A100 then",
    )
    assert "of another model of GPU, NVIDIA A100" in comparison_sentence(
        compare(now, everything(device_name="NVIDIA A100"), "f")
    )
    assert compare(now, everything(device_uuid="GPU-1"), "f").notes == ("another GPU of the same model",)
    slower = everything(expected=link(31.5, generation=4))
    assert compare(now, slower, "f").notes == ("another narrowest hop: Gen5 x16 now, Gen4 x16 then",)


def test_copies_of_another_size_are_said() -> None:
    now, then = (everything(results=(result("h2d_pinned", 55.0, size_bytes=size),)) for size in (2**29, 2**26))
    assert one(now, then).note == "copies of 512 MiB now, of 64 MiB then"


def test_runs_with_nothing_in_common_and_a_saved_zero_are_no_division_by_zero() -> None:
    nothing = msgspec.structs.replace(bandwidth(), results=())
    assert "holds no figure" in comparison_sentence(compare(bandwidth(), nothing, "f"))
    change = one(run(44.0), run(0.0))
    assert (change.change_percent, change.marked) == (None, False)
    assert comparison_lines(compare(run(44.0), run(0.0), "f"))
    assert one(run(0.0), run(44.0)).marked
    assert "-100.0 %" in comparison_sentence(compare(run(0.0), run(44.0), "f"))


def test_lines_keep_to_80_columns() -> None:
    other = everything(device_name="NVIDIA A100", results=(result("h2d_pinned", 44.0, size_bytes=2**26),))
    assert max(map(len, comparison_lines(compare(everything(), other, "f")))) <= 80


def test_json_holds_the_comparison_only_where_there_is_one() -> None:
    diagnosis = Diagnosis(command="bandwidth", version="0", status="ok")
    assert "compare" not in json.loads(render_json(diagnosis))
    comparison = compare(run(44.0), run(55.0), "/home/alice/old.json")
    document = json.loads(render_json(redacted(msgspec.structs.replace(diagnosis, compare=comparison))))
    assert document["compare"]["file"] == "~/old.json"
    change = document["compare"]["changes"][0]
    assert (change["key"], change["now"], change["then"], change["marked"]) == ("h2d_pinned", 44.0, 55.0, True)
    assert change["change_percent"] == pytest.approx(-20.0)
