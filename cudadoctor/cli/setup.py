"""`cudadoctor setup`: the ordered plan from this machine's state to a GPU that computes; printed, never run."""

from __future__ import annotations

import msgspec

from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import check_writable, deliver
from cudadoctor.cli.options import FailOn, Format, ReportOptions
from cudadoctor.cli.source import examination, load_or_examine
from cudadoctor.doctor import diagnose, plan
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S


def setup(
    facts: opt.FactsOption = None,
    sysroot: opt.SysrootOption = None,
    live: opt.LiveOption = False,
    device: opt.DeviceOption = None,
    timeout: opt.TimeoutOption = DRIVER_CALL_LIMIT_S,
    format: opt.FormatOption = Format.TEXT,
    output: opt.OutputOption = None,
    save: opt.SaveOption = None,
    fail_on: opt.FailOnOption = FailOn.ERROR,
    redact: opt.RedactOption = None,
    verbose: opt.VerboseOption = 0,
    quiet: opt.QuietOption = False,
) -> int:
    """Print what is left to do until this machine's GPU computes, in order, with a check after each step.

    Nothing is run. Exit code 0: no error stands in the way; 1: one does.
    """
    from cudadoctor.report.plan import plan_sentence

    check_writable(output, save)
    machine = load_or_examine(facts, examination(sysroot=sysroot, live=live, limit_s=timeout), device)
    found = diagnose(machine)
    made = plan(machine, found.findings)
    diagnosis = msgspec.structs.replace(found, command="setup", plan=made)
    report = ReportOptions(
        command="setup",
        format=format,
        output=output,
        save=save,
        fail_on=fail_on,
        redact=redact,
        verbose=verbose,
        quiet=quiet,
    )
    return deliver(diagnosis, report, plan_sentence(made))
