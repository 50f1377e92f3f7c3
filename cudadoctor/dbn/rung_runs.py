"""Train a slice of an epoch on any contender, and time it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from cudadoctor.dbn.contenders import Contender
from cudadoctor.facts.explanation import Call

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cudadoctor.dbn.rungs.base import Stepwise

Tick = Callable[[], None]


class RungRun(Protocol):
    """A contender that trains slices of one epoch; a sample is one of so many `minibatches`."""

    contender: Any
    minibatches: int

    def slice(self, start: int, end: int, tick: Tick) -> float:
        """Train the minibatches from `start` to before `end`; return microseconds a minibatch."""

    def timed_slice(self, start: int, end: int) -> float | None:
        """Train a slice and record it; microseconds a minibatch, or None where there is nothing to record."""

    def loss(self, minibatches: int) -> float | None:
        """Return the running loss over the first minibatches, in nats a case, when these and no others are trained."""


class InSlices:
    """A rung that the host drives step by step."""

    def __init__(self, contender: Stepwise, rows: NDArray[np.uint32], learn_rate: float, minibatches: int) -> None:
        """Begin the epoch with these rows (minibatches, m)."""
        from cudadoctor.dbn.recording import Recording

        self.contender, self.minibatches = contender, minibatches
        self._cases = rows.shape[1]
        contender.update.use(learn_rate)
        contender.begin_epoch(rows)
        self.recording = Recording(contender)

    def slice(self, start: int, end: int, tick: Tick) -> float:
        """Train the slice and wait for the device; microseconds a minibatch."""
        from cudadoctor.dbn.ops.device import cuda

        cuda.synchronize()
        started = time.perf_counter()
        self.contender.train(range(start, end), tick)
        cuda.synchronize()
        return (time.perf_counter() - started) / (end - start) * 1e6

    def timed_slice(self, start: int, end: int) -> float:
        """Train a slice with a clock around every step; microseconds a minibatch, clocks included."""
        return self.recording.train(range(start, end))

    def loss(self, minibatches: int) -> float | None:
        """Return the running loss over the first minibatches."""
        return float(self.contender.result(minibatches * self._cases)[0])


class ByRows:
    """A rung that takes a slice's rows at once, losses back included: the CPU lanes."""

    def __init__(self, contender: Contender, rows: NDArray[np.uint32], learn_rate: float, minibatches: int) -> None:
        """Keep the rows (minibatches, m)."""
        self.contender, self.minibatches = contender, minibatches
        settle(contender)
        self._rows, self._rate = rows, learn_rate
        self._sum, self._seen = 0.0, 0

    def slice(self, start: int, end: int, tick: Tick) -> float:
        """Train the slice; microseconds a minibatch."""
        started = time.perf_counter()
        loss, _ = self.contender.train_epoch(self._rows[start:end], self._rate, tick)
        seconds = time.perf_counter() - started
        self._sum += loss * (end - start)
        self._seen += end - start
        return seconds / (end - start) * 1e6

    def timed_slice(self, start: int, end: int) -> None:
        """Train the slice."""
        self.slice(start, end, lambda: None)

    def loss(self, minibatches: int) -> float | None:
        """Return the running loss over the first minibatches."""
        return self._sum / self._seen if self._seen == minibatches else None


def settle(contender: Any) -> None:
    """Let a lane that tries numbers of threads in every epoch keep to the best: a slice is short for trials."""
    if hasattr(contender, "settle"):
        contender.settle()


class InEpochs:
    """A rung that trains all of its rows in one launch: every slice is all of them, so that the launch counts little.

    For a graph the rows are the window, of some 0.02 s, and recording it costs a third of recording an epoch; for a
    kernel of 0.005 s an epoch they are the epoch.
    """

    def __init__(
        self, contender: Any, rows: NDArray[np.uint32], for_the_loss: int, learn_rate: float, tick: Tick
    ) -> None:
        """Keep the rows (minibatches, m), and train the first of them for the loss, before anything is timed."""
        self.contender, self.minibatches = contender, len(rows)
        self._rows, self._rate = rows, learn_rate
        if hasattr(contender, "result"):  # of any part of what was trained
            contender.train_epoch(rows, learn_rate, tick)
            self._loss, _ = contender.result(for_the_loss * rows.shape[1])
        else:
            self._loss, _ = contender.train_epoch(rows[:for_the_loss], learn_rate, tick)

    def slice(self, start: int, end: int, tick: Tick) -> float:
        """Train all rows again; microseconds a minibatch."""
        started = time.perf_counter()
        self.contender.train_epoch(self._rows, self._rate, tick)
        return (time.perf_counter() - started) / len(self._rows) * 1e6

    def timed_slice(self, start: int, end: int) -> None:
        """Do nothing: a launch of an epoch has no steps."""

    def loss(self, minibatches: int) -> float | None:
        """Return the running loss over the minibatches that were trained for it."""
        return float(self._loss)

    def calls(self) -> tuple[Call, Call, Call] | None:
        """Return what the host does about a graph, by minibatch: rows over, launch, totals back; None if it is none."""
        from cudadoctor.dbn.rungs.fused import Graph

        graph = self.contender
        if not isinstance(graph, Graph):
            return None
        begin, launch, result = (
            statistics.median(_seconds(work) for _ in range(5))
            for work in (lambda: graph.begin_epoch(self._rows), graph.time_of_launch, lambda: graph.result(1))
        )
        each = 1e6 / len(self._rows)
        return (
            Call(name="rows of the epoch", kind="copy-to-device", host_us=begin * each),
            Call(name="graph", kind="launch", host_us=launch * each),
            Call(name="totals of the epoch", kind="copy-to-host", host_us=result * each, waits=True),
        )


def _seconds(work: Callable[[], Any]) -> float:
    """Return what work returns if that is a time of its own, else how long it took."""
    started = time.perf_counter()
    told = work()
    return told if isinstance(told, float) else time.perf_counter() - started
