"""The piece of a trace in which what-ifs are played: whole steady steps, at most some ten thousand calls of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.host import Host
from cudadoctor.attribution.profile.model import Floats, Ints, Model
from cudadoctor.attribution.profile.replay import Played, Script, fronts, play, script
from cudadoctor.attribution.profile.steps import Found
from cudadoctor.attribution.profile.trace import Memory

MOST_CALLS = 30_000
_PLACES, _NEAR = 8, 0.05
"""Where else the steps to play may begin, and how near the first ones' mean time must be to that of all."""
_BLOCKS = 10
"""Where nothing repeats, the window is cut into this many pieces, so that savings have a spread."""


class Excerpt(NamedTuple):
    """Steady steps, ready to be played. Arrays of calls and of operations run along those of `base`.

    `bounds` are the places of the steps' first calls and one more, `steps` how many steps lie between. `lengths` are
    what each takes when `base` is played, nanoseconds; `error` is how far playing the traced times is from the trace.
    """

    model: Model
    host: Host
    first: int
    base: Script
    played: Played
    bounds: Ints
    steps: float
    lengths: Floats
    error: float
    kind: Ints
    op_call: Ints
    ops: NDArray[Any]

    @property
    def now(self) -> float:
        """What a step takes, nanoseconds."""
        return float(self.lengths.sum()) / self.steps if self.steps else 0.0

    @property
    def calls(self) -> slice:
        """The calls of the excerpt in those of the model."""
        return slice(self.first, self.first + len(self.kind))

    @property
    def step(self) -> Ints:
        """The step of each call."""
        return np.clip(
            np.searchsorted(self.bounds, np.arange(len(self.kind)), side="right") - 1, 0, len(self.bounds) - 2
        )

    @property
    def pageable(self) -> NDArray[np.bool_]:
        """Which operations copy from or to pageable memory."""
        made: NDArray[np.bool_] = (self.ops["source"] == Memory.PAGEABLE) | (self.ops["target"] == Memory.PAGEABLE)
        return made


def cut(model: Model, host: Host, found: Found) -> Excerpt | None:
    """Cut steady steps out of a trace; None where there is nothing to play."""
    bounds = _typical(model, np.maximum.accumulate(found.calls[found.warm_up :]))
    steps = float(len(bounds) - 1)
    if len(bounds) < 3:
        # One long step, or none at all: pieces of it.
        first, last = int(bounds[0]), int(min(bounds[-1], bounds[0] + MOST_CALLS))
        steps = (last - first) / max(1, int(bounds[-1]) - first)
        bounds = np.unique(np.linspace(first, last, _BLOCKS + 1).astype(np.int64))
    first, last = int(bounds[0]), int(bounds[-1])
    if last - first < 2 or len(bounds) < 2 or not model.calls.op_count[first:last].any():
        return None
    base = script(model, first, last)
    op_call = np.full(len(base.stream), -1, np.int64)
    with_ops = np.repeat(np.arange(last - first), base.op_count)
    begins = np.repeat(base.first_op - np.concatenate([[0], np.cumsum(base.op_count)[:-1]]), base.op_count)
    op_call[begins + np.arange(len(with_ops))] = with_ops
    count = model.calls.op_count[first:last]
    low = int(model.calls.first_op[first:last][count > 0].min())
    ops = model.trace.ops[model.ops.record[low : low + len(base.stream)]]
    played = play(base)
    relative = bounds - first
    lengths = np.diff(fronts(base, played, relative))
    return Excerpt(
        model, host, first, base, played, relative, steps, lengths, _error(model, first, last, relative, ops),
        model.calls.kind[first:last], op_call, ops,
    )  # fmt: skip


def _typical(model: Model, bounds: Ints) -> Ints:
    """Return as many consecutive steps as are played: the first ones, unless others take more nearly the mean time.

    What compiles in the first of many thousand steps would else seem to happen all the time.
    """
    if len(bounds) < 3 or bounds[-1] - bounds[0] <= MOST_CALLS:
        return bounds
    at = model.calls.start[np.minimum(bounds, len(model.calls.start) - 1)].astype(np.float64)
    mean = (at[-1] - at[0]) / (len(bounds) - 1)
    places = np.linspace(0, np.searchsorted(bounds, bounds[-1] - MOST_CALLS), _PLACES).astype(np.int64)
    ends = np.maximum(np.searchsorted(bounds, bounds[places] + MOST_CALLS, side="right"), places + 2)
    ends = np.minimum(ends, len(bounds))
    off = np.abs((at[ends - 1] - at[places]) / np.maximum(ends - 1 - places, 1) / max(mean, 1.0) - 1)
    best = 0 if off[0] <= _NEAR else int(off.argmin())
    return bounds[places[best] : ends[best]]


def _error(model: Model, first: int, last: int, bounds: Ints, ops: NDArray[Any]) -> float:
    """Return how much longer the traced times take when they are played than they took in the trace, a fraction."""
    traced = script(model, first, last, own=False)
    told = fronts(traced, play(traced), bounds)
    recorded = Played(
        model.calls.end[first:last].astype(np.float64), ops["start"].astype(np.float64), ops["end"].astype(np.float64)
    )
    took = _recorded_fronts(traced, recorded, bounds)
    half = len(bounds) // 4  # the device may still have been at work of earlier calls
    real = took[-1] - took[half]
    return float((told[-1] - told[half]) / real - 1) if real > 0 else 0.0


def _recorded_fronts(script: Script, recorded: Played, bounds: Ints) -> Floats:
    start = float(recorded.call_end[0])
    shifted = Played(recorded.call_end - start, recorded.op_start - start, recorded.op_end - start)
    return fronts(script, shifted, bounds)
