"""`cudadoctor profile`: why the user's own program is slow on the GPU."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import RefusedError, check_writable, deliver, report_columns, write_pieces
from cudadoctor.cli.options import FailOn, Format, ReportOptions
from cudadoctor.cli.source import choose_device, examination, load_or_examine
from cudadoctor.doctor import AREAS, diagnose, measured_rates, pci_address, refusal, usable_gpu
from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Refusal
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S

if TYPE_CHECKING:
    from cudadoctor.facts.profile import Profile
    from cudadoctor.profile.events import Options
    from cudadoctor.profile.runs import Asked


def profile(
    context: typer.Context,
    program: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCRIPT [ARGS]...",
            help="The program and its arguments, as after `python`; options of profile stand before it.",
        ),
    ] = None,
    module: Annotated[
        bool, typer.Option("-m", "--module", help="SCRIPT is the name of a module, as after `python -m`.")
    ] = False,
    trace: Annotated[
        str | None,
        typer.Option("--trace", metavar="FILE", help="Write the timeline for ui.perfetto.dev; .gz packs it."),
    ] = None,
    no_tracer: Annotated[
        bool, typer.Option("--no-tracer", help="Only run the program and watch the GPU through NVML.")
    ] = False,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Also run it with slower launches, copies or waits: do they matter at all?"),
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            metavar="SECONDS",
            min=0.1,
            callback=opt.a_number,
            help="End each run of the program after this time.",
        ),
    ] = None,
    pool: Annotated[
        int, typer.Option("--pool", metavar="MIB", min=16, max=16384, help="Memory for the records of a run.")
    ] = 256,
    facts: opt.FactsOption = None,
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
    """Run a Python program and say why it is slow on the GPU, in numbers that add up.

    The program runs unchanged, three times or more: alone, traced through CUPTI, and with only its launches timed,
    twice if it is short and again where its runs differ. Whatever it does, it does as often; its output is shown
    once. Works for numba-cuda, CuPy, PyTorch and JAX on Linux.
    """
    from cudadoctor.report.profile import profile_lines, profile_sentence

    check_writable(output, save, trace)
    report = ReportOptions(
        command="profile",
        format=format,
        output=output,
        save=save,
        fail_on=fail_on,
        redact=redact,
        verbose=verbose,
        quiet=quiet,
    )
    if facts is None and not sys.platform.startswith("linux"):
        raise RefusedError(
            f"programs are run and traced on Linux, and this is {sys.platform}: use Linux or WSL2; "
            "a profile that was saved there can be shown here with --facts",
            3,
        )
    asked = None if facts is not None else _asked(program, module)
    if probe and no_tracer:
        raise RefusedError("--probe needs the tracer: leave --no-tracer out")
    if facts is not None and (program or trace):
        raise RefusedError("--facts shows a saved profile: a program and --trace do not go with it")
    tell = _silent if quiet else _tell
    if asked is not None:
        _tell_passed_on(asked, context, tell)
    areas = frozenset(AREAS) - {"kernel"}
    left_out = "profile runs the program's own kernels: it was left out"
    what = examination(sysroot=None, live=False, limit_s=timeout, areas=areas, left_out=left_out)
    machine = load_or_examine(facts, what, device)
    interrupted = False
    if asked is not None:
        if not usable_gpu(machine):
            why = "The program was not run: there is no GPU here that a CUDA program can use"
            return deliver(refusal(machine, "profile", why), report)
        options = _options(asked, machine, choose_device(machine, device), report, timeout)
        options = msgspec.structs.replace(options, limit_s=time_limit, pool_mib=pool, trace=not no_tracer, probe=probe)
        machine, interrupted = _profile(machine, options, trace, tell)
    section = machine.profile
    if isinstance(section, Missing):
        return deliver(refusal(machine, "profile", f"{facts} holds no profile: {section.reason}"), report)
    diagnosis = diagnose(machine, "profile")
    if interrupted:
        error = Refusal("The program was interrupted; what was recorded before stands", 3)
        diagnosis = msgspec.structs.replace(diagnosis, error=error)
    sentence = profile_sentence(section, diagnosis.findings)
    if not interrupted and _failed_before_the_gpu(section):
        diagnosis = msgspec.structs.replace(diagnosis, error=Refusal(sentence, 3))
    return deliver(diagnosis, report, sentence, profile_lines(section, report_columns(format)))


def _failed_before_the_gpu(profile: Profile) -> bool:
    """Whether the program ended badly, each time, before any work of a GPU was recorded: nothing can be said of it."""
    runs = [*profile.control, *([profile.traced] if profile.traced is not None else [])]
    used = profile.analysis is None or profile.analysis.used_gpu
    return not used and all(run.exit_code != 0 for run in runs)


def _asked(program: list[str] | None, module: bool) -> Asked:
    """Return what to run.

    Raises:
        RefusedError: Nothing was named, or no such script is there.
    """
    from cudadoctor.profile.runs import Asked

    if not program:
        raise RefusedError("name the program to profile: `cudadoctor profile SCRIPT [ARGS]`, or `-m MODULE [ARGS]`")
    target, *arguments = program
    if module:
        return Asked("module", target, tuple(arguments))
    if not os.path.exists(target):
        module_hint = "" if target.endswith(".py") else f"; for a module, `cudadoctor profile -m {target}`"
        raise RefusedError(f"{target}: there is no such script{module_hint}")
    if not os.access(target, os.R_OK):
        raise RefusedError(f"{target} cannot be read: permission denied")
    return Asked("script", target, tuple(arguments))


def _tell_passed_on(asked: Asked, context: typer.Context, tell: Callable[[str], None]) -> None:
    """Say which options went to the program and may have been meant for cudadoctor."""
    from cudadoctor.cli.passed_on import passed_on

    own = [name for parameter in context.command.params for name in (*parameter.opts, *parameter.secondary_opts)]
    for name in passed_on(asked.arguments, own, asked.target if asked.form == "script" else None):
        tell(f"{name} goes to {asked.target}, after which it stands; options of profile stand before the program")


def _options(asked: Asked, machine: Machine, index: int, report: ReportOptions, limit_s: float) -> Options:
    from cudadoctor.profile.events import Options
    from cudadoctor.profile.runs import Output

    # Standard output belongs to the report where that is a document.
    document = report.format is not Format.TEXT and report.output is None
    cuda = None if isinstance(machine.driver, Missing) else known(machine.driver.cuda_version)
    return Options(
        asked=asked,
        output=Output(sys.stderr.fileno() if document else None, None),
        device=index,
        pci_address=pci_address(machine, index),
        driver_cuda=_version(cuda),
        driver_limit_s=limit_s,
        rates=measured_rates,
    )


def _version(text: str | None) -> tuple[int, int] | None:
    major, _, minor = (text or "").partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


def _profile(
    machine: Machine, options: Options, trace_file: str | None, tell: Callable[[str], None]
) -> tuple[Machine, bool]:
    """Profile; return the machine with the profile among its facts, and whether Ctrl-C ended a run.

    Raises:
        RefusedError: The program could not be run, or the trace not be written.
    """
    from cudadoctor.profile.events import Phase
    from cudadoctor.profile.study import StudyError, study

    sys.stdout.flush()
    try:
        for event in study(options):
            if isinstance(event, Phase):
                tell(event.text)
                continue
            if trace_file is not None:
                _write_trace(trace_file, event.trace)
            return msgspec.structs.replace(machine, profile=event.profile), event.interrupted
    except StudyError as error:
        raise RefusedError(str(error), 3) from None
    raise AssertionError("a study ends with Finished")


def _write_trace(path: str, trace: object) -> None:
    from cudadoctor.attribution.profile.trace import Trace
    from cudadoctor.profile.perfetto import trace_events

    if not isinstance(trace, Trace):
        print(f"cudadoctor: nothing was traced, so {path} was not written", file=sys.stderr)
        return
    try:
        pieces = trace_events(trace)
        write_pieces(path, _gzipped(pieces) if path.endswith(".gz") else pieces)
    except OSError as error:
        print(f"cudadoctor: cannot write {path}: {error.strerror}", file=sys.stderr)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    import zlib

    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _tell(text: str) -> None:
    print(f"cudadoctor: {text}", file=sys.stderr, flush=True)


def _silent(text: str) -> None:
    pass
