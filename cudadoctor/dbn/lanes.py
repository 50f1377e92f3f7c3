"""The child's side of a race: make the digits, run the lanes one after the other, and say all of it in messages.

Every lane starts from the same weights and replays the same minibatches. A lane that fails does not end the race; one
that learns nothing is ended at once, because it timed nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cudadoctor.dbn.contenders import (
    LANE_KINDS,
    UnsuitableLaneError,
    UnusableDeviceError,
    device_bench,
    device_of,
    import_gpu_lanes,
    is_lost,
    make,
    refuse,
)
from cudadoctor.dbn.events import Options
from cudadoctor.dbn.network import Layer, first_weights, minibatches, pretraining_draws
from cudadoctor.facts.race import Epoch, PretrainedEpoch
from cudadoctor.gpu.child import Reporter

if TYPE_CHECKING:
    from cudadoctor.dbn.cpu import Choice
    from cudadoctor.dbn.digits import Digits

_HEARTBEAT_S = 1.0

_LEARNED_BELOW = 0.95
"""Part of ln(classes), the loss of guessing: after one epoch any learning network is far below it (0.29 of 2.30)."""


_LEARNS_WITHIN = 40
"""Minibatches: in an epoch of fewer the running loss is mostly that of the first weights."""


class NothingLearnedError(Exception):
    """The loss is what guessing gives, or not a number."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to do of a race: these lanes, and then the ladder without these rungs; None for no ladder."""

    options: Options
    lanes: tuple[str, ...]
    ladder_without: tuple[str, ...] | None = None


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Run a race, or what is left of it.

    Args:
        arguments: A `Task` as JSON; or, under `ahead`, the `Options` of one that is still to come: then the digits are
            made first, and the parent is waited for.
        reporter: Takes the messages.
    """
    tick = _heartbeat(reporter)
    if "ahead" in arguments:
        digits = _told_digits(msgspec.convert(arguments["ahead"], Options), reporter, tick)
        task = msgspec.json.decode(reporter.wait(), type=Task)
    else:
        task = msgspec.convert(arguments, Task)
        digits = _told_digits(task.options, reporter, tick)
    options = task.options
    layers = first_weights(options.network, options.seed)
    waiting, choices = list(task.lanes), list["Choice"]()
    while waiting:
        name = waiting.pop(0)
        reporter.send("lane_started", name=name, device=device_of(name, options.device))
        try:
            choice = _run_lane(name, options, layers, digits, reporter, tick)
            choices += [] if choice is None else [choice]
        except UnusableDeviceError as error:
            reporter.send("lane_skipped", reason=str(error))
            stand_in = LANE_KINDS[name].stand_in if isinstance(error, UnsuitableLaneError) else ""
            if options.stand_ins and stand_in and stand_in not in task.lanes:
                waiting.insert(0, stand_in)
        except NothingLearnedError as error:
            reporter.send("lane_failed", reason=str(error))
        except Exception as error:  # noqa: BLE001 - one lane's failure is its own; the others go on
            reporter.send("lane_failed", reason=f"{type(error).__name__}: {' '.join(str(error).split())}")
            if name.startswith("gpu") and is_lost(error):
                return  # and the parent starts another process for the rest
    if task.ladder_without is not None:
        _climb(options, layers, digits, task.ladder_without, reporter, tick, choices[-1] if choices else None)


def _told_digits(options: Options, reporter: Reporter, tick: Callable[[], None]) -> Digits:
    with reporter.step("making the digits" if options.mnist is None else "reading MNIST"):
        started = time.perf_counter()
        digits = _digits(options, tick)
        reporter.send("data", seconds=time.perf_counter() - started)
    return digits


def _digits(options: Options, tick: Callable[[], None]) -> Digits:
    if options.mnist is not None:
        from cudadoctor.dbn.mnist import read

        return read(Path(options.mnist), options.training_samples, options.test_samples, tick)
    from cudadoctor.dbn.digits import procedural

    on_gpu = any(name.startswith("gpu") for name in options.lanes)
    return procedural(
        options.training_samples, options.test_samples, tick=tick, meanwhile=import_gpu_lanes if on_gpu else None
    )


def _climb(
    options: Options,
    layers: Sequence[Layer],
    digits: Digits,
    without: Sequence[str],
    reporter: Reporter,
    tick: Callable[[], None],
    choice: Choice | None,
) -> None:
    from cudadoctor.dbn.study import LostDeviceError, Study

    try:
        Study(options, digits, layers, reporter, tick, choice).run(without)
    except LostDeviceError:
        return
    reporter.send("ladder_done")


def why_nothing_was_learned(loss: float, classes: int) -> str | None:
    """Return why an epoch's running loss shows no learning, or None if it does."""
    if not math.isfinite(loss):
        return "nothing was learned: the loss is not a finite number"
    guessing = math.log(classes)
    if loss >= _LEARNED_BELOW * guessing:
        return f"nothing was learned: the loss is {loss:.4f}, and guessing gives ln {classes} = {guessing:.4f}"
    return None


def _run_lane(
    name: str,
    options: Options,
    layers: Sequence[Layer],
    digits: Digits,
    reporter: Reporter,
    tick: Callable[[], None],
) -> Choice | None:
    """Run a lane; return how it trained fastest if it is one that chose."""
    from cudadoctor.dbn.metrics import accuracy, scores
    from cudadoctor.dbn.reference import predict

    network = options.network
    with reporter.step(f"{name}: starting", limit_s=2 * options.silence_limit_s):
        refuse(name, network, options.device)
    if options.pretrain_epochs:
        with reporter.step(f"{name}: pretraining"):
            layers = _pretrained(name, options, layers, digits, reporter, tick)
    # A driver that wakes several GPUs without persistence mode takes its time.
    with reporter.step(f"{name}: starting", limit_s=2 * options.silence_limit_s):
        contender = make(name, options.network, layers, digits, options.device)
    with reporter.step(f"{name}: compiling", limit_s=2 * options.silence_limit_s):
        compile_seconds = contender.prepare(tick)
    reporter.send(
        "lane_ready",
        device_name=contender.device_name,
        compile_seconds=compile_seconds,
        notes=list(contender.notes),
    )
    stream = minibatches(network, options.training_samples, options.seed)
    for epoch, rows in zip(range(1, options.epochs + 1), stream, strict=False):
        with reporter.step(f"{name}: epoch {epoch}"):
            started = time.perf_counter()
            loss, err = contender.train_epoch(rows, network.rate(epoch), tick)
            seconds = time.perf_counter() - started
        finite = math.isfinite(loss)
        # JSON has no NaN, and mistakes counted among values that are not numbers mean nothing.
        result = Epoch(epoch=epoch, loss=loss if finite else None, err=err if finite else None, seconds=seconds)
        reporter.send("epoch", epoch=msgspec.to_builtins(result))
        judged = len(rows) >= _LEARNS_WITHIN or not finite
        reason = why_nothing_was_learned(loss, network.classes) if judged else None
        if reason is not None:
            raise NothingLearnedError(f"{reason} (epoch {epoch})")
    with reporter.step(f"{name}: test"):
        answers = predict(contender.layers(), digits.test_pixels, tick, network.hidden)
    reporter.send(
        "lane_finished",
        test_accuracy=accuracy(digits.test_labels, answers),
        digits=msgspec.to_builtins(scores(digits.test_labels, answers, network.classes)),
    )
    return getattr(contender, "choice", None)


def _pretrained(
    name: str,
    options: Options,
    layers: Sequence[Layer],
    digits: Digits,
    reporter: Reporter,
    tick: Callable[[], None],
) -> Sequence[Layer]:
    """Pretrain on the lane's own device; every lane draws the same."""
    from cudadoctor.dbn.pretraining import HostBench, Pretraining, pretrain

    network, pixels = options.network, digits.training_pixels
    plan = Pretraining(
        epochs=(options.pretrain_epochs,) * len(layers), learn_rates=(options.pretrain_rate,) * len(layers)
    )
    started = time.perf_counter()

    def told(layer: int, epoch: int, error: float) -> None:
        nonlocal started
        now = time.perf_counter()
        row = PretrainedEpoch(layer=layer, epoch=epoch, error=error, seconds=now - started)
        reporter.send("pretrained", epoch=msgspec.to_builtins(row))
        started = now

    if name.startswith("gpu"):
        bench: Any = device_bench(network, pixels, plan, options.device)
    else:
        bench = HostBench(network, pixels, plan)
    return pretrain(network, layers, pixels, plan, pretraining_draws(options.seed), tick, told, bench).layers


def _heartbeat(reporter: Reporter) -> Callable[[], None]:
    """Return a function to call after every piece of work; it says now and then that the work goes on."""
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _HEARTBEAT_S:
            last = now
            reporter.alive()

    return tick
