"""What a lane does at each moment, as running sums: how much of any span went to which charge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.charges import NAMES, OWN, At
from cudadoctor.attribution.profile.model import Floats, Ints, Model

TRACER = len(NAMES)
"""The column after the charges: what the tracer took."""


class LaneTime:
    """A lane's gap, call, gap, call ..., gap; and what each of them is made of."""

    def __init__(
        self, model: Model, mine: Ints, at: Ints, into: Floats, into_at: Ints, shares: NDArray[np.float32], rest: Floats
    ) -> None:
        """Lay out a lane.

        Args:
            model: The trace.
            mine: The lane's calls.
            at: Each call's charge.
            into: Which part of the gap before each call is the way into a call.
            into_at: That call's charge.
            shares: What the rest of the gap is made of, of `OWN`.
            rest: The same, of what comes after the last call.
        """
        calls, n = model.calls, len(mine)
        self._bounds = np.empty(2 * n + 2)
        self._bounds[0], self._bounds[-1] = -1e18, 1e18
        self._bounds[1:-1:2], self._bounds[2:-1:2] = calls.start[mine], calls.end[mine]
        self._lengths = np.diff(self._bounds)
        self._lengths[0] = self._lengths[-1] = 0.0
        self._at, self._into, self._into_at, self._shares, self._rest = (
            at[mine],
            into[mine],
            into_at[mine],
            shares[mine],
            rest,
        )
        whole = calls.cost[mine] + calls.tail[mine]
        own = calls.own_cost[mine] + calls.own_tail[mine]
        self._own_call = np.divide(own, whole, out=np.ones(n), where=whole > 0)
        gap = calls.gap[mine]
        self._own_gap = np.divide(calls.own_gap[mine], gap, out=np.ones(n), where=gap > 0)
        self._columns: dict[int, tuple[Floats, Floats] | None] = {}

    def between(self, low: Floats, high: Floats) -> Floats:
        """Return what spans of the lane are made of: spans x charges and the tracer, nanoseconds."""
        begin, end = self._place(low), self._place(high)
        made = np.zeros((len(low), TRACER + 1))
        for column in range(TRACER + 1):
            if column not in self._columns:
                self._columns[column] = self._column(column)
            found = self._columns[column]
            if found is None:
                continue
            share, sums = found
            spent = sums[end] - sums[begin] + self._cut(share, end, high) - self._cut(share, begin, low)
            # Before the first call and after the last the sums stand still.
            if len(self._at):
                spent += share[0] * (np.minimum(high, self._bounds[1]) - np.minimum(low, self._bounds[1]))
            spent += share[-1] * (np.maximum(high, self._bounds[-2]) - np.maximum(low, self._bounds[-2]))
            made[:, column] = np.maximum(spent, 0.0)
        return made

    def _place(self, at: Floats) -> Ints:
        return np.clip(np.searchsorted(self._bounds, at, side="right") - 1, 0, len(self._bounds) - 2)

    def _cut(self, share: Floats, place: Ints, at: Floats) -> Floats:
        into = np.minimum(at - self._bounds[place], self._lengths[place])
        made: Floats = share[place] * np.maximum(into, 0.0)
        return made

    def _column(self, column: int) -> tuple[Floats, Floats] | None:
        """Return which part of each segment goes to a charge, and the running sum; None for one that is nowhere."""
        share = np.zeros(2 * len(self._at) + 1)
        if column == TRACER:
            share[0:-1:2], share[1::2] = 1.0 - self._own_gap, 1.0 - self._own_call
        else:
            share[1::2] = (self._at == column) * self._own_call
            into = self._into * (self._into_at == column)
            if column in OWN:
                place = OWN.index(At(column))
                into = into + (1.0 - self._into) * self._shares[:, place]
                share[-1] = self._rest[place]
            share[0:-1:2] = into * self._own_gap
        if not share.any():
            return None
        return share, np.concatenate([[0.0], np.cumsum(share * self._lengths)])
