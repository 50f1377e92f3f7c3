"""`cudadoctor why` as a command."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Doctor
from tests.fake_driver.build import FakeDriver

MISMATCH = "Failed to initialize NVML: Driver/library version mismatch"


def test_text_file_and_standard_input_give_the_same_answer(doctor: Doctor, tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_text(MISMATCH, encoding="utf-8")
    common = ("--no-machine", "--format", "json")
    runs = [
        doctor("why", MISMATCH, *common),
        doctor("why", *MISMATCH.split(), *common),
        doctor("why", file, *common),
        doctor("why", "-", *common, stdin=MISMATCH),
        doctor("why", *common, stdin=MISMATCH),
    ]
    assert {run.code for run in runs} == {1}
    assert {run.out for run in runs} == {runs[0].out}
    assert runs[0].ids[0] == "driver-library-mismatch"
    assert runs[0].document["findings"][0]["evidence"][0]["value"] == MISMATCH
    assert runs[0].document["command"] == "why"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_the_list_is_as_wide_as_a_screen_and_a_line_a_cause_for_a_pipe(doctor: Doctor) -> None:
    import pty

    command = [sys.executable, "-m", "cudadoctor", "why", "--list"]
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2])}
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(ours, 4096):
                shown += part
        os.close(ours)
        assert process.wait(timeout=60) == 0
    lines = shown.decode().splitlines()
    assert max(map(len, lines)) <= 80
    piped = doctor("why", "--list").out
    assert max(map(len, piped.splitlines())) > 80
    assert " ".join(shown.decode().split()) == " ".join(piped.split())


def test_what_a_windows_shell_saved_is_read(doctor: Doctor, tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(MISMATCH.encode("utf-16"))
    assert doctor("why", file, "--no-machine", "--format", "json").ids[0] == "driver-library-mismatch"


def test_a_text_without_trouble_is_exit_code_0(doctor: Doctor) -> None:
    run = doctor("why", "--no-machine", "--format", "json", stdin="all is well with cuda:0\n")
    assert (run.code, run.ids, run.document["status"]) == (0, [], "unknown")


@pytest.mark.parametrize(("fail_on", "code"), [("error", 1), ("never", 0)])
def test_fail_on_is_kept(doctor: Doctor, fail_on: str, code: int) -> None:
    assert doctor("why", MISMATCH, "--no-machine", "--fail-on", fail_on).code == code


def test_an_id_prints_its_page(doctor: Doctor) -> None:
    run = doctor("why", "cpu-only-wheel")
    assert run.code == 0
    assert "How to fix it" in run.out
    assert "```" not in run.out
    assert doctor("why", "cpu-only-wheel", "--format", "markdown").out.startswith("# ")
    document = doctor("why", "cpu-only-wheel", "--format", "json").document
    assert document["causes"][0]["id"] == "cpu-only-wheel"


def test_the_list_holds_every_cause_once(doctor: Doctor) -> None:
    causes = [cause["id"] for cause in doctor("why", "--list", "--format", "json").document["causes"]]
    assert causes == sorted(set(causes))
    assert {"driver-library-mismatch", "cpu-only-wheel", "gpu-fallen-off-bus"} <= set(causes)
    assert len(doctor("why", "--list").out.splitlines()) == len(causes)


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["why", "no-such-finding"], None, "no finding is called"),
        (["why", "driver-libary-mismatch"], None, "Did you mean driver-library-mismatch, "),
        (
            ["why", "nosuchid"],
            None,
            "no finding is called nosuchid, and no such file is there. See `cudadoctor why --list`",
        ),
        (["why", "uvm"], None, "Did you mean suspend-uvm-broken or uvm-node-missing? See `cudadoctor why --list`"),
        (["why", "/"], None, "directory"),
        (["why", "-"], "  \n", "the text is empty"),
        (["why", "--list", "text"], None, "--list takes no text"),
        (["why", "--output", "/no/such/folder/x", "text"], None, "there is no folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    doctor: Doctor, arguments: list[str], stdin: str | None, said: str
) -> None:
    run = doctor(*arguments, stdin=stdin)
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert said in run.err


@pytest.mark.parametrize("word", ["CUDA_ERROR_UNKNOWN", "cudaErrorNoDevice", "gpu_lock", "segfault", "CUDNN_STATUS_X"])
def test_a_single_word_that_programs_print_is_a_text(doctor: Doctor, word: str) -> None:
    run = doctor("why", word, "--no-machine")
    assert (run.code, run.err) in {(0, ""), (1, "")}
    assert run.out


def test_the_bare_name_of_an_error_has_causes(doctor: Doctor) -> None:
    found = doctor("why", "CUDA_ERROR_UNKNOWN", "--no-machine", "--format", "json").document["findings"]
    assert {"uvm-node-missing", "suspend-uvm-broken"} <= {each["id"] for each in found}


def test_what_this_machine_shows_too_comes_first_and_is_proven(doctor: Doctor, fake_driver: FakeDriver) -> None:
    text = "CUDA_ERROR_NO_DEVICE\nFailed to initialize NVML: Driver/library version mismatch"
    environment = {**fake_driver.scenario(), "CUDA_VISIBLE_DEVICES": "-1"}
    alone = doctor("why", text, "--no-machine", "--format", "json").document["findings"]
    here = doctor("why", text, "--format", "json", env=environment).document["findings"]
    assert sorted(each["id"] for each in here) == sorted(each["id"] for each in alone)
    assert alone[0]["id"] == "driver-library-mismatch"
    assert here[0]["id"] == "cuda-visible-devices-hides-gpu"
    proven = [each for each in here if each["summary"].startswith("This machine shows it too.")]
    assert proven
    assert here[0] == proven[0]
    assert proven[0]["confidence"] == "proven"
    assert {item["source"] for item in proven[0]["evidence"]} - {"line 1", "line 2"}


def test_each_cause_comes_with_the_command_that_tells(doctor: Doctor) -> None:
    text = "no CUDA-capable device is detected"
    document = doctor("why", text, "--no-machine", "--format", "json").document
    assert len(document["findings"]) > 1
    for found in document["findings"]:
        assert set(found["confirm"]) == {"command", "shows"}
        command = found["confirm"]["command"]
        # Alone on its line, whole in 80 columns too, so that it can be pasted.
        run = doctor("why", text, "--no-machine", env={"COLUMNS": "80"})
        assert f"\n      {command}\n" in run.out
        assert f"```sh\n{command}\n```" in doctor("why", text, "--no-machine", "--format", "markdown").out
        assert f"\n      {command}\n" in doctor("why", found["id"]).out
    page = doctor("why", "mig-without-instance", "--format", "json").document["causes"][0]
    assert page["confirm"]["command"].startswith("nvidia-smi")


def test_check_asks_for_a_command_only_where_a_cause_is_not_proven(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("check", "--format", "json", env=fake_driver.scenario(cu_init=802))
    assert run.document["findings"]
    for found in run.document["findings"]:
        assert ("confirm" in found) == (found["confidence"] != "proven")


def test_a_page_fits_the_screen_and_loses_no_word_and_no_command(doctor: Doctor) -> None:
    for id in ("arch-not-in-binary", "macos-dyld-path", "launch-bound-small-work"):
        told = doctor("why", id).out
        page = doctor("why", id, "--format", "markdown").out
        prose = [line for line in told.splitlines() if not line.startswith("      ")]
        assert max(map(len, prose)) <= 80
        assert not told.endswith("\n\n")
        assert "\n\n\n" not in told
        commands = re.findall(r"```\w+\n(.*?)\n```", page, re.DOTALL)
        assert {f"      {line}" for block in commands for line in block.split("\n")} <= set(told.splitlines())
        plain = re.sub(r"(?m)^(#+ |```.*)", "", page).split()
        assert told.split()[: len(plain)] == plain


def test_what_is_less_likely_is_told_in_short_unless_asked_for(doctor: Doctor) -> None:
    text = "RuntimeError: CUDA error: no kernel image is available for execution on the device"
    whole = doctor("why", text, "--no-machine", "--format", "json")
    first, *others = whole.document["findings"]
    assert first["id"] == "arch-not-in-binary"
    assert others
    assert {each["confidence"] for each in others} == {"possible"}
    short, long = doctor("why", text, "--no-machine"), doctor("why", text, "--no-machine", "-v")
    assert first["cause"].split(".")[0] in " ".join(short.out.split())
    for each in others:
        assert f"More     cudadoctor why {each['id']}" in short.out
        assert each["confirm"]["command"] in short.out
        assert each["cause"].split(".")[0] not in " ".join(short.out.split())
        assert each["cause"].split(".")[0] in " ".join(long.out.split())
