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
    """A contender that trains slices of one epoch."""

    contender: Any

    def slice(self, start: int, end: int, tick: Tick) -> float:
        """Train the minibatches from `start` to before `end`; return microseconds a minibatch."""

    def timed_slice(self, start: int, end: int) -> float | None:
        """Train a slice and record it; microseconds a minibatch, or None where there is nothing to record."""

    def loss(self) -> float | None:
        """Return the running loss over the window, in nats a case, or None before its end."""


class InSlices:
    """A rung that the host drives step by step."""

    def __init__(self, contender: Stepwise, rows: NDArray[np.uint32], window: int, learn_rate: float) -> None:
        """Begin the epoch with these rows (minibatches, m)."""
        from cudadoctor.dbn.recording import Recording

        self.contender = contender
        self._cases = window * rows.shape[1]
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

    def loss(self) -> float | None:
        """Return the running loss over the window."""
        return float(self.contender.result(self._cases)[0])


class ByRows:
    """A rung that takes a slice's rows at once, losses back included: the CPU lanes."""

    def __init__(self, contender: Contender, rows: NDArray[np.uint32], window: int, learn_rate: float) -> None:
        """Keep the rows (minibatches, m)."""
        self.contender = contender
        settle(contender)
        self._rows, self._rate = rows, learn_rate
        self._sum, self._seen, self._window = 0.0, 0, window

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

    def loss(self) -> float | None:
        """Return the running loss over the window."""
        return self._sum / self._seen if self._seen == self._window else None


def settle(contender: Any) -> None:
    """Let a lane that tries numbers of threads in every epoch keep to the best: a slice is short for trials."""
    if hasattr(contender, "settle"):
        contender.settle()


class InEpochs:
    """A rung that trains all of an epoch in one launch: every slice is a whole epoch, so that the launch counts little.

    The window itself is trained once, before, for the loss.
    """

    def __init__(
        self, contender: Contender, rows: NDArray[np.uint32], window: int, learn_rate: float, tick: Tick
    ) -> None:
        """Train the window, then keep the rows (minibatches, m)."""
        self.contender = contender
        self._rows, self._rate = rows, learn_rate
        self._loss, _ = contender.train_epoch(rows[:window], learn_rate, tick)

    def slice(self, start: int, end: int, tick: Tick) -> float:
        """Train the whole epoch again; microseconds a minibatch."""
        started = time.perf_counter()
        self.contender.train_epoch(self._rows, self._rate, tick)
        return (time.perf_counter() - started) / len(self._rows) * 1e6

    def timed_slice(self, start: int, end: int) -> None:
        """Do nothing: a launch of an epoch has no steps."""

    def loss(self) -> float | None:
        """Return the running loss over the window."""
        return self._loss

    def calls(self) -> tuple[Call, Call, Call] | None:
        """Return what the host does in an epoch, by minibatch: rows over, launch, totals back; None if not a graph."""
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
