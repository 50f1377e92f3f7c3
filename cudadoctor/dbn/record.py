"""What a race has measured so far, put together from its children's messages."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cudadoctor.dbn.contenders import device_of
from cudadoctor.dbn.events import (
    DataReady,
    EpochDone,
    EpochPretrained,
    Event,
    LaneDone,
    LaneReady,
    LaneSkipped,
    LaneStarted,
    Options,
    RungSampled,
)
from cudadoctor.dbn.explain import LadderRecord
from cudadoctor.dbn.lanes import Task
from cudadoctor.facts.base import Missing
from cudadoctor.facts.race import DigitScore, Epoch, Lane, PretrainedEpoch, Race, SkippedLane
from cudadoctor.gpu.clock_watch import ClockWatch
from cudadoctor.gpu.worker import Ending


class RaceRecord:
    """What the children have said so far."""

    def __init__(self, options: Options) -> None:
        """Begin with nothing."""
        self._options = options
        self._waiting = list(options.lanes)
        self._data: DataReady | None = None
        self._lane: dict[str, Any] | None = None
        self._done: list[Lane] = []
        self._skipped: list[SkippedLane] = []
        self._why_stopped = "the race ended early"
        self._ladder = LadderRecord(options.device)
        self._ladder_wanted = options.explain
        self._told: Task | None = None
        self._rung = ""
        self.rest: list[Event] = []
        """Events of lanes that were settled by the end of the race."""

    @property
    def under_way(self) -> str:
        """The GPU lane or rung that runs, "" for none."""
        if self._lane is not None:
            return str(self._lane["name"]) if self._lane["device"] != "cpu" else ""
        return self._rung

    def left(self) -> Task | None:
        """Return what the next child is to do, None when there is nothing left that a child could do."""
        if not self._waiting and not self._ladder_wanted:
            return None
        without = self._ladder.settled if self._ladder_wanted else None
        task = Task(options=self._options, lanes=tuple(self._waiting), ladder_without=without)
        if task == self._told:
            return None  # the last child did none of it
        self._told = task
        return task

    def take(self, message: dict[str, Any]) -> Event | None:
        """Turn a message into an event; None if it is none."""
        kind = message["kind"]
        if kind == "data":
            if self._data is not None:
                return None
            self._data = self._data_ready(message["seconds"])
            return self._data
        if kind == "begin" and message["step"].startswith("rung "):
            self._rung = message["step"].removeprefix("rung ")
        elif kind == "end":
            self._rung = ""
        if kind == "ladder_done":
            self._ladder_wanted = False
            return None
        if kind.startswith(("rung_", "epoch_calls", "break_even", "cpu_effort", "ladder_note")):
            self._ladder.take(message)
            return RungSampled(rung=message["rung"], us=message["us"]) if kind == "rung_sample" else None
        if kind == "lane_started":
            if message["name"] in self._waiting:
                self._waiting.remove(message["name"])
            self._lane = {"name": message["name"], "device": message["device"], "device_name": "", "epochs": ()}
            return LaneStarted(name=message["name"], device=message["device"])
        return None if self._lane is None else self._of_lane(self._lane, message)

    def _of_lane(self, lane: dict[str, Any], message: dict[str, Any]) -> Event | None:
        kind = message["kind"]
        if kind == "lane_ready":
            lane.update({key: message[key] for key in ("device_name", "compile_seconds")})
            lane["notes"] = tuple(message["notes"])
            return LaneReady(
                name=lane["name"],
                device_name=lane["device_name"],
                compile_seconds=lane["compile_seconds"],
                notes=lane["notes"],
            )
        if kind == "pretrained":
            row = msgspec.convert(message["epoch"], PretrainedEpoch)
            lane["pretraining"] = (*lane.get("pretraining", ()), row)
            return EpochPretrained(name=lane["name"], epoch=row)
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

    def end(self, ending: Ending) -> list[Event]:
        """Settle how a child ended: a lane or rung that took it along failed, and the others go on in a new one.

        A child that hung would hang again, and one that had no digits has no lanes to blame.
        """
        if ending.state == "finished":
            return []
        reason = _how_it_ended(ending)
        if self._rung:
            self._ladder.stop(self._rung, reason)
            self._rung = ""
            if ending.state == "timed out":
                self._ladder_wanted = False
                self._ladder.notes.append(f"the ladder ended early: {reason}")
            return []
        if self._lane is not None and self._lane["device"] != "cpu" and ending.state == "crashed":
            return [self._end_lane(self._lane, "failed", reason)]
        self.stop("failed", reason)
        return []

    def stop(self, state: Literal["failed", "interrupted"], reason: str) -> None:
        """Settle the lane under way and those that did not start; their events are in `rest`."""
        self._why_stopped = reason
        if self._ladder_wanted and self._ladder.begun:
            self._ladder.notes.append(f"the ladder is not complete: {reason}")
        self._ladder_wanted = False
        if self._lane is not None:
            self.rest.append(self._end_lane(self._lane, state, reason))
        for name in self._waiting:
            self.rest.append(self._skip(name, f"the race ended before it: {reason}"))
        self._waiting = []

    def race(self, watch: ClockWatch) -> Race | Missing:
        """Return the race as a fact."""
        options, data = self._options, self._data
        if data is None:
            return Missing(self._why_stopped)
        explanation = None
        if self._ladder.begun:
            explanation = msgspec.structs.replace(
                self._ladder.explanation(),
                readings=watch.readings(),
                violations=watch.violations(),
                window_s=watch.window_s(),
            )
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
            hidden=options.network.hidden,
            explanation=explanation,
        )

    def _data_ready(self, seconds: float) -> DataReady:
        options = self._options
        return DataReady(
            data="procedural" if options.mnist is None else "mnist",
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
