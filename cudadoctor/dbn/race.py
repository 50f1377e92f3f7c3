"""Run a training race in a child process, and tell what happens as it happens.

The child may hang in a driver or be killed by one; what the lanes before had measured is kept, and the lane that was
under way is failed with the step that it died in.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from cudadoctor.dbn.events import (
    DataReady,
    EpochDone,
    Event,
    LaneDone,
    LaneReady,
    LaneSkipped,
    LaneStarted,
    Options,
    device_of,
)
from cudadoctor.facts.base import Missing
from cudadoctor.facts.race import DigitScore, Epoch, Lane, Race, SkippedLane
from cudadoctor.gpu.worker import Ending, Worker

TASK = "cudadoctor.dbn.lanes:work"

_CACHE_PROBE_BYTES = 2_000_000
"""Several times what the compiled kernels of the host take; a quota shows only when something is written."""


def run(options: Options, *, task: str = TASK) -> Generator[Event, None, None]:
    """Run a race.

    Ctrl-C ends the race, not the program: the lane under way becomes "interrupted" and what was measured is kept. A
    caller that catches KeyboardInterrupt itself, between two events, hands it over with `throw` and goes on reading.

    Args:
        options: What to run.
        task: The child's side, "module:function".

    Yields:
        Events, and last the `Race`, or `Missing` if it ended before there were any digits.
    """
    record = _Record(options)
    try:
        arguments = msgspec.to_builtins(options)
        with (
            kernel_cache() as environment,
            Worker(task, arguments, limit_s=options.silence_limit_s, environment=environment) as worker,
        ):
            for message in worker:
                event = record.take(message)
                if event is not None:
                    yield event
            if worker.ending.state != "finished":
                record.stop("failed", _how_it_ended(worker.ending))
    except KeyboardInterrupt:
        record.stop("interrupted", "the race was interrupted")
    yield from record.rest
    yield record.race()


@contextmanager
def kernel_cache() -> Iterator[dict[str, str]]:
    """Yield the child's environment, with a folder that keeps compiled kernels from one run to the next.

    That folder is the user's choice (NUMBA_CACHE_DIR), or cudadoctor's own in the user's cache, or, if that cannot be
    written, a temporary one: then the next run compiles anew.
    """
    from platformdirs import user_cache_path

    environment = {"NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS": "0", **os.environ}
    if environment.get("NUMBA_CACHE_DIR"):
        yield environment
        return
    folder = user_cache_path("cudadoctor") / "numba"
    if _can_write(folder):
        yield {**environment, "NUMBA_CACHE_DIR": str(folder)}
        return
    try:
        temporary = tempfile.TemporaryDirectory(prefix="cudadoctor-", ignore_cleanup_errors=True)
    except OSError:
        yield environment  # numba looks for a place of its own, and `jit` does without if it finds none
        return
    with temporary as name:
        yield {**environment, "NUMBA_CACHE_DIR": name}


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_CACHE_PROBE_BYTES))
    except OSError:
        return False
    return True


class _Record:
    """What the child has said so far."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._waiting = list(options.lanes)
        self._data: DataReady | None = None
        self._lane: dict[str, Any] | None = None
        self._done: list[Lane] = []
        self._skipped: list[SkippedLane] = []
        self._why_stopped = "the race ended early"
        self.rest: list[Event] = []

    def take(self, message: dict[str, Any]) -> Event | None:
        """Turn a message into an event; None if it is none."""
        kind = message["kind"]
        if kind == "data":
            self._data = self._data_ready(message["seconds"])
            return self._data
        if kind == "lane_started":
            self._waiting.remove(message["name"])
            self._lane = {"name": message["name"], "device": message["device"], "device_name": "", "epochs": ()}
            return LaneStarted(name=message["name"], device=message["device"])
        lane = self._lane
        if lane is None:
            return None
        if kind == "lane_ready":
            lane.update({key: message[key] for key in ("device_name", "compile_seconds")})
            lane["notes"] = tuple(message["notes"])
            return LaneReady(
                name=lane["name"],
                device_name=lane["device_name"],
                compile_seconds=lane["compile_seconds"],
                notes=lane["notes"],
            )
        if kind == "epoch":
            epoch = msgspec.convert(message["epoch"], Epoch)
            lane["epochs"] += (epoch,)
            return EpochDone(name=lane["name"], epoch=epoch)
        if kind == "lane_finished":
            lane["test_accuracy"] = message["test_accuracy"]
            lane["digits"] = msgspec.convert(message["digits"], tuple[DigitScore, ...])
            return self._end_lane(lane, "finished", "")
        if kind == "lane_failed":
            return self._end_lane(lane, "failed", message["reason"])
        if kind == "lane_skipped":
            self._lane = None
            return self._skip(lane["name"], message["reason"])
        return None

    def stop(self, state: Literal["failed", "interrupted"], reason: str) -> None:
        """Settle the lane under way and those that did not start; their events are in `rest`."""
        self._why_stopped = reason
        if self._lane is not None:
            self.rest.append(self._end_lane(self._lane, state, reason))
        for name in self._waiting:
            self.rest.append(self._skip(name, f"the race ended before it: {reason}"))
        self._waiting = []

    def race(self) -> Race | Missing:
        """Return the race as a fact."""
        options, data = self._options, self._data
        if data is None:
            return Missing(self._why_stopped)
        return Race(
            data=data.data,
            layers=options.network.layers,
            batch_size=options.network.batch_size,
            minibatches_per_epoch=data.minibatches_per_epoch,
            epochs=options.epochs,
            seed=options.seed,
            training_samples=data.training_samples,
            test_samples=data.test_samples,
            data_seconds=data.seconds,
            lanes=tuple(self._done),
            skipped=tuple(self._skipped),
        )

    def _data_ready(self, seconds: float) -> DataReady:
        options = self._options
        return DataReady(
            data="procedural",
            training_samples=options.training_samples,
            test_samples=options.test_samples,
            minibatches_per_epoch=options.network.minibatches_per_epoch(options.training_samples),
            seconds=seconds,
        )

    def _end_lane(
        self, lane: dict[str, Any], state: Literal["finished", "failed", "interrupted"], reason: str
    ) -> LaneDone:
        self._lane = None
        self._done.append(Lane(**lane, state=state, reason=reason))
        return LaneDone(lane=self._done[-1])

    def _skip(self, name: str, reason: str) -> LaneSkipped:
        skipped = SkippedLane(name=name, device=device_of(name, self._options.device), reason=reason)
        self._skipped.append(skipped)
        return LaneSkipped(skipped=skipped)


def _how_it_ended(ending: Ending) -> str:
    """Say in a phrase how a child that did not finish ended, and in which step."""
    last_words = ending.detail.strip().splitlines()[-1:] or [""]
    where = f" in the step {ending.step!r}" if ending.step else ""
    if ending.state == "timed out":
        return f"the race showed no sign of life{where}, and was ended"
    if ending.state == "crashed":
        how = ending.signal or f"exit code {ending.exit_code}"
        return f"its process was ended by {how}{where}" + (f": {last_words[0]}" if last_words[0] else "")
    return f"it failed{where}: {ending.detail}"
