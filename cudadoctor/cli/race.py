"""`cudadoctor dbn-race`: the network of 2014 on the CPU and on the GPU, side by side."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import check_writable, deliver
from cudadoctor.cli.interruptible import hear_out
from cudadoctor.cli.options import FailOn, Format, ReportOptions
from cudadoctor.cli.race_options import Hidden, Style, race_options
from cudadoctor.cli.source import choose_device, examination, load_or_examine, not_in_file
from cudadoctor.doctor import AREAS, diagnose, may_have_gpu, race_on, race_without_gpu, refusal, usable_gpu
from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.race import Race
from cudadoctor.findings import Refusal
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S

if TYPE_CHECKING:
    from cudadoctor.dbn.events import Event, Options
    from cudadoctor.dbn.race import Ahead


def dbn_race(
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", min=1, max=1000, help="Epochs to train.")] = 10,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Draws weights and minibatches.")
    ] = 0,
    layers: Annotated[
        str, typer.Option("--layers", metavar="N-N-N", help="Units of the layers, inputs first.")
    ] = "784-300-10",
    hidden: Annotated[Hidden, typer.Option("--hidden", help="Kind of hidden units.")] = Hidden.RELU,
    batch_size: Annotated[
        int, typer.Option("--batch-size", metavar="N", min=1, max=46_900, help="Samples a minibatch.")
    ] = 64,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="procedural|mnist|DIR",
            help="procedural digits; MNIST, downloaded once; or its files in DIR.",
        ),
    ] = "procedural",
    pretrain_epochs: Annotated[
        int,
        typer.Option(
            "--pretrain-epochs", metavar="N", min=0, max=1000, help="Epochs of CD-1 a layer before the training."
        ),
    ] = 0,
    pretrain_rate: Annotated[
        float, typer.Option("--pretrain-rate", metavar="RATE", min=1e-9, max=10.0, help="Learning rate of CD-1.")
    ] = 0.001,
    lanes: Annotated[
        str | None,
        typer.Option("--lanes", metavar="NAME,NAME", help="The lanes to run, in order; `all` for all of them."),
    ] = None,
    style: Annotated[
        Style, typer.Option("--style", help="2014: launches and waits as gnumpy and cudamat made them.")
    ] = Style.DEFAULT,
    explain: Annotated[
        bool | None,
        typer.Option(
            "--explain/--no-explain",
            help="Measure why: the ladder from R0 to R8, with predictions. On where there is a GPU.",
            show_default=False,
        ),
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", metavar="N", min=3, max=100, help="Rounds of the ladder.")] = 7,
    replay: Annotated[
        bool, typer.Option("--replay", help="Show the race again, all lanes side by side; with --facts, a saved one.")
    ] = False,
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
    """Train the network of 2014 (784-300-10) on the CPU and on the GPU, and say who won and why.

    All lanes start from equal weights and see the same minibatches. Without a GPU the CPU runs alone, and what some
    GPUs would take is predicted.
    """
    from cudadoctor.cli.race_live import replay as show_again
    from cudadoctor.cli.race_live import watching
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
    wanted = race_options(
        epochs=epochs,
        seed=seed,
        layers=layers,
        hidden=hidden,
        batch_size=batch_size,
        lanes=lanes,
        style=style,
        repeat=repeat,
        data=data,
        pretrain_epochs=pretrain_epochs,
        pretrain_rate=pretrain_rate,
    )
    areas = frozenset(AREAS) - {"kernel"}
    what = examination(sysroot=None, live=False, limit_s=timeout, areas=areas, left_out="the race runs its own kernels")
    streamed = False
    # The digits are made while drivers are asked; without a GPU that takes no time, and all cores make digits sooner.
    with _ahead(wanted) if facts is None and may_have_gpu() else nullcontext() as ahead:
        machine = load_or_examine(facts, what, device)
        gpu = usable_gpu(machine)
        if facts is None and require_gpu and not gpu:
            why = "--require-gpu: there is no GPU here that a CUDA program can use"
            return deliver(refusal(machine, "dbn-race", why), report)
        if facts is None:
            on_screen = format is Format.TEXT and output is None
            index = choose_device(machine, device) if gpu else None
            asked = race_on(wanted, machine, index, explain)
            stream = sys.stdout if on_screen else sys.stderr
            with nullcontext(_silent) if quiet else watching(stream, asked) as tell:
                raced = _race(machine, asked, _while_read(tell) if save is not None else tell, ahead)
            if index is None and isinstance(raced.race, Race):
                raced = msgspec.structs.replace(raced, race=race_without_gpu(raced.race, wanted, machine))
            machine = raced
            # Bars are gone when the race is over; lines stay.
            streamed = on_screen and not quiet and not stream.isatty()
    race = machine.race
    if isinstance(race, Missing):
        why = (
            not_in_file(facts, "race", race, "dbn-race")
            if facts is not None
            else f"The race did not start: {race.reason}"
        )
        return deliver(refusal(machine, "dbn-race", why), report)
    if replay:
        show_again(sys.stdout if format is Format.TEXT and output is None else sys.stderr, race)
    diagnosis = diagnose(machine, "dbn-race")
    sentence = race_sentence(race, diagnosis.findings)
    missing = _what_is_missing(race, require_gpu)
    if missing is not None:
        diagnosis = msgspec.structs.replace(diagnosis, error=Refusal(missing, 3))
    return deliver(diagnosis, report, sentence, race_result_lines(race) if streamed else race_lines(race))


def _ahead(options: Options) -> Ahead:
    from cudadoctor.dbn.race import Ahead

    return Ahead(options)


def _race(machine: Machine, options: Options, tell: Callable[[Event], None], ahead: Ahead | None) -> Machine:
    """Run the race and return the machine with it among its facts."""
    from cudadoctor.dbn.race import run

    result: Race | Missing = Missing("it ended early")

    def take(event: Event) -> None:
        nonlocal result
        if isinstance(event, (Race, Missing)):
            result = event
        else:
            tell(event)

    hear_out(run(options, ahead=ahead), take)
    return msgspec.structs.replace(machine, race=result)


def _while_read(tell: Callable[[Event], None]) -> Callable[[Event], None]:
    """Tell events until the reader has gone (`| head`): the race goes on, since its facts are to be saved."""
    gone = False

    def told(event: Event) -> None:
        nonlocal gone
        if gone:
            return
        try:
            tell(event)
        except BrokenPipeError:
            gone = True

    return told


def _what_is_missing(race: Race, require_gpu: bool) -> str | None:
    """Return why the race is not what was asked for, or None."""
    interrupted = [lane.name for lane in race.lanes if lane.state == "interrupted"]
    if interrupted:
        return f"The race was interrupted in {interrupted[0]}; what was measured before stands"
    if require_gpu and not any(lane.state == "finished" for lane in race.lanes if lane.device != "cpu"):
        return "--require-gpu: no GPU lane finished"
    return None


def _silent(event: Event) -> None:
    """Say nothing."""
