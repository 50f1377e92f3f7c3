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
    list_checks: Annotated[
        bool, typer.Option("--list-checks", help="List what is checked, by area, and look at nothing.")
    ] = False,
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
    if list_checks:
        return _list_checks(_areas(False, _words(only), _words(skip))[0], format, output)
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


def _list_checks(areas: frozenset[str], format: Format, output: str | None) -> int:
    """Write what is checked in these areas: a line for each finding that it may end in."""
    from cudadoctor.cli.delivery import write_report
    from cudadoctor.rules.areas import area_of
    from cudadoctor.rules.catalogue import RULES

    listed = [(area, rule) for area in AREAS if area in areas for rule in RULES if area_of(rule) == area]
    if format is Format.JSON:
        from cudadoctor import __version__
        from cudadoctor.facts.document import encode_json
        from cudadoctor.findings import SCHEMA_VERSION

        checks = [{"area": area, "id": r.id, "severity": r.severity.value, "title": r.title} for area, r in listed]
        head = {"schema_version": SCHEMA_VERSION, "command": "check", "version": __version__, "status": "ok"}
        return write_report(encode_json({**head, "findings": [], "skipped": [], "checks": checks}), output)
    if format is not Format.TEXT:
        raise RefusedError(f"--list-checks is written as text or json, not as {format.value}")
    widest = max(len(rule.id) for _, rule in listed)
    lines = [f"{area:<8}{rule.id:<{widest}}  {rule.title}" for area, rule in listed]
    return write_report("".join(f"{line}\n" for line in lines).encode(), output)


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
