"""Run one planted program: plain for its own clock, profiled for what is said of it; then judge what was said."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from tests.planted.manifest import CAUSES, Planted, Twin

ROOT = Path(__file__).parent.parent.parent
PROFILE = (sys.executable, "-m", "cudadoctor", "profile", "--format", "json")

AGREE = 0.05
"""Two runs that differ by less need no third."""

NOT_SLOW = 0.10
"""A cause whose removal saves less on this machine is not there to be found."""

Verdict = Literal["ok", "miss", "accused", "not judged", "skipped", "failed"]


class CannotMeasure(Exception):  # noqa: N818 - says what happened
    """The program or its profile gave nothing to judge; the message says why."""


class Plain(msgspec.Struct, frozen=True):
    """A program's own words: the seconds of its loop and its check value, over one or more runs."""

    loop_seconds: float
    result: float
    runs: tuple[float, ...]


class Said(msgspec.Struct, frozen=True):
    """What a profile says: causes in order with their confidence, other findings, and the saving of each cause.

    Savings are fractions of the loop, with their interval; None where nothing was predicted.
    """

    causes: tuple[tuple[str, str], ...]
    others: tuple[str, ...]
    savings: dict[str, tuple[float, float, float]]
    dilation: float | None
    reason: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. Savings are fractions of the slow program's loop.

    `said_of_fixed` is None where the fixed program was not profiled.
    """

    name: str
    verdict: Verdict
    expected: str = ""
    said: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()
    said_of_fixed: tuple[tuple[str, str], ...] | None = None
    slow_s: float | None = None
    fixed_s: float | None = None
    measured: float | None = None
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    dilation: float | None = None
    note: str = ""
    seconds: float = 0.0


def environment(sizes: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program: this one, with this checkout to import from and no sizes but those given."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    inherited = {name: value for name, value in os.environ.items() if name not in ("STEPS", "SIZE")}
    return {**inherited, "PYTHONPATH": path, **sizes}


def execute(command: Sequence[str], limit: float, sizes: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command.

    Raises:
        CannotMeasure: It did not end within `limit` seconds.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(sizes), stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            output, error = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            # With what it has started: a program that is left behind would hold up those that are measured next.
            os.killpg(process.pid, signal.SIGKILL)
            raise CannotMeasure(f"did not end within {limit:.0f} s") from None
    return subprocess.CompletedProcess(command, process.returncode, output, error)


def own_words(output: str) -> tuple[float, float]:
    """Return the seconds of the loop and the check value that a program printed.

    Raises:
        CannotMeasure: It printed none, or the seconds not last.
    """
    lines = output.strip().splitlines()
    seconds = re.fullmatch(r"loop_seconds=([\d.]+)", lines[-1]) if lines else None
    result = re.search(r"^result=(\S+)$", output, re.MULTILINE)
    if seconds is None or result is None:
        raise CannotMeasure("printed no result and loop_seconds")
    return float(seconds[1]), float(result[1])


def plain(program: Path, runs: int, limit: float, sizes: Mapping[str, str]) -> Plain:
    """Run a program untraced, twice, and on to `runs` times as long as the runs do not agree.

    Raises:
        CannotMeasure: A run failed.
    """
    seconds: list[float] = []
    while len(seconds) < min(runs, 2) or (len(seconds) < runs and max(seconds) > min(seconds) * (1 + AGREE)):
        done = execute([sys.executable, str(program)], limit, sizes)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise CannotMeasure(f"{program.name} exited with {done.returncode}: {last}")
        loop, result = own_words(done.stdout)
        seconds.append(loop)
    return Plain(statistics.median(seconds), result, tuple(seconds))


def profiled(program: Path, limit: float, sizes: Mapping[str, str], command: Sequence[str] = PROFILE) -> dict[str, Any]:
    """Profile a program and return the document.

    Raises:
        CannotMeasure: It wrote none.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile.json"
        done = execute([*command, "--output", str(path), str(program)], limit, sizes)
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise CannotMeasure(f"profile exited with {done.returncode} and no document: {last}") from None
    return document


def said(document: dict[str, Any], loop_seconds: float | None) -> Said:
    """Read a profile's document.

    Args:
        document: As `profile --format json` writes it.
        loop_seconds: Of the untraced program: what a saving of the whole run is taken as a fraction of.
    """
    findings = document.get("findings") or []
    section = (document.get("facts") or {}).get("profile") or {}
    analysis = section.get("analysis") or {}
    savings: dict[str, tuple[float, float, float]] = {}
    for what_if in analysis.get("what_ifs") or []:
        once = what_if.get("scope") == "run"
        whole = (loop_seconds or 0.0) * 1e3 if once else what_if["now_ms"]
        if whole > 0:
            values = (what_if[key] / whole for key in ("saved_ms", "low_ms", "high_ms"))
            savings.setdefault(what_if["cause"], tuple(min(value, 1.0) for value in values))  # type: ignore[arg-type]
    return Said(
        causes=tuple((finding["id"], finding["confidence"]) for finding in findings if finding["id"] in CAUSES),
        others=tuple(finding["id"] for finding in findings if finding["id"] not in CAUSES),
        savings=savings,
        dilation=analysis.get("dilation"),
        reason=(section.get("tracer") or {}).get("reason", "") or section.get("reason", ""),
    )


def judge(planted: Planted, slow: Plain, fixed: Plain, words: Said) -> Outcome:
    """Compare what was said of a planted program with what was planted, and the saving with the measured one."""
    measured = 1 - fixed.loop_seconds / slow.loop_seconds
    first = words.causes[0][0] if words.causes else ""
    right = first in (planted.expected, *planted.instead)
    notes = [words.reason] if words.reason else []
    if abs(slow.result - fixed.result) > 1e-3 * max(abs(slow.result), abs(fixed.result)):
        notes.append(f"results differ: {slow.result:g}, fixed {fixed.result:g}")
    unexpected = [id for id, _ in words.causes[1:] if id not in (planted.expected, *planted.second, *planted.instead)]
    if unexpected:
        notes.append(f"also said: {', '.join(unexpected)}")
    verdict: Verdict = "ok" if right else "miss"
    if measured < NOT_SLOW:
        verdict = "not judged"
        notes.append("not slow for this reason on this machine")
    elif planted.consumer_only and not right:
        verdict = "not judged"
        notes.append("costs little on this card")
    saving = words.savings.get(first if right else planted.expected)
    return Outcome(
        name=planted.name,
        verdict=verdict,
        expected=planted.expected,
        said=words.causes,
        others=words.others,
        slow_s=slow.loop_seconds,
        fixed_s=fixed.loop_seconds,
        measured=measured,
        predicted=saving[0] if saving else None,
        low=saving[1] if saving else None,
        high=saving[2] if saving else None,
        dilation=words.dilation,
        note="; ".join(notes),
    )


def judge_twin(twin: Twin, words: Said) -> Outcome:
    """Say whether a twin was accused of anything."""
    return Outcome(
        name=twin.name,
        verdict="accused" if words.causes else "ok",
        said=words.causes,
        others=words.others,
        dilation=words.dilation,
        note=words.reason,
    )


def measure(
    program: Planted | Twin,
    *,
    runs: int,
    limit: float,
    fixed_too: bool = False,
    sizes: Mapping[str, str] = MappingProxyType({}),
    command: Sequence[str] = PROFILE,
) -> Outcome:
    """Measure and judge one program; what goes wrong is the outcome's note.

    Args:
        program: What to run.
        runs: At most so many plain runs of the slow and of the fixed program each.
        limit: Seconds for each process.
        fixed_too: Profile the fixed program as well: it must not be accused of what was planted.
        sizes: Variables STEPS and SIZE for the programs, where their own would not do.
        command: What profiles; the output file and the program follow.
    """
    began = time.monotonic()
    try:
        if isinstance(program, Twin):
            outcome = judge_twin(program, said(profiled(program.path, limit, sizes, command), None))
        else:
            slow = plain(program.slow, runs, limit, sizes)
            fixed = plain(program.fixed, runs, limit, sizes)
            words = said(profiled(program.slow, limit, sizes, command), slow.loop_seconds)
            outcome = judge(program, slow, fixed, words)
            if fixed_too:
                of_fixed = said(profiled(program.fixed, limit, sizes, command), fixed.loop_seconds).causes
                outcome = msgspec.structs.replace(outcome, said_of_fixed=of_fixed)
    except CannotMeasure as problem:
        expected = program.expected if isinstance(program, Planted) else ""
        outcome = Outcome(name=program.name, verdict="failed", expected=expected, note=str(problem))
    return msgspec.structs.replace(outcome, seconds=round(time.monotonic() - began, 1))
