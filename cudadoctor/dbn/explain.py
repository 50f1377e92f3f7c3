"""Make an explanation of what the ladder measured: medians, decompositions, predictions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from cudadoctor.attribution.decomposition import decompose, without_dilation
from cudadoctor.attribution.statistics import bootstrap_median, median
from cudadoctor.attribution.what_if import (
    as_graph,
    mean_absolute_error,
    predict,
    with_fused_kernels,
    with_measured,
    with_pinned_copies,
    with_resident_data,
    without_implicit_copies,
    without_read_back,
)
from cudadoctor.dbn.contenders import device_of
from cudadoctor.dbn.rungs.ladder import LADDER, RungName
from cudadoctor.facts.base import Missing
from cudadoctor.facts.explanation import BreakEven, Call, CpuEffort, Decomposition, Explanation, Prediction, Rung

Calls = tuple[Call, ...]


class LadderRecord:
    """What the child has told of the ladder so far."""

    def __init__(self, index: int) -> None:
        """Begin with nothing; `index` is the CUDA device."""
        self._index = index
        self._rungs: dict[str, dict[str, Any]] = {}
        self._epoch_calls: Calls = ()
        self._dilations: dict[str, list[float]] = {}
        self._break_even: list[BreakEven] = []
        self._cpu: CpuEffort | None = None
        self._multiprocessors: int | None = None
        self.notes: list[str] = []

    @property
    def begun(self) -> bool:
        """Whether the ladder was begun at all."""
        return bool(self._rungs)

    @property
    def settled(self) -> tuple[str, ...]:
        """Ids of the rungs that failed or were skipped."""
        return tuple(rung for rung, told in self._rungs.items() if told["state"] != "measured")

    def take(self, message: dict[str, Any]) -> None:
        """Take one of the child's messages."""
        kind = message["kind"]
        if kind == "rung_ready":
            told = {key: message[key] for key in ("batch_size", "minibatches")}
            self._rungs[message["rung"]] = {"state": "measured", "samples": [], **told}
        elif kind in ("rung_skipped", "rung_failed"):
            told = self._rungs.setdefault(message["rung"], {"samples": []})
            told.update(state=kind.removeprefix("rung_"), reason=message["reason"])
        elif kind == "rung_sample":
            self._rungs[message["rung"]]["samples"].append(message["us"])
            if message["timed_us"] is not None:
                self._dilations.setdefault(message["rung"], []).append(message["timed_us"] / message["us"])
        elif kind == "rung_loss":
            self._rungs[message["rung"]]["loss"] = message["loss"]
        elif kind == "rung_calls":
            self._rungs[message["rung"]]["calls"] = msgspec.convert(message["calls"], Calls)
            self._multiprocessors = message.get("multiprocessors") or self._multiprocessors
        elif kind == "epoch_calls":
            self._epoch_calls = msgspec.convert(message["calls"], Calls)
        elif kind == "break_even":
            self._break_even.append(msgspec.convert(message["found"], BreakEven))
        elif kind == "ladder_note":
            self.notes.append(message["note"])
        elif kind == "cpu_effort":
            self._cpu = msgspec.convert(message["effort"], CpuEffort)

    def stop(self, rung: str, reason: str) -> None:
        """Say that the process died in a rung."""
        self._rungs.setdefault(rung, {"samples": []}).update(state="failed", reason=reason)

    def explanation(self) -> Explanation:
        """Return all of it; what was not measured is not there."""
        rungs = {name.id: self._rung(name) for name in LADDER if name.id in self._rungs}
        predictions = with_measured(tuple(self._predictions(rungs)), tuple(rungs.values()))
        return Explanation(
            rungs=tuple(rungs.values()),
            decompositions=tuple(self._decompositions(rungs)),
            predictions=predictions,
            mean_absolute_error=mean_absolute_error(predictions),
            break_even=tuple(self._break_even),
            cpu=self._cpu,
            multiprocessors=self._multiprocessors,
            notes=tuple(self.notes),
        )

    def _rung(self, name: RungName) -> Rung:
        told = self._rungs[name.id]
        samples = tuple(told["samples"])
        state, reason = told["state"], told.get("reason", "")
        if state == "measured" and not samples:
            state, reason = "skipped", "the ladder ended before it was measured"
        interval = bootstrap_median(samples) if state == "measured" else None
        return Rung(
            id=name.id,
            lane=name.lane,
            device=device_of(name.lane, self._index),
            removes=name.removes,
            state=state,
            reason=reason,
            batch_size=told.get("batch_size", 0),
            minibatches=told.get("minibatches", 0),
            changes_training=name.times > 1,
            samples_us=samples,
            median_us=median(samples) if interval else None,
            low_us=interval.low if interval else None,
            high_us=interval.high if interval else None,
            coverage=interval.coverage if interval else None,
            loss=told.get("loss"),
            calls=without_dilation(told.get("calls", ()), max(1.0, self._dilation(name.id))),
        )

    def _dilation(self, rung: str) -> float:
        """Return how many times longer the minibatches with clocks in them took, round by round."""
        return median(self._dilations.get(rung, [1.0]))

    def _decompositions(self, rungs: dict[str, Rung]) -> list[Decomposition]:
        found = []
        for rung in rungs.values():
            if not rung.calls or rung.median_us is None:
                continue
            parts = decompose(rung.id, rung.lane, rung.calls, rung.median_us, self._dilation(rung.id))
            if isinstance(parts, Missing):
                self.notes.append(f"{rung.id} is not taken apart: {parts.reason}")
            else:
                found.append(parts)
        return found

    def _predictions(self, rungs: dict[str, Rung]) -> list[Prediction]:
        """Predict each rung from the one before, and say in the notes why one is not predicted."""
        found = []
        for before_id, after_id in pairwise(_CHAIN):
            before, after = rungs.get(before_id), rungs.get(after_id)
            if before is None or after is None or not before.calls:
                continue
            calls = self._as_next(before, after)
            if not isinstance(calls, Missing):
                prediction = predict(before, calls, after_id, after.removes)
                if not isinstance(prediction, Missing):
                    found.append(prediction)
                    continue
                calls = prediction
            self.notes.append(f"{after_id} is not predicted: {calls.reason}")
        return found

    def _as_next(self, before: Rung, after: Rung) -> Calls | Missing:
        """Return the calls of a rung as the next rung would make them; what that adds was measured on its own."""
        theirs = after.calls
        if not theirs and after.id != "R6":
            return Missing(f"{after.id} was not recorded")
        copies_in = tuple(call for call in theirs if call.kind == "copy-to-device")
        copies_out = tuple(call for call in theirs if call.kind == "copy-to-host")
        if after.id == "R1":
            return without_implicit_copies(before.calls, copies_in, copies_out)
        if after.id == "R2":
            return with_pinned_copies(before.calls, (*copies_in, *copies_out))
        if after.id == "R3":
            return with_resident_data(before.calls, ("gather",), tuple(c for c in theirs if c.name == "gather"))
        if after.id == "R4":
            return without_read_back(before.calls)
        if after.id == "R5":
            launches = [call for call in theirs if call.kind == "launch"]
            each = sum(call.host_us for call in launches) / len(launches)
            return with_fused_kernels(before.calls, [(call.name, call.device_us) for call in launches], each)
        if not self._epoch_calls:
            return Missing("launching the graph of an epoch was not timed")
        first, launch, last = self._epoch_calls
        return (first, *as_graph(before.calls, launch.host_us), last)


_CHAIN: Sequence[str] = ("R0", "R1", "R2", "R3", "R4", "R5", "R6")
