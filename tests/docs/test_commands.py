"""Every call of cudadoctor in the documentation works as the page says, and prints what the page shows."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer.main

from cudadoctor.cli.app import app
from tests.docs.fences import ROOT, Block, Command, blocks_of, calls, commands, commands_of
from tests.warm import Server

BASH = shutil.which("bash")
MACHINES = ROOT / "tests" / "machines"
COMMANDS = commands()
RUN = [command for command in COMMANDS if not command.block.not_run and command.block.language == "console"]
IN_FIXES = {
    command.text: command
    for command in COMMANDS
    if not command.block.not_run
    and command.block.page.startswith("docs/findings/")
    and command.text.startswith(("cudadoctor ", "python -m cudadoctor "))
}
"""What findings tell to run, once each."""


def parse(arguments: Sequence[str]) -> None:
    """Parse a call with its options, and do no more."""
    group = typer.main.get_command(app)
    context = group.make_context("cudadoctor", list(arguments))
    rest = [*context._protected_args, *context.args] if hasattr(context, "_protected_args") else context.args
    name, command, rest = group.resolve_command(context, rest)  # type: ignore[attr-defined]
    context = command.make_context(name, rest, parent=context)
    if hasattr(command, "resolve_command"):  # a group of commands
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        command.make_context(name, rest, parent=context)


def shows(printed: Sequence[str], shown: Sequence[str]) -> bool:
    """Say whether the lines are those of the page, in which `...` stands for any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(shows(printed[skip:], shown[1:]) for skip in range(len(printed) + 1))
    return bool(printed) and printed[0].rstrip() == shown[0].rstrip() and shows(printed[1:], shown[1:])


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `cudadoctor` in it, so that a line can be run as it stands."""
    folder = tmp_path_factory.mktemp("bin")
    for name, module in (("cudadoctor", "-m cudadoctor "), ("python", "")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return folder


def run(text: str, shim: Path, folder: Path, warm: Server | None) -> subprocess.CompletedProcess[str]:
    """Run a line as a reader would, in a folder of its own; without a shell where one would change nothing."""
    environment = dict(os.environ) | {
        "PATH": f"{shim}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "PYTHONUTF8": "1",
        "COLUMNS": "80",
    }
    if warm is not None and re.fullmatch(r"cudadoctor( [\w./=,-]+)*", text):
        return warm.run(text.split()[1:], environment, folder=folder, limit_s=600)
    return subprocess.run(
        [str(BASH), "-o", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


@pytest.mark.skipif(BASH is None, reason="the pages show commands of a POSIX shell")
@pytest.mark.parametrize("command", RUN, ids=lambda each: f"{each.block.place} {each.text[:60]}")
def test_a_command_of_the_documentation_ends_and_prints_as_the_page_says(
    command: Command, shim: Path, tmp_path: Path, warm: Server | None
) -> None:
    for name, machine in command.block.files:
        shutil.copy(MACHINES / machine / "facts.json", tmp_path / name)
    done = run(command.text, shim, tmp_path, warm)
    # A pipe from a program that is not here ends as that one did.
    exits = (*command.block.exits, 127) if "|" in command.text else command.block.exits
    assert done.returncode in exits, done.stderr
    assert "Traceback" not in done.stderr
    if command.shown:
        assert shows(done.stdout.splitlines(), command.shown), done.stdout


@pytest.mark.skipif(BASH is None, reason="the pages show commands of a POSIX shell")
@pytest.mark.parametrize("text", IN_FIXES)
def test_a_command_that_a_finding_tells_to_run_does_something(
    text: str, shim: Path, tmp_path: Path, warm: Server | None
) -> None:
    (tmp_path / "train.py").write_text("print('trained')\n", encoding="utf-8")
    # A race of many epochs shows no more of the command than one of one does.
    done = run(f"{text} --epochs 1" if text.startswith("cudadoctor dbn-race") else text, shim, tmp_path, warm)
    if "fleet run" in text and importlib.util.find_spec("ray") is None:
        assert "needs the extra `fleet`" in done.stderr
        return
    assert done.returncode in (0, 1, 3), done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: f"{each.block.place} {each.text[:60]}")
def test_every_call_has_options_that_exist(command: Command) -> None:
    for arguments in calls(command.text):
        with contextlib.suppress(typer.Exit):  # --version
            parse([word for word in arguments if not word.startswith("$")])


def test_calls_are_found_in_every_part_of_the_documentation() -> None:
    found = {command.block.page for command in COMMANDS}
    assert {"README.md", "docs/index.md", "docs/getting-started.md", "docs/the-verdict.md"} <= found
    assert any(page.startswith("docs/findings/") for page in found)
    assert len(RUN) >= 15
    assert {name for command in COMMANDS for arguments in calls(command.text) for name in arguments[:1]} >= {
        "check", "why", "setup", "dbn-race", "bandwidth",
    }  # fmt: skip


def test_pages_that_are_written_by_hand_show_calls_where_they_are_run() -> None:
    apart = ("docs/findings/", "docs/fleet.md")  # the latter has tests of its own
    unseen = [
        command.block.place
        for command in COMMANDS
        if command.block.language != "console"
        and not command.block.not_run
        and not command.block.page.startswith(apart)
    ]
    assert unseen == []


def test_what_is_not_run_says_why() -> None:
    left_out = [command.block for command in COMMANDS if command.block.not_run]
    assert left_out
    assert all(len(block.not_run.split()) > 2 for block in left_out)


@pytest.mark.parametrize("arguments", [["check", "--no-such-option"], ["nonsense"], ["check", "--format", "pdf"]])
def test_a_call_that_does_not_exist_would_be_noticed(arguments: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|Invalid|not one of"):
        parse(arguments)


def test_what_a_page_shows_is_compared_line_by_line() -> None:
    assert shows(["a", "b", "c"], ["a", "...", "c"])
    assert shows(["a", "b"], ["a", "b"])
    assert not shows(["a", "b"], ["a"])
    assert not shows(["a", "b", "c"], ["a", "...", "d"])


def test_comments_and_commands_are_read_as_they_are_written() -> None:
    text = (
        "<!-- test: file a.json = some-machine; exit 0 or 3 -->\n```console\n$ cudadoctor check --facts a.json\n"
        "out\n$ ls\n```\n\n```sh\nnvidia-smi 2>&1 | cudadoctor why --quiet\n"
        "python -m cudadoctor setup && echo done\n```\n"
    )
    first, second = blocks_of(text, "page.md")
    assert (first.files, first.exits, first.line) == ((("a.json", "some-machine"),), (0, 3), 2)
    assert [(each.text, each.shown) for each in commands_of(first)] == [
        ("cudadoctor check --facts a.json", ("out",)),
        ("ls", ()),
    ]
    assert [calls(each.text) for each in commands_of(second)] == [[["why", "--quiet"]], [["setup"]]]
    assert calls("sudo apt install cudadoctor-lookalike") == []
    with pytest.raises(AssertionError):
        blocks_of("<!-- test: run it twice -->\n```sh\nx\n```\n", "page.md")


def test_a_block_that_nobody_marked_is_run() -> None:
    assert Block(page="p", line=1, language="console", text="", comment="").exits == (0,)
