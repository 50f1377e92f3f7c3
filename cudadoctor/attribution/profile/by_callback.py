"""Waits that no call shows: a runtime which lets the driver call a function of its own when a read-back has come.

XLA waits like that (`cuLaunchHostFunc`), so a trace of `float(loss)` in JAX holds no synchronization and no copy that
blocks. What happens is read off the order: when the kernels are done, a thread of the runtime's pool is told and asks
for the copy; when that is done, another is told, and the thread that launches goes on. Both waits are put in as calls,
so that all that follows sees what the program does. How long a thread takes to be told is measured on the first of
them. A wait without a read-back (`block_until_ready`) leaves no such order: there the launching thread calls nothing
until an operation is done, nor does another, goes on soon after, and used the processor for a part of that time only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Doing, Trace

Ints = NDArray[np.int64]

NAME = "(told by a callback)"
_CALLBACKS = ("cuLaunchHostFunc", "cuStreamAddCallback")
_FEWEST = 4
_NEAR = 4
"""Calls of the copying thread between the copy and the function that shall be called after it."""
_LONGEST_WAY = 1_000_000
"""Nanoseconds: a copy that is asked for later than this after the kernels were done did not wait for them."""
_AROUND = 25_000_000
"""CPU times are read every 15 to 20 ms."""
_SHORTEST_WAIT = 20_000
_AT_WORK = 0.7
"""A thread that used the processor for more than this part of the time worked, whatever ended meanwhile."""
_LONGEST_HOPS = 500_000
"""One that goes on later than this after the operation was done waited for something else."""
_SAMPLES_AROUND, _OFTEN = 50_000_000, 0.25
_HOPS = 2
"""Threads that are told one after the other before the waiting one is: one of the driver's, and one of the pool."""


class _ReadBacks(NamedTuple):
    """Copies to the host that a thread other than the launching one asked for, by the places of their calls.

    `begins` and `ends` are the first and the last call of the copying thread around them; `done` is when the copy was.
    """

    copies: Ints
    begins: Ints
    ends: Ints
    done: Ints


def with_waits(trace: Trace) -> Trace:
    """Return the trace with a call for each wait that ended by a callback; `trace` is taken as tidy."""
    if _callbacks(trace).sum() < _FEWEST or not len(trace.ops):
        return trace
    return _with_plain_waits(_with_read_backs(trace))


def _with_read_backs(trace: Trace) -> Trace:
    found = _read_backs(trace)
    if found is None:
        return trace
    calls, launcher = trace.calls, _launcher(trace)
    start, end = calls["start"].astype(np.int64), calls["end"].astype(np.int64)
    mine = np.flatnonzero(calls["thread"] == launcher)
    following = np.searchsorted(mine, found.copies)
    inside = (following > 0) & (following < len(mine))
    found = _ReadBacks(*(each[inside] for each in found))
    before, after = mine[following[inside] - 1], mine[following[inside]]
    # The launching thread was told of the copy only if it called nothing until that was done.
    waited = (start[after] >= found.done) & (found.begins > before) & (found.ends < after)
    found, before, after = _ReadBacks(*(each[waited] for each in found)), before[waited], after[waited]
    if len(found.copies) < _FEWEST:
        return trace
    kernels = np.sort(trace.ops["end"][trace.ops["kind"] != DeviceKind.COPY_TO_HOST].astype(np.int64))
    place = np.searchsorted(kernels, start[found.begins], side="right") - 1
    finished = np.where(place >= 0, kernels[np.maximum(place, 0)], 0)
    asked = np.maximum(found.done, end[found.ends])
    waiting = (finished > end[before]) & (start[found.begins] - finished <= _LONGEST_WAY)
    began = end[before]
    if waiting.sum() >= _FEWEST:
        way = int(np.median((start[found.begins] - finished)[waiting]))
    else:
        # Short kernels are done before the launching thread is with its calls: what passes until the copy is asked for
        # is its own way to asking and one hop, and after the copy its way to the next launch and two.
        told, rest = start[found.begins] - began, start[after] - asked
        way = int(np.clip(np.median(rest) - np.median(told), 0, np.median(told)) / (_HOPS - 1))
        if np.median(told) < _SHORTEST_WAIT or way < _SHORTEST_WAIT:
            return trace  # it came out like that by chance: nobody is woken so soon
        waiting = (told > 0) & (told <= _LONGEST_WAY)
        began = np.maximum(began, start[found.begins] - way)
    resumed = np.minimum(start[after], np.maximum(found.done + _HOPS * way, asked))
    return _with_calls(
        trace,
        np.concatenate([calls["thread"][found.begins[waiting]], np.full(len(asked), launcher)]),
        np.concatenate([began[waiting], end[found.ends]]),
        np.concatenate([start[found.begins[waiting]], resumed]),
    )


def _with_plain_waits(trace: Trace) -> Trace:
    launcher = _launcher(trace)
    mine = trace.calls[trace.calls["thread"] == launcher]
    used = trace.cpu[trace.cpu["thread"] == launcher]
    if len(used) < _FEWEST or len(mine) < _FEWEST:
        return trace
    ends = np.sort(trace.ops["end"].astype(np.int64))
    begin, resumed = mine["end"][:-1].astype(np.int64), mine["start"][1:].astype(np.int64)
    place = np.searchsorted(ends, resumed, side="right") - 1
    done = np.where(place >= 0, ends[np.maximum(place, 0)], 0)
    at, cpu = used["at"].astype(np.float64), used["cpu"].astype(np.float64)
    low, high = np.maximum(begin - _AROUND, at[0]), np.minimum(resumed + _AROUND, at[-1])
    share = (np.interp(high, at, cpu) - np.interp(low, at, cpu)) / np.maximum(high - low, 1.0)
    own = np.clip(share, 0.0, 1.0) * (resumed - begin)
    told = resumed - own.astype(np.int64)
    waited = (done > begin) & (resumed - begin >= _SHORTEST_WAIT) & (share <= _AT_WORK) & (told - done <= _LONGEST_HOPS)
    waited &= high > low  # where no reading is near, nothing is known
    waited &= ~_waits_for_others(trace, launcher, begin, resumed)
    others = np.sort(trace.calls["start"][trace.calls["thread"] != launcher].astype(np.int64))
    waited &= np.searchsorted(others, begin) == np.searchsorted(others, resumed)
    if waited.sum() < _FEWEST:
        return trace
    return _with_calls(trace, np.full(int(waited.sum()), launcher), begin[waited], np.maximum(told, done)[waited])


def _waits_for_others(trace: Trace, thread: int, begin: Ints, end: Ints) -> NDArray[np.bool_]:
    """Say in and around which spans a thread was often seen sleeping, reading or compiling."""
    mine = trace.samples[trace.samples["thread"] == thread]
    at = mine["at"].astype(np.int64)
    other = np.concatenate([[0], np.cumsum(~np.isin(mine["doing"], (Doing.PYTHON, Doing.FEEDING)))])
    low = np.searchsorted(at, begin - _SAMPLES_AROUND)
    high = np.searchsorted(at, end + _SAMPLES_AROUND)
    made: NDArray[np.bool_] = other[high] - other[low] > _OFTEN * (high - low)
    return made


def helpers(trace: Trace) -> Ints:
    """Return the threads that ask for callbacks and launch nothing: a runtime's pool, which copies for others."""
    asking = np.unique(trace.calls["thread"][_callbacks(trace)])
    launching = np.unique(trace.calls["thread"][trace.calls["kind"] == CallKind.LAUNCH])
    return np.setdiff1d(asking, launching).astype(np.int64)


def _callbacks(trace: Trace) -> NDArray[np.bool_]:
    numbers = [i for i, name in enumerate(trace.names) if name.startswith(_CALLBACKS)]
    return np.isin(trace.calls["name"], numbers)


def _read_backs(trace: Trace) -> _ReadBacks | None:
    calls, callbacks = trace.calls, _callbacks(trace)
    outward = trace.ops[trace.ops["kind"] == DeviceKind.COPY_TO_HOST]
    order = np.argsort(outward["correlation"], kind="stable")
    known = outward["correlation"][order]
    asking = np.flatnonzero((calls["kind"] == CallKind.COPY) & (calls["thread"] != _launcher(trace)))
    if not len(asking) or not len(known):
        return None
    place = np.clip(np.searchsorted(known, calls["correlation"][asking]), 0, len(known) - 1)
    right = known[place] == calls["correlation"][asking]
    asking, done = asking[right], outward["end"][order[place[right]]].astype(np.int64)
    begins, ends = np.full(len(asking), -1, np.int64), np.full(len(asking), -1, np.int64)
    for thread in np.unique(calls["thread"][asking]):
        theirs = np.flatnonzero(calls["thread"] == thread)
        copies = np.flatnonzero(calls["thread"][asking] == thread)
        at = np.searchsorted(theirs, asking[copies])
        told = np.flatnonzero(callbacks[theirs])
        then = np.searchsorted(told, at)
        then = np.where(then < len(told), told[np.minimum(then, max(0, len(told) - 1))] if len(told) else -1, -1)
        near = (then > at) & (then - at <= _NEAR)
        # Calls of this thread that come close upon each other belong to one copy.
        apart = np.concatenate([[True], np.diff(calls["start"][theirs].astype(np.int64)) > _gap_between(calls, theirs)])
        group = np.cumsum(apart) - 1
        firsts = np.flatnonzero(apart)
        lasts = np.concatenate([firsts[1:] - 1, [len(theirs) - 1]])
        begins[copies[near]] = theirs[firsts[group[at[near]]]]
        ends[copies[near]] = theirs[lasts[group[at[near]]]]
    good = begins >= 0
    return _ReadBacks(asking[good], begins[good], ends[good], done[good])


def _gap_between(calls: NDArray[np.void], theirs: Ints) -> int:
    """Return the time between two calls of a thread of the pool above which they belong to two tasks, nanoseconds."""
    apart = np.diff(calls["start"][theirs].astype(np.int64))
    return int(10 * max(1_000.0, float(np.median(apart)))) if len(apart) else 0


def _launcher(trace: Trace) -> int:
    launches = trace.calls["thread"][trace.calls["kind"] == CallKind.LAUNCH]
    if not len(launches):
        return trace.main_thread
    threads, many = np.unique(launches, return_counts=True)
    return int(threads[many.argmax()])


def _with_calls(trace: Trace, threads: Ints, starts: Ints, ends: Ints) -> Trace:
    long = ends > starts
    made = np.zeros(int(long.sum()), trace.calls.dtype)
    made["kind"], made["thread"] = CallKind.SYNC, threads[long]
    made["start"], made["end"] = starts[long], ends[long]
    made["process"] = trace.calls["process"][0]
    names = trace.names if NAME in trace.names else (*trace.names, NAME)
    made["name"] = names.index(NAME)
    # No record has these numbers, so no operation is taken for theirs.
    made["correlation"] = np.iinfo(np.uint32).max - len(trace.calls) - np.arange(len(made))
    calls = np.concatenate([trace.calls, made])
    calls = calls[np.argsort(calls["start"], kind="stable")]
    return trace._replace(calls=calls, names=names)
