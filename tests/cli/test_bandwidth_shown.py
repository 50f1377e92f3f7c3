"""`bandwidth --compare`, and the line that tells how far a measurement is, through the real command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.document import encode_facts
from tests.cli.conftest import ROOT, Doctor
from tests.fake_driver.build import FakeDriver
from tests.report.full_bandwidth import everything, result
from tests.rules.build import HEALTHY

MACHINES = Path(__file__).parents[1] / "machines"
H100 = MACHINES / "ubuntu24-h100-healthy" / "facts.json"
H200 = MACHINES / "ubuntu24-2xh200-healthy" / "facts.json"


def saved(folder: Path, name: str, measured: Bandwidth) -> Path:
    file = folder / name
    machine = msgspec.structs.replace(HEALTHY, bandwidth=measured)
    file.write_bytes(encode_facts(machine, version="0", recorded_at="2026-11-23T00:00:00+00:00"))
    return file


def test_a_run_that_lost_a_fifth_is_marked_in_text_markdown_and_json(doctor: Doctor, tmp_path: Path) -> None:
    then = saved(tmp_path, "then.json", everything())
    now = saved(tmp_path, "now.json", everything(results=(result("h2d_pinned", 43.96), result("d2h_pinned", 55.17))))
    text = doctor("bandwidth", "--facts", now, "--compare", then).out
    assert "43.96     54.95   -20.0 %  slower" in text
    assert "host to device, pinned (-20.0 %)" in " ".join(text.split())
    markdown = doctor("bandwidth", "--facts", now, "--compare", then, "--format", "markdown").out
    assert "43.96     54.95   -20.0 %  slower" in markdown
    document = doctor("bandwidth", "--facts", now, "--compare", then, "--format", "json").document
    changes = {change["key"]: change for change in document["compare"]["changes"] if change["group"] == "results"}
    assert (changes["h2d_pinned"]["marked"], changes["d2h_pinned"]["marked"]) == (True, False)
    assert changes["h2d_pinned"]["change_percent"] == pytest.approx(-20.0, abs=0.01)
    assert document["facts"]["bandwidth"]["results"][0]["gb_per_s"] == 43.96


def test_slow_copies_behind_a_hidden_path_are_unknown_and_not_ok(doctor: Doctor, tmp_path: Path) -> None:
    document = json.loads(H100.read_text(encoding="utf-8"))
    for each in document["facts"]["bandwidth"]["results"]:
        if each["key"] in ("h2d_pinned", "d2h_pinned"):
            each |= {"gb_per_s": 22.0, "samples_gb_per_s": [21.9, 22.0, 22.1]}
    file = tmp_path / "slow.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    text = " ".join(doctor("bandwidth", "--facts", file).out.split())
    assert "not judged: h2d_pinned reaches 22.0 GB/s, 35 %" in text
    assert "what it should" not in text
    assert doctor("bandwidth", "--facts", file, "--format", "json").document["status"] == "unknown"
    assert doctor("bandwidth", "--facts", H100, "--format", "json").document["status"] == "ok"


def test_a_saved_run_of_another_model_is_said_and_not_refused(doctor: Doctor) -> None:
    run = doctor("bandwidth", "--facts", H100, "--compare", H200)
    assert run.code == 0
    assert "another model of GPU: NVIDIA H100 80GB HBM3 now, NVIDIA H200 then" in " ".join(run.out.split())


def test_a_json_report_can_be_compared_with(doctor: Doctor, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    doctor("bandwidth", "--facts", H100, "--format", "json", "--output", report)
    run = doctor("bandwidth", "--facts", H100, "--compare", report)
    assert run.code == 0
    figures = len(json.loads(report.read_text(encoding="utf-8"))["facts"]["bandwidth"]["results"])
    told = re.search(r"none of (\d+) figures has changed", " ".join(run.out.split()))
    assert told is not None
    assert int(told[1]) >= figures


def test_a_file_that_cannot_be_compared_with_is_one_line_before_anything_is_measured(
    doctor: Doctor, tmp_path: Path
) -> None:
    foreign, damaged = tmp_path / "foreign.json", tmp_path / "damaged.json"
    foreign.write_text('{"name": "left-pad"}', encoding="utf-8")
    document = json.loads(H100.read_text(encoding="utf-8"))
    document["facts"]["bandwidth"]["results"][0]["gb_per_s"] = None
    damaged.write_text(json.dumps(document), encoding="utf-8")
    without = MACHINES / "debian12-no-card" / "facts.json"
    for file, said in (
        (tmp_path / "none.json", "No such file"),
        (foreign, "not a facts file"),
        (damaged, "is damaged"),
        (without, "holds no measurement of bandwidth to compare with"),
    ):
        run = doctor("bandwidth", "--compare", file)
        assert (run.code, run.out, run.err.count("\n")) == (2, "", 1), file
        assert said in run.err
        document = doctor("bandwidth", "--compare", file, "--format", "json").document
        assert document["error"]["exit_code"] == 2


def test_everything_fits_80_columns_and_is_plain_when_piped(doctor: Doctor, tmp_path: Path) -> None:
    file = saved(tmp_path, "facts.json", everything())
    out = doctor("bandwidth", "--facts", file, env={**os.environ, "NO_COLOR": "1"}).out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "\x1b" not in out
    assert "a copy of 200 kB costs 12.6 µs" in " ".join(out.split())


def test_the_facts_of_this_run_are_saved_without_the_comparison(doctor: Doctor, tmp_path: Path) -> None:
    file = tmp_path / "again.json"
    doctor("bandwidth", "--facts", H100, "--compare", H200, "--save", file)
    assert "compare" not in json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_a_terminal_shows_what_is_measured_and_a_pipe_does_not(fake_driver: FakeDriver, doctor: Doctor) -> None:
    import pty

    environment = dict(fake_driver.scenario(memory_allocatable_bytes=2**26))
    assert doctor("bandwidth", env=environment).err == ""
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")]), "TERM": "xterm"}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cudadoctor", "bandwidth"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as process:
        os.close(theirs)
        told = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # how Linux says that the other end is closed
                break
            if not part:
                break
            told += part
        os.close(ours)
        assert process.wait(timeout=60) == 0
    lines = told.decode().split("\r\x1b[K")
    assert lines[1].startswith("measuring host to device, pinned (1 of ")
    assert any("s left" in line for line in lines)
    assert lines[-1].strip() == ""
    assert "\n" not in told.decode()
