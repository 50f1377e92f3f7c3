"""`cudadoctor check`: the whole road from the PCI bus to a kernel whose result is checked."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import RefusedError, check_writable, deliver
from cudadoctor.cli.options import FailOn, Format, ReportOptions
from cudadoctor.cli.source import examination, load_or_examine
from cudadoctor.doctor import AREAS, diagnose
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S

_AREAS = ", ".join(AREAS)


def check(
    quick: Annotated[bool, typer.Option("--quick", help="Judge without compiling or running a kernel.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="AREA,AREA", help=f"Look only at: {_AREAS}.")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", metavar="AREA,AREA", help="Leave areas out.")] = None,
    frameworks: Annotated[
        bool,
        typer.Option(
            "--frameworks",
            help="Let each installed framework (PyTorch, JAX, TensorFlow, CuPy) use the GPU, in a process of its own.",
        ),
    ] = False,
    facts: opt.FactsOption = None,
    sysroot: opt.SysrootOption = None,
    live: opt.LiveOption = False,
    device: opt.OnlyDeviceOption = None,
    timeout: opt.TimeoutOption = DRIVER_CALL_LIMIT_S,
    format: opt.FormatOption = Format.TEXT,
    output: opt.OutputOption = None,
    save: opt.SaveOption = None,
    fail_on: opt.FailOnOption = FailOn.ERROR,
    redact: opt.RedactOption = None,
    verbose: opt.VerboseOption = 0,
    quiet: opt.QuietOption = False,
) -> int:
    """Look for what is wrong, from the PCI bus to a kernel whose result is checked.

    Exit code 0: nothing found at or above --fail-on; 1: something was; 2: wrong usage or bad input.
    """
    from cudadoctor.rules.verdict import summary_sentence

    check_writable(output, save)
    areas, left_out = _areas(quick, _words(only), _words(skip))
    if frameworks and facts is not None:
        raise RefusedError("--frameworks asks this machine, and --facts is a saved one: name one of them")
    if frameworks and sysroot is not None and not live:
        raise RefusedError("--frameworks asks this machine, and --sysroot is another one; with --live both are one")
    what = examination(sysroot=sysroot, live=live, limit_s=timeout, areas=areas, left_out=left_out)
    machine = load_or_examine(facts, msgspec.structs.replace(what, ask_frameworks=frameworks), device)
    diagnosis = diagnose(machine)
    report = ReportOptions(
        command="check",
        format=format,
        output=output,
        save=save,
        fail_on=fail_on,
        redact=redact,
        verbose=verbose,
        quiet=quiet,
    )
    return deliver(diagnosis, report, summary_sentence(machine, diagnosis.findings))


def _words(options: list[str] | None) -> list[str]:
    """Return the areas of an option that may be repeated, and may name several with commas between them."""
    return [word.strip() for option in options or [] for word in option.split(",")]


def _areas(quick: bool, only: list[str], skip: list[str]) -> tuple[frozenset[str], str]:
    """Return the areas to look at, and the reason that stands for the others."""
    for option, words in (("--only", only), ("--skip", skip)):
        for word in words:
            if word not in AREAS:
                raise RefusedError(f"{option} {word}: there is no such area; choose from {_AREAS}")
    chosen = set(only or AREAS) - set(skip)
    if not chosen:
        raise RefusedError("--only and --skip leave nothing to look at")
    if quick:
        chosen.discard("kernel")
    left_out = " and ".join(
        (["--quick"] if quick else []) + [f"--only {word}" for word in only] + [f"--skip {word}" for word in skip]
    )
    return frozenset(chosen), f"{left_out}: it was left out"
