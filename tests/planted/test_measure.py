"""The harness: what it reads from a program and a profile, and how it judges."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.planted import run as harness
from tests.planted.manifest import PLANTED, TWINS, Planted, Twin
from tests.planted.measure import CannotMeasure, Outcome, Plain, judge, judge_twin, measure, own_words, plain, said
from tests.planted.table import summary, table

PAGEABLE = next(planted for planted in PLANTED if planted.name == "pageable-transfer/numba")
FP64 = next(planted for planted in PLANTED if planted.consumer_only)
SLOW, FIXED = Plain(2.0, 5.0, (2.0,)), Plain(0.5, 5.0, (0.5,))


def finding(id: str, confidence: str = "supported") -> dict[str, Any]:
    return {"id": id, "severity": "warning", "confidence": confidence}


def what_if(cause: str, now: float, saved: float, scope: str = "step") -> dict[str, Any]:
    return {
        "cause": cause,
        "scope": scope,
        "now_ms": now,
        "saved_ms": saved,
        "low_ms": saved * 0.9,
        "high_ms": saved * 1.1,
    }


def document(*findings: dict[str, Any], what_ifs: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    analysis = {"dilation": 1.1, "what_ifs": list(what_ifs)}
    return {"findings": list(findings), "facts": {"profile": {"state": "known", "analysis": analysis}}}


def test_a_program_says_its_result_and_last_its_seconds() -> None:
    assert own_words("noise\nresult=1.5\nloop_seconds=0.250000\n") == (0.25, 1.5)


@pytest.mark.parametrize(
    "output",
    ["", "result=1\n", "loop_seconds=1.0\n", "result=1\nloop_seconds=1.0\nbye\n", "loop_seconds=1.0\nresult=1\n"],
)
def test_a_program_that_says_less_is_not_measured(output: str) -> None:
    with pytest.raises(CannotMeasure):
        own_words(output)


def program(tmp_path: Path, *seconds: float) -> Path:
    """Write a program that takes the next of some times at each run."""
    counter = tmp_path / "runs"
    script = tmp_path / "program.py"
    script.write_text(
        f"import pathlib\npath = pathlib.Path({str(counter)!r})\n"
        "run = int(path.read_text()) if path.exists() else 0\npath.write_text(str(run + 1))\n"
        f"print('result=2')\nprint('loop_seconds=%f' % {list(seconds)!r}[run])\n"
    )
    return script


def test_two_runs_that_agree_are_enough(tmp_path: Path) -> None:
    assert plain(program(tmp_path, 1.0, 1.02, 9.0), 3, 60, {}).runs == (1.0, 1.02)


def test_a_third_run_settles_two_that_do_not_agree(tmp_path: Path) -> None:
    assert plain(program(tmp_path, 1.0, 2.0, 1.1, 9.0), 3, 60, {}) == Plain(1.1, 2.0, (1.0, 2.0, 1.1))


def test_a_failing_program_says_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise ValueError('no such thing')\n")
    with pytest.raises(CannotMeasure, match=r"bad.py exited with 1: ValueError: no such thing"):
        plain(tmp_path / "bad.py", 3, 60, {})


def test_a_program_without_an_end_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("import time\ntime.sleep(60)\n")
    with pytest.raises(CannotMeasure, match="did not end within 1 s"):
        plain(tmp_path / "long.py", 3, 1.0, {})


def test_a_saving_of_a_step_is_a_fraction_of_the_step() -> None:
    words = said(document(what_ifs=(what_if("pageable-transfer", 8.0, 6.0),)), 1.0)
    assert words.savings["pageable-transfer"] == pytest.approx((0.75, 0.675, 0.825))
    assert words.dilation == 1.1


def test_a_saving_of_the_whole_run_is_a_fraction_of_the_loop() -> None:
    once = what_if("warmup-in-timing", 3000.0, 900.0, scope="run")
    assert said(document(what_ifs=(once,)), 1.0).savings["warmup-in-timing"][0] == pytest.approx(0.9)
    assert said(document(what_ifs=(once,)), None).savings == {}


def test_a_document_without_a_profile_says_why() -> None:
    words = said({"findings": [], "facts": {"profile": {"state": "missing", "reason": "there is no GPU"}}}, 1.0)
    assert (words.causes, words.savings, words.reason) == ((), {}, "there is no GPU")


def test_the_planted_cause_first_is_right() -> None:
    words = said(document(finding("pageable-transfer"), what_ifs=(what_if("pageable-transfer", 8.0, 6.4),)), 2.0)
    row = judge(PAGEABLE, SLOW, FIXED, words)
    assert (row.verdict, row.measured, row.predicted) == ("ok", 0.75, pytest.approx(0.8))


def test_findings_that_accuse_nobody_do_not_come_before_a_cause() -> None:
    words = said(document(finding("python-packages-incompatible"), finding("pageable-transfer")), 2.0)
    row = judge(PAGEABLE, SLOW, FIXED, words)
    assert (row.verdict, row.others) == ("ok", ("python-packages-incompatible",))


@pytest.mark.parametrize("ids", [(), ("sync-every-step",), ("transfer-bound", "pageable-transfer")])
def test_another_cause_first_or_none_is_a_miss(ids: tuple[str, ...]) -> None:
    assert judge(PAGEABLE, SLOW, FIXED, said(document(*map(finding, ids)), 2.0)).verdict == "miss"


def test_an_id_that_does_not_belong_is_noted_and_one_that_may_follow_is_not() -> None:
    words = said(document(*map(finding, ("pageable-transfer", "transfer-bound", "clock-ramp"))), 2.0)
    assert judge(PAGEABLE, SLOW, FIXED, words).note == "also said: clock-ramp"


def test_a_cause_that_costs_nothing_here_is_not_judged() -> None:
    row = judge(PAGEABLE, SLOW, Plain(1.9, 5.0, (1.9,)), said(document(), 2.0))
    assert (row.verdict, row.note) == ("not judged", "not slow for this reason on this machine")


def test_a_cause_of_consumer_cards_is_not_judged_unless_it_is_found() -> None:
    half = Plain(1.0, 5.0, (1.0,))
    assert judge(FP64, SLOW, half, said(document(), 2.0)).verdict == "not judged"
    assert judge(FP64, SLOW, half, said(document(finding("fp64-on-consumer-gpu")), 2.0)).verdict == "ok"


def test_results_that_differ_are_noted() -> None:
    row = judge(PAGEABLE, SLOW, Plain(0.5, 6.0, (0.5,)), said(document(finding("pageable-transfer")), 2.0))
    assert row.note == "results differ: 5, fixed 6"


def test_a_twin_is_accused_by_any_cause_and_by_nothing_else() -> None:
    assert judge_twin(TWINS[0], said(document(finding("sync-every-step", "possible")), None)).verdict == "accused"
    assert judge_twin(TWINS[0], said(document(finding("python-packages-incompatible")), None)).verdict == "ok"


STUB = """
import json, pathlib, sys
output, program = sys.argv[2], pathlib.Path(sys.argv[3])
step = dict(cause="pageable-transfer", scope="step", now_ms=10, saved_ms=7, low_ms=6, high_ms=8)
found = [dict(id="pageable-transfer", confidence="supported")] if program.stem.endswith("slow") else []
document = dict(findings=found, facts=dict(profile=dict(analysis=dict(dilation=1.2, what_ifs=[step]))))
pathlib.Path(output).write_text(json.dumps(document))
"""


@pytest.fixture
def stub(tmp_path: Path) -> tuple[str, str]:
    """A profiler that accuses every program whose name says that it is slow."""
    path = tmp_path / "stub.py"
    path.write_text(STUB)
    return sys.executable, str(path)


def planted_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    monkeypatch.setattr("tests.planted.manifest.PROGRAMS", tmp_path)
    folder = tmp_path / "pageable-transfer"
    folder.mkdir()
    for which, seconds in (("slow", 1.0), ("fixed", 0.25)):
        (folder / f"numba_{which}.py").write_text(f"print('result=1')\nprint('loop_seconds={seconds}')\n")
    return Planted(name="pageable-transfer/numba", fix="none")


def test_a_planted_program_is_measured_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub: tuple[str, str]
) -> None:
    row = measure(planted_at(tmp_path, monkeypatch), runs=3, limit=60, fixed_too=True, command=stub)
    assert (row.verdict, row.slow_s, row.fixed_s, row.measured, row.predicted) == ("ok", 1.0, 0.25, 0.75, 0.7)
    assert (row.said_of_fixed, row.dilation) == ((), 1.2)


def test_a_profile_that_writes_nothing_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = (sys.executable, "-c", "raise SystemExit('no such command')")
    row = measure(planted_at(tmp_path, monkeypatch), runs=2, limit=60, command=silent)
    assert (row.verdict, row.note) == ("failed", "profile exited with 1 and no document: no such command")


def test_the_table_adds_up() -> None:
    rows = [
        Outcome(name="a", verdict="ok", expected="x", said=(("x", "proven"),), predicted=0.7, measured=0.8, seconds=2),
        Outcome(name="b", verdict="ok", expected="x", said=(("x", "proven"),), predicted=0.5, measured=0.2),
        Outcome(name="c", verdict="ok", expected="x", said=(("x", "proven"),), measured=0.2, said_of_fixed=()),
        Outcome(
            name="d", verdict="miss", expected="y", predicted=0.9, measured=0.1, said_of_fixed=(("y", "possible"),)
        ),
        Outcome(name="e", verdict="not judged", expected="z"),
        Outcome(name="f", verdict="skipped", expected="z", note="jax is not installed"),
        Outcome(name="g", verdict="ok"),
        Outcome(name="h", verdict="accused", said=(("x", "possible"),)),
    ]
    text = table(rows).splitlines()
    assert len(text) == 1 + len(rows)
    assert text[1].split("  ")[0] == "a"
    assert summary(rows).splitlines() == [
        "right cause first: 3 of 4",
        "twins accused: 1 of 2 (h)",
        "savings: mean absolute error 20.0 points over 2 programs, worst 30.0; 1 without a prediction",
        "fixed programs accused of what was taken out: 1 of 2 (d); accused of nothing: 1",
        "not judged: 1, failed: 0, skipped: 1; 2 s",
    ]


def test_parts_share_the_programs() -> None:
    programs: list[Planted | Twin] = [*PLANTED, *TWINS]
    parts = [harness.part_of(programs, f"{number}/3") for number in (1, 2, 3)]
    assert sorted(item.name for part in parts for item in part) == sorted(item.name for item in programs)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("part", ["0/2", "3/2", "x", "1/x"])
def test_a_part_that_is_none_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        harness.part_of(TWINS, part)


def test_saved_outcomes_are_merged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(json.dumps([{"name": name, "verdict": "ok"}]))
    out = tmp_path / "both.json"
    arguments = ["run", "--merge", str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert harness.main() == 0
    assert "twins accused: 0 of 2" in capsys.readouterr().out
    assert [row["name"] for row in json.loads(out.read_text())] == ["one", "two"]


def test_the_simulator_is_no_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    monkeypatch.setattr(sys, "argv", ["run"])
    assert harness.main() == 3
    assert "times from the simulator mean nothing" in capsys.readouterr().err


def test_what_was_measured_in_time_is_written_and_the_rest_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 8.0, 12.0])
    monkeypatch.setattr(harness.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(harness, "why_not", lambda framework: "")
    monkeypatch.setattr(harness, "measure", lambda program, **told: Outcome(name=program.name, verdict="ok"))
    out = tmp_path / "rows.json"
    rows = harness.run(TWINS[:4], 1, 60.0, False, 10.0, out)
    assert [row.name for row in rows] == [twin.name for twin in TWINS[:2]]
    assert [row["name"] for row in json.loads(out.read_text())] == [row.name for row in rows]
    left = ", ".join(twin.name for twin in TWINS[2:4])
    assert f"10 s are over; not measured: {left}" in capsys.readouterr().err
