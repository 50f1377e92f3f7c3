"""The sensitivity probe: add a known delay to one class of calls and see by how much the whole program becomes slower.

The slope, wall time gained over delay added, needs no model: it is 1 for calls on the critical path and 0 for calls
that something else hides. What it says holds for the delays that were added, which make about a sixth of the program.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cudadoctor.attribution.profile.trace import CallKind, Trace
from cudadoctor.facts.profile import Probe
from cudadoctor.profile.calls import kind_of_call

CLASSES = {
    CallKind.LAUNCH: "launches",
    CallKind.COPY: "copies",
    CallKind.SYNC: "waits",
    CallKind.ALLOCATE: "allocations",
}
"""What may be delayed, and what it is called."""

_FEWEST_CALLS = 50
_MOST_CLASSES = 2
_ADDED_SHARE = 0.15
_LEAST_NS, _MOST_NS = 1_000, 2_000_000


class Plan(NamedTuple):
    """A class of calls, the driver's ids for them, and the two delays to try, nanoseconds."""

    calls: str
    ids: tuple[int, ...]
    delays: tuple[int, int]


def plans(trace: Trace, driver_names: Mapping[int, str], wall_ns: int) -> list[Plan]:
    """Return what is worth probing: the classes in which the host spends most, if it calls them often enough."""
    found: list[tuple[int, Plan]] = []
    for kind, name in CLASSES.items():
        calls = trace.calls[trace.calls["kind"] == kind]
        if len(calls) >= _FEWEST_CALLS:
            delay = int(np.clip(_ADDED_SHARE * wall_ns / len(calls), _LEAST_NS, _MOST_NS))
            ids = tuple(number for number, text in driver_names.items() if kind_of_call(text) is kind)
            found.append((int((calls["end"] - calls["start"]).sum()), Plan(name, ids, (delay, 2 * delay))))
    found.sort(key=lambda each: -each[0])
    return [plan for _, plan in found[:_MOST_CLASSES]]


def slope(calls: str, controls_ns: Sequence[int], delayed: Sequence[tuple[int, int, int]]) -> Probe | None:
    """Return the slope through the runs without and with delays.

    Args:
        calls: What was delayed.
        controls_ns: Wall times without a delay, nanoseconds; at least one.
        delayed: For each run its delay and its wall time in nanoseconds, and how many calls were delayed.

    Returns:
        None where fewer than two runs were delayed. The interval is that of the scatter about the line, or of the
        scatter of the controls if that is wider.
    """
    points = [(0.0, float(wall)) for wall in controls_ns]
    points += [(float(delay * count), float(wall)) for delay, wall, count in delayed if count]
    if len(points) - len(controls_ns) < 2 or not controls_ns:
        return None
    x, y = (np.array(each) for each in zip(*points, strict=True))
    steepness, level = np.polyfit(x, y, 1)
    spread = float(np.sqrt(((y - (level + steepness * x)) ** 2).sum() / max(1, len(x) - 2)))
    spread = max(spread, (max(controls_ns) - min(controls_ns)) / 2)
    error = 2 * spread / float(np.sqrt(((x - x.mean()) ** 2).sum()))
    return Probe(
        calls=calls,
        count=int(statistics.median(count for _, _, count in delayed)),
        added_us=max(delay for delay, _, _ in delayed) / 1e3,
        slope=float(steepness),
        low=float(steepness) - error,
        high=float(steepness) + error,
    )
