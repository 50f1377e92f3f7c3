"""The sensitivity probe: add a known delay to one class of calls and see by how much the program becomes slower.

Calls are numbered as they begin. In about half of the blocks of equally many calls each one returns later by the delay,
in the others none does, all in one run: a machine that becomes slower meanwhile slows both kinds alike, and start-up
is no part of either. A call that returns later is one that takes longer; a delay before a wait would only pass while
the GPU works on, and say nothing of the wait.

The slope, time gained over delay added, needs no model: it is 1 for calls on the critical path and 0 for calls that
something else hides. What it says holds for the delays that were added, a third of the time from one call to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import CallKind, Trace
from cudadoctor.attribution.statistics import shift
from cudadoctor.facts.profile import Probe, Steps
from cudadoctor.gpu.cupti.pool import delays
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
_ADDED_SHARE = 0.3
_LEAST_NS, _MOST_NS = 1_000, 2_000_000

_BLOCKS = 64
"""So many blocks are wanted: more are shorter, and their beginnings and ends blur more of them."""

_FEWEST_BLOCKS = 16
_FEWEST_OF_A_KIND = 6


class Plan(NamedTuple):
    """A class of calls, the driver's ids for them, the delay in nanoseconds, and how many calls are a block."""

    calls: str
    ids: tuple[int, ...]
    delay: int
    block: int


def plans(trace: Trace, driver_names: Mapping[int, str], steps: Steps | None) -> list[Plan]:
    """Return what is worth probing: the classes in which the host spends most, if it calls them often enough.

    Where the program repeats steps, a block is whole steps, so that blocks differ by nothing but the delay.
    """
    found: list[tuple[int, Plan]] = []
    for kind, name in CLASSES.items():
        calls = trace.calls[trace.calls["kind"] == kind]
        if len(calls) >= _FEWEST_CALLS:
            begins = np.sort(calls["start"])
            delay = int(np.clip(_ADDED_SHARE * _apart(begins, steps), _LEAST_NS, _MOST_NS))
            ids = tuple(number for number, text in driver_names.items() if kind_of_call(text) is kind)
            plan = Plan(name, ids, delay, _calls_a_block(begins, steps))
            found.append((int((calls["end"] - calls["start"]).sum()), plan))
    found.sort(key=lambda each: -each[0])
    return [plan for _, plan in found[:_MOST_CLASSES]]


def _steady(begins: NDArray[np.int64], steps: Steps | None) -> NDArray[np.int64]:
    """Return those in the steady steps, or all but the first and the last tenth where most are not in any."""
    if steps is not None and steps.found_by != "none":
        within = begins[(begins >= steps.window_start_s * 1e9) & (begins < steps.window_end_s * 1e9)]
        if len(within) > len(begins) / 2:
            return within
    return begins[len(begins) // 10 : len(begins) - len(begins) // 10]


def _apart(begins: NDArray[np.int64], steps: Steps | None) -> float:
    """Return the mean time from one call to the next, nanoseconds."""
    steady = _steady(begins, steps)
    return float(np.ptp(steady)) / (len(steady) - 1)


def _calls_a_block(begins: NDArray[np.int64], steps: Steps | None) -> int:
    wanted = max(1, len(begins) // _BLOCKS)
    if steps is None or steps.found_by == "none":
        return wanted
    a_step = max(1, round(len(_steady(begins, steps)) / max(1, steps.count)))
    if len(begins) // a_step < _FEWEST_BLOCKS:
        return wanted
    return a_step * max(1, wanted // a_step)


def slope(plan: Plan, moments: NDArray[np.int64] | None, delayed: int) -> Probe | None:
    """Return by how much blocks with delays take longer than those without, over the delay that was added.

    Args:
        plan: What was delayed, and how.
        moments: When each call of the class began, nanoseconds, in their order; None if that was not noted.
        delayed: How many calls were delayed.

    Returns:
        None where fewer than six blocks of either kind were complete. The first block, in which kernels are compiled
        and memory is touched for the first time, does not count.
    """
    if moments is None or not delayed:
        return None
    lengths = np.diff(moments[:: plan.block])[1:]
    held = np.array(delays(len(lengths) + 1)[1:], bool)
    without, with_ = lengths[~held], lengths[held]
    if min(len(without), len(with_)) < _FEWEST_OF_A_KIND:
        return None
    longer, interval = shift([float(each) for each in without], [float(each) for each in with_])
    added = float(plan.delay * plan.block)
    return Probe(
        calls=plan.calls,
        count=delayed,
        added_us=plan.delay / 1e3,
        slope=longer / added,
        low=interval.low / added,
        high=interval.high / added,
    )
