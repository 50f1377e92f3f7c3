"""`cudadoctor dbn-race`: the network of 2014 on the CPU and on the GPU, side by side."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import check_writable, deliver
from cudadoctor.cli.options import FailOn, Format, ReportOptions
from cudadoctor.cli.source import choose_device, examination, load_or_examine
from cudadoctor.doctor import AREAS, diagnose, refusal, usable_gpu
from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.race import Race, SkippedLane
from cudadoctor.findings import Refusal
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S

if TYPE_CHECKING:
    from cudadoctor.dbn.events import Event

GPU_LANE = "gpu-per-operation"


def dbn_race(
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=1000, help="Epochs to train.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Draws weights and minibatches.")] = 0,
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Exit with 3 if there is no GPU to race.")] = False,
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
    """Train the network of 2014 (784-300-10) on the CPU and on the GPU, and say who won and by what factor.

    Both start from equal weights and see the same minibatches. Without a GPU the CPU runs alone.
    """
    from cudadoctor.report.race import race_lines, race_result_lines, race_sentence

    check_writable(output, save)
    report = ReportOptions(
        command="dbn-race",
        format=format,
        output=output,
        save=save,
        fail_on=fail_on,
        redact=redact,
        verbose=verbose,
        quiet=quiet,
    )
    areas = frozenset(AREAS) - {"kernel"}
    what = examination(sysroot=None, live=False, limit_s=timeout, areas=areas, left_out="the race runs its own kernels")
    machine = load_or_examine(facts, what, device)
    streamed = False
    if facts is None:
        gpu = usable_gpu(machine)
        if require_gpu and not gpu:
            why = "--require-gpu: there is no GPU here that a CUDA program can use"
            return deliver(refusal(machine, "dbn-race", why), report)
        streamed = not quiet
        on_screen = format is Format.TEXT and output is None
        tell = _teller(sys.stdout if on_screen else sys.stderr, seed) if streamed else _silent
        machine = _race(machine, epochs, seed, choose_device(machine, device) if gpu else None, tell)
        streamed = streamed and on_screen
    race = machine.race
    if isinstance(race, Missing):
        why = f"{facts} holds no race: {race.reason}" if facts is not None else f"The race did not start: {race.reason}"
        return deliver(refusal(machine, "dbn-race", why), report)
    diagnosis = diagnose(machine, "dbn-race")
    sentence = race_sentence(race, diagnosis.findings)
    missing = _what_is_missing(race, require_gpu)
    if missing is not None:
        diagnosis = msgspec.structs.replace(diagnosis, error=Refusal(missing, 3))
    return deliver(diagnosis, report, sentence, race_result_lines(race) if streamed else race_lines(race))


def _race(machine: Machine, epochs: int, seed: int, device: int | None, tell: Callable[[Event], None]) -> Machine:
    """Run the race and return the machine with it among its facts."""
    from cudadoctor.dbn.events import LANES, Options
    from cudadoctor.dbn.race import run

    lanes = tuple(lane for lane in LANES if device is not None or not lane.startswith("gpu"))
    result: Race | Missing = Missing("it ended early")
    events = run(Options(epochs=epochs, seed=seed, lanes=lanes, device=device or 0))
    struck: KeyboardInterrupt | None = None
    while True:
        try:
            event = next(events) if struck is None else events.throw(struck)
        except StopIteration:
            break
        struck = None
        try:
            if isinstance(event, (Race, Missing)):
                result = event
            else:
                tell(event)
        except KeyboardInterrupt as error:
            # Ctrl-C while a line was printed: the race must hear of it too, to keep what was measured.
            struck = error
    if isinstance(result, Race) and device is None:
        skipped = SkippedLane(name=GPU_LANE, device="gpu:0", reason=_why_no_gpu(machine))
        result = msgspec.structs.replace(result, skipped=(*result.skipped, skipped))
    return msgspec.structs.replace(machine, race=result)


def _why_no_gpu(machine: Machine) -> str:
    found = diagnose(machine).findings
    why = found[0].title if found else "no GPU that a CUDA program can use"
    return f"{why[0].lower() + why[1:] if why[:2] != why[:2].upper() else why} (`cudadoctor check` says more)"


def _what_is_missing(race: Race, require_gpu: bool) -> str | None:
    """Return why the race is not what was asked for, or None."""
    interrupted = [lane.name for lane in race.lanes if lane.state == "interrupted"]
    if interrupted:
        return f"The race was interrupted in {interrupted[0]}; what was measured before stands"
    if require_gpu and not any(lane.state == "finished" for lane in race.lanes if lane.device != "cpu"):
        return "--require-gpu: no GPU lane finished"
    return None


def _teller(stream: object, seed: int) -> Callable[[Event], None]:
    """Return what prints a race line by line while it runs."""
    from cudadoctor.dbn.events import DataReady, EpochDone, LaneDone, LaneReady, LaneStarted
    from cudadoctor.dbn.network import Network
    from cudadoctor.report.race import data_line, epoch_line, lane_line, network_line
    from cudadoctor.text import printable

    def say(text: str) -> None:
        print(printable(text), file=stream, flush=True)  # type: ignore[call-overload]

    def tell(event: Event) -> None:
        if isinstance(event, DataReady):
            say(data_line(event.data, event.training_samples, event.test_samples))
            network = Network()
            say(network_line(network.layers, network.batch_size, event.minibatches_per_epoch, seed))
        elif isinstance(event, LaneStarted):
            say("")
        elif isinstance(event, LaneReady):
            say(lane_line(event.name, event.device_name, event.compile_seconds))
        elif isinstance(event, EpochDone):
            say("  " + epoch_line(event.epoch))
        elif isinstance(event, LaneDone) and event.lane.state != "finished":
            say(f"  {event.lane.state}: {event.lane.reason}")

    return tell


def _silent(event: Event) -> None:
    """Say nothing."""
