"""Mistakes get one clear line and exit code 2, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Doctor
from tests.fake_driver.build import FakeDriver

MACHINES = Path(__file__).parents[1] / "machines"
COMMANDS = ("check", "bandwidth", "dbn-race")
ALL = ([], ["check"], ["devices"], ["bandwidth"], ["dbn-race"], ["profile"], ["setup"], ["why"], ["fleet"],
       ["fleet", "report"], ["fleet", "run"])  # fmt: skip


def in_this_checkout() -> dict[str, str]:
    """Return the environment of a command that runs in another folder."""
    return os.environ | {"PYTHONPATH": os.fspath(Path(__file__).parents[2])}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "--no-such-option"], "--no-such-option"),
        (["check", "--format", "xml"], "xml"),
        (["check", "--only", "nonsense"], "there is no such area"),
        (["check", "--only", "pci", "--skip", "pci"], "leave nothing"),
        (["check", "--sysroot", "/no/such/folder"], "there is no such folder"),
        (["check", "--facts", "/no/such/file"], "No such file"),
        (["check", "--facts", "/"], "directory"),
        (["check", "--live"], "--sysroot"),
        (["check", "--timeout", "0"], "0.0 is not between 0.5 and 600."),
        (["check", "--timeout", "soon"], "'soon' is not a number."),
        (["check", "--timeout", "nan"], "--timeout nan: give a number"),
        (["check", "--only", "pci,nonsense"], "--only nonsense: there is no such area"),
        (["check", "--save", "-"], "name a file"),
        (["check", "--output", ""], "name a file"),
        (["why", "no-such.log"], "cannot read no-such.log: there is no such file"),
        (["chekc"], "Did you mean 'check'? See"),
        (["check", "--device", "banana"], "--device banana"),
        (["check", "--device", "-1"], "--device -1"),
        (["bandwidth", "--device", "1.5"], "--device 1.5"),
        (["dbn-race", "--epochs", "-1"], "--epochs"),
        (["dbn-race", "--epochs", "0"], "--epochs"),
        (["dbn-race", "--epochs", "many"], "'many' is not a whole number."),
        (["dbn-race", "--seed", "-3"], "--seed"),
        (["dbn-race", "--layers", "784x10"], "784-300-10"),
        (["dbn-race", "--layers", "700-10"], "784 inputs"),
        (["dbn-race", "--lanes", "gpu-fast"], "gpu-fused"),
        (["dbn-race", "--lanes", "cpu-fast,cpu-fast"], "twice"),
        (["dbn-race", "--lanes", "cpu-fast", "--style", "2014"], "--style"),
        (["dbn-race", "--data", "/no/such/folder"], "/no/such/folder"),
        (["dbn-race", "--batch-size", "0"], "--batch-size"),
        (["dbn-race", "--pretrain-rate", "-1"], "--pretrain-rate"),
        (["no-such-command"], "no-such-command"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_line_and_exit_code_2(doctor: Doctor, arguments: list[str], said: str) -> None:
    run = doctor(*arguments)
    assert run.code == 2
    assert run.out == ""
    assert run.err.startswith("cudadoctor: ")
    assert run.err.count("\n") == 1
    assert said in run.err


@pytest.mark.parametrize(
    "arguments", [["check", "--nonsense"], ["dbn-race", "--epochs", "-1"], ["bandwidth", "--device", "x"]]
)
def test_with_json_a_mistake_is_a_document_too(doctor: Doctor, arguments: list[str]) -> None:
    run = doctor(*arguments, "--format", "json")
    assert run.code == 2
    assert run.document["command"] == arguments[0]
    assert run.document["error"]["exit_code"] == 2
    assert run.document["findings"] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        ('{"kind": "cudadoctor-facts", "schema_version": 1, "facts": {"pci"', "damaged"),
        ('{"hello": "world"}', "not a facts file"),
        ('{"kind": "cudadoctor-facts", "schema_version": 99, "facts": {}}', "newer cudadoctor"),
        ('{"kind": "cudadoctor-facts", "schema_version": 1, "facts": {"ladder": [1]}}', "damaged"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_facts_file_is_named(doctor: Doctor, tmp_path: Path, command: str, content: str, said: str) -> None:
    file = tmp_path / "facts.json"
    file.write_text(content, encoding="utf-8")
    run = doctor(command, "--facts", file)
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert said in run.err
    assert str(file) in run.err


@pytest.mark.parametrize("option", ["--output", "--save"])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_could_not_be_written_is_refused_before_anything_is_measured(
    doctor: Doctor, tmp_path: Path, command: str, option: str
) -> None:
    for path, said in ((tmp_path / "no" / "file", "there is no folder"), (tmp_path, "it is a folder")):
        run = doctor(command, option, path)
        assert (run.code, run.out) == (2, "")
        assert said in run.err
        assert run.seconds < 5


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_report_that_cannot_be_written_at_the_end_is_not_lost(doctor: Doctor) -> None:
    run = doctor("check", "--output", "/dev/full", "--format", "json")
    assert run.code == 2
    assert run.document["command"] == "check"
    assert "No space left" in run.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("format", ["text", "json"])
def test_a_full_disk_under_standard_output_is_no_defect_and_the_facts_are_saved(tmp_path: Path, format: str) -> None:
    facts = MACHINES / "ubuntu24-h100-healthy" / "facts.json"
    command = f"{sys.executable} -m cudadoctor check --facts {facts} --format {format} --save saved.json > /dev/full"
    run = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, cwd=tmp_path, env=in_this_checkout()
    )
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert run.stderr.startswith("cudadoctor: cannot write standard output: No space left")
    assert (tmp_path / "saved.json").stat().st_size > 1000


def test_the_report_and_the_facts_are_not_written_into_one_file(doctor: Doctor, tmp_path: Path) -> None:
    run = doctor("check", "--output", tmp_path / "a", "--save", tmp_path / "b" / ".." / "a")
    assert (run.code, run.out) == (2, "")
    run = doctor("check", "--output", tmp_path / "a", "--save", f"{tmp_path}/./a")
    assert (run.code, run.out) == (2, "")
    assert "written twice" in run.err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_file_that_powershell_wrote_is_read(doctor: Doctor, tmp_path: Path, encoding: str) -> None:
    saved = (MACHINES / "ubuntu24-h100-healthy" / "facts.json").read_text(encoding="utf-8")
    (tmp_path / "facts.json").write_text(saved, encoding=encoding)
    assert doctor("check", "--facts", tmp_path / "facts.json").out.startswith("The GPU works")


def test_areas_may_stand_with_commas_between_them(doctor: Doctor) -> None:
    one = doctor("check", "--only", "host,pci", "--format", "json").document
    two = doctor("check", "--only", "host", "--only", "pci", "--format", "json").document
    assert [each["id"] for each in one["findings"]] == [each["id"] for each in two["findings"]]
    assert one["skipped"] == two["skipped"]


def test_a_file_is_replaced_whole_and_keeps_its_place(doctor: Doctor, tmp_path: Path) -> None:
    file, link = tmp_path / "report.json", tmp_path / "link.json"
    file.write_text("old", encoding="utf-8")
    link.symlink_to(file)
    run = doctor("check", "--format", "json", "--output", link)
    assert run.out == ""
    assert json.loads(file.read_text(encoding="utf-8"))["command"] == "check"
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link.json", "report.json"]


def test_an_unknown_device_names_those_that_are_there(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario()
    for command in COMMANDS:
        run = doctor(command, "--device", "9", env=environment)
        assert (run.code, run.out) == (2, "")
        assert "there is no such GPU" in run.err
        assert "NVIDIA H100" in run.err


def test_a_device_that_a_saved_machine_does_not_have_is_refused(doctor: Doctor) -> None:
    facts = MACHINES / "ubuntu24-h100-healthy" / "facts.json"
    assert doctor("check", "--facts", facts, "--device", "0").code == 0
    run = doctor("check", "--facts", facts, "--device", "3")
    assert (run.code, run.out) == (2, "")
    assert "NVIDIA H100" in run.err


def test_a_closed_standard_output_is_no_defect() -> None:
    command = f"{sys.executable} -m cudadoctor check --quick >&-"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.returncode in (0, 1)


def test_a_device_can_be_named_by_the_beginning_of_its_uuid(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(device_count=2)
    uuids = []
    for shared in ("--no-redact", "--redact"):
        run = doctor("check", "--quick", "--format", "json", shared, env=environment)
        uuids.append(run.document["facts"]["driver"]["devices"][1]["uuid"]["value"])
    real, stand_in = uuids
    assert stand_in.startswith("GPU-00000000-0000-0000-")
    for named in (real[:12], real, stand_in):
        run = doctor("check", "--quick", "--device", named, "--format", "json", env=environment)
        assert run.step("context")["device"] == 1


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m cudadoctor check --format json | head -1"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert run.stdout == "{\n"
    assert run.stderr == ""
    facts = MACHINES / "ubuntu24-h100-race" / "facts.json"  # more than a pipe holds
    check = f"{sys.executable} -m cudadoctor check --fail-on never --facts {facts} --format json --save saved.json"
    run = subprocess.run(
        ["bash", "-c", f"{check} | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=in_this_checkout(),
    )
    assert (run.stdout, run.stderr) == ("0\n", "")
    assert json.loads((tmp_path / "saved.json").read_text(encoding="utf-8"))["kind"] == "cudadoctor-facts"


def test_help_of_every_command_fits_80_columns(doctor: Doctor) -> None:
    for arguments in ALL:
        run = doctor(*arguments, "--help")
        assert run.code == 0
        assert max(len(line) for line in run.out.splitlines()) <= 80
        assert "Usage" in run.out


@pytest.mark.parametrize("arguments", [[], ["fleet"]], ids=["cudadoctor", "cudadoctor fleet"])
def test_without_a_command_the_help_is_shown_as_it_is(doctor: Doctor, arguments: list[str]) -> None:
    run = doctor(*arguments)
    assert (run.code, run.out) == (2, "")
    assert run.err == doctor(*arguments, "--help").out


def completed(*words: str, shell: str = "bash") -> list[str]:
    """Return what a shell is offered for the last of the words."""
    asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_ARGS": " ".join(words)}
    environment = os.environ | asked | {
        "_CUDADOCTOR_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "cudadoctor"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")


def test_a_shell_completes_commands_and_options() -> None:
    assert "profile" in completed("cudadoctor", "pr")
    assert {"report", "run"} <= set(completed("cudadoctor", "fleet", ""))
    assert "--trace" in completed("cudadoctor", "profile", "--tr")
    assert "markdown" in completed("cudadoctor", "check", "--format", "")
    assert any(line.startswith("profile\t") for line in completed("cudadoctor", "pr", shell="fish"))
    assert '"profile"' in "".join(completed("cudadoctor", "pr", shell="zsh"))


def test_completion_is_that_of_the_shell_that_is_named(doctor: Doctor) -> None:
    assert doctor("--show-completion", "fish").out.startswith("complete --command cudadoctor")
    assert doctor("--show-completion", "zsh").out.startswith("#compdef cudadoctor")
    run = doctor("--show-completion", "nosuchshell")
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert "nosuchshell" in run.err


def test_completion_that_cannot_be_installed_says_so_in_a_line(doctor: Doctor, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("no folder", encoding="utf-8")
    environment = os.environ | {"HOME": str(home)}
    run = doctor("--install-completion", "fish", env=environment)
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert run.err.startswith("cudadoctor: completion was not installed: ")


def test_version_is_the_packages() -> None:
    from cudadoctor import __version__

    for arguments in (["--version"], ["--version", "check"]):
        run = subprocess.run(
            [sys.executable, "-m", "cudadoctor", *arguments], capture_output=True, text=True, check=True
        )
        assert run.stdout == f"cudadoctor {__version__}\n"
