"""`cudadoctor bandwidth`: what the link carries, measured, verified and judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from cudadoctor.bandwidth.busy import idle_gpus, others_computing
from cudadoctor.bandwidth.plan import NUMA, Options, Plan, curve_name, default_plan, full_plan, quick_plan
from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import RefusedError, check_writable, deliver, report_columns
from cudadoctor.cli.interruptible import hear_out
from cudadoctor.cli.options import FailOn, Format, ReportOptions
from cudadoctor.cli.source import choose_device, examination, load_or_examine, not_in_file, read_facts
from cudadoctor.cli.status_line import status_line
from cudadoctor.doctor import AREAS, diagnose, refusal, usable_gpu
from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Refusal
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S
from cudadoctor.report.bandwidth import (
    Progress,
    bandwidth_lines,
    bandwidth_sentence,
    compare,
    comparison_lines,
    comparison_sentence,
)

QuickOption = Annotated[bool, typer.Option("--quick", help="Pinned copies and the device's own alone, within 3 s.")]
FullOption = Annotated[
    bool, typer.Option("--full", help="Every kind of memory, sizes from 4 B to 1 GiB, latencies, and numba's calls.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Measure though another process computes on the GPU.")]


def bandwidth(
    compare_with: Annotated[
        str | None,
        typer.Option("--compare", metavar="FILE", help="Set it beside a saved run, and say what changed."),
    ] = None,
    facts: opt.FactsOption = None,
    device: opt.DeviceOption = None,
    quick: QuickOption = False,
    full: FullOption = False,
    force: ForceOption = False,
    timeout: opt.TimeoutOption = DRIVER_CALL_LIMIT_S,
    format: opt.FormatOption = Format.TEXT,
    output: opt.OutputOption = None,
    save: opt.SaveOption = None,
    fail_on: opt.FailOnOption = FailOn.ERROR,
    redact: opt.RedactOption = None,
    verbose: opt.VerboseOption = 0,
    quiet: opt.QuietOption = False,
) -> int:
    """Measure copies between host and device and compare them with what this link can carry.

    Pinned and pageable memory in both directions, one after the other and at once, and copies within the device. What
    arrived is compared after every sample. Exit code 3: there is no GPU to measure, another process computes on it, or
    Ctrl-C ended the measurement; what was measured before is reported.
    """
    check_writable(output, save)
    if quick and full:
        raise RefusedError("--quick and --full are two plans: name one of them")
    if facts is not None and (quick or full or force):
        raise RefusedError("--facts shows a saved measurement: --quick, --full and --force do not go with it")
    saved = None if compare_with is None else _saved_run(compare_with)
    report = ReportOptions(
        command="bandwidth",
        format=format,
        output=output,
        save=save,
        fail_on=fail_on,
        redact=redact,
        verbose=verbose,
        quiet=quiet,
    )
    # A kernel need not be compiled to copy memory.
    areas = frozenset(AREAS) - {"kernel"}
    left_out = "bandwidth does not run a kernel with numba: it was left out"
    what = examination(sysroot=None, live=False, limit_s=timeout, areas=areas, left_out=left_out)
    machine = load_or_examine(facts, what, device)
    if facts is None and usable_gpu(machine):
        gpu = choose_device(machine, device)
        busy = "" if force else others_computing(machine, gpu)
        if busy:
            machine = msgspec.structs.replace(machine, bandwidth=Missing(busy))
        else:
            tell = status_line(quiet)
            several = idle_gpus(machine, force=force) if full else ()
            plan = quick_plan(gpu) if quick else full_plan(gpu, several) if full else default_plan(gpu)
            machine = _measure(machine, plan, timeout, tell)
            tell("")
    if isinstance(machine.bandwidth, Missing):
        return deliver(refusal(machine, "bandwidth", _why_nothing(machine, facts)), report)
    diagnosis = diagnose(machine, "bandwidth")
    if not machine.bandwidth.results and not diagnosis.findings:
        reasons = dict.fromkeys(item.reason for item in machine.bandwidth.skipped)
        error = Refusal(f"Nothing could be measured: {'; '.join(reasons)}", 3)
        diagnosis = msgspec.structs.replace(diagnosis, status="unknown", error=error)
    elif machine.bandwidth.interrupted and facts is None:
        error = Refusal("The measurement was interrupted; what was measured before stands", 3)
        diagnosis = msgspec.structs.replace(diagnosis, error=error)
    sentence = bandwidth_sentence(machine.bandwidth, diagnosis.findings, diagnosis.skipped)
    width = report_columns(format)
    lines = bandwidth_lines(machine.bandwidth, width)
    if saved is not None and compare_with is not None:
        comparison = compare(machine.bandwidth, saved, compare_with)
        diagnosis = msgspec.structs.replace(diagnosis, compare=comparison)
        sentence = f"{sentence} {comparison_sentence(comparison)}"
        lines += ["", *comparison_lines(comparison, width)]
    return deliver(diagnosis, report, sentence, lines)


def _saved_run(path: str) -> Bandwidth:
    """Return the measurement of a saved file.

    Raises:
        RefusedError: It cannot be read, or holds none.
    """
    section = read_facts(path).bandwidth
    if isinstance(section, Missing):
        raise RefusedError(not_in_file(path, "measurement of bandwidth to compare with", section, "bandwidth"))
    return section


def _why_nothing(machine: Machine, facts: str | None) -> str:
    reason = machine.bandwidth.reason if isinstance(machine.bandwidth, Missing) else ""
    if facts is not None:
        return not_in_file(facts, "measurement of bandwidth", Missing(reason), "bandwidth")
    if usable_gpu(machine):
        return f"Nothing was measured: {reason}"
    return "Nothing was measured: there is no GPU here that a CUDA program can use"


def _measure(machine: Machine, plan: Plan, limit_s: float, tell: Callable[[str], None]) -> Machine:
    """Measure, and return the machine with the measurement among its facts."""
    from cudadoctor.bandwidth.events import Curved, Event, Finished, Measured, NodesDone, Sampled, Skipped, Timed
    from cudadoctor.bandwidth.measure import BandwidthError, run

    progress = Progress(plan.costs, plan.samples, time.monotonic())
    tell(progress.line(time.monotonic()))
    measured: Bandwidth | Missing = Missing("the measurement ended without a result")

    def take(event: Event) -> None:
        nonlocal measured
        if isinstance(event, Finished):
            measured = event.bandwidth
            return
        if isinstance(event, Sampled):
            progress.sampled(event.key)
        elif isinstance(event, Measured):
            progress.ended()
        elif isinstance(event, Curved):
            progress.ended(curve_name(event.curve.key))
        elif isinstance(event, Timed):
            progress.ended(event.latency.key)
        elif isinstance(event, NodesDone):
            progress.ended(NUMA)
        elif isinstance(event, Skipped):
            progress.ended(event.skipped.key, measured=False)
        tell(progress.line(time.monotonic()))

    try:
        hear_out(run(Options(plan=plan, pci=machine.pci), limit_s=limit_s), take)
    except BandwidthError as error:
        measured = Missing(str(error))
    return msgspec.structs.replace(machine, bandwidth=measured)
