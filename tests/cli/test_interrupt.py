"""Ctrl-C keeps what was measured and leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_race_keeps_its_epochs_and_says_what_is_missing(tmp_path: Path, number: int) -> None:
    file = tmp_path / "race.json"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}
    race = subprocess.Popen(
        [sys.executable, "-m", "cudadoctor", "dbn-race", "--epochs", "900", "--save", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A test run in the background of a shell inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    assert race.stdout is not None
    assert any("Epoch  1:" in line for line in race.stdout)
    race.send_signal(number)
    out, err = race.communicate(timeout=30)
    assert race.returncode == 3, err
    assert "interrupted" in out
    lane = json.loads(file.read_text(encoding="utf-8"))["facts"]["race"]["lanes"][0]
    assert lane["state"] == "interrupted"
    assert lane["epochs"][0]["epoch"] == 1


@pytest.mark.skipif(os.name != "posix", reason="a shell with pipes")
def test_a_race_whose_reader_has_gone_is_still_saved(tmp_path: Path) -> None:
    file = tmp_path / "race.json"
    race = f"{sys.executable} -m cudadoctor dbn-race --epochs 2 --save {file}"
    run = subprocess.run(
        ["bash", "-c", f"{race} | head -1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    assert run.stdout.splitlines()[-1] == "0"
    assert run.stderr == ""
    lane = json.loads(file.read_text(encoding="utf-8"))["facts"]["race"]["lanes"][0]
    assert [epoch["epoch"] for epoch in lane["epochs"]] == [1, 2]
