"""What each call waited for: by its synchronization record, or by the operation that ended just when the call did."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.trace import CallKind, Memory, SyncKind, Trace

Ints = NDArray[np.int64]

SLACK = 300
"""Nanoseconds by which clocks of device and host may differ after CUPTI has aligned them."""
_MANY_QUEUED = 900
"""The driver's queue holds 1024 launches; a long launch with this many ahead of it waited for room."""


def waits(
    trace: Trace, start: Ints, end: Ints, ops: NDArray[Any], op_call: Ints, stream: Ints, first: Ints, count: Ints
) -> tuple[Ints, Ints]:
    """Return which operation each call waited for, -1 for none, and when that ended (0 where the call did not wait)."""
    n = len(start)
    wait, ended = np.full(n, -1, np.int64), np.zeros(n, np.int64)
    if not n or not len(ops):
        return wait, ended
    kind = trace.calls["kind"]
    op_end = ops["end"].astype(np.int64)
    submitted = np.where(op_call >= 0, start[op_call], ops["start"].astype(np.int64))
    # The operation that ends last of all that were submitted up to each place.
    most = np.maximum.accumulate(op_end)
    latest = np.maximum.accumulate(np.where(op_end >= most, np.arange(len(ops)), 0))
    upto = np.searchsorted(submitted, start, side="right") - 1

    def take(calls: Ints, op: Ints, sure: NDArray[np.bool_]) -> None:
        """Let calls wait for operations, where they ended within the call, or for sure."""
        good = op >= 0
        calls, op, sure = calls[good], op[good], sure[good]
        within = (op_end[op] > start[calls]) & (op_end[op] <= end[calls] + SLACK)
        past = op_end[op] <= start[calls]
        held = within | (sure & past)
        wait[calls[held]] = op[held]
        ended[calls[within]] = np.minimum(op_end[op[within]], end[calls[within]])

    syncs = np.flatnonzero(kind == CallKind.SYNC)
    told = _sync_kinds(trace, syncs)
    whole = syncs[(told[0] == SyncKind.CONTEXT) | (told[0] == SyncKind.UNKNOWN)]
    take(whole, np.where(upto[whole] >= 0, latest[upto[whole]], -1), np.ones(len(whole), np.bool_))
    one = told[0] == SyncKind.STREAM
    take(syncs[one], _last_in_stream(ops, upto[syncs[one]], told[1][one]), np.ones(int(one.sum()), np.bool_))
    # What is left waited for whatever ended last within it.
    left = syncs[(wait[syncs] < 0)]
    by_end = np.argsort(op_end, kind="stable")
    place = np.searchsorted(op_end[by_end], end[left] + SLACK, side="right") - 1
    found = np.where(place >= 0, by_end[place], -1)
    found = np.where((found >= 0) & (found <= upto[left]), found, -1)
    take(left, found, np.zeros(len(left), np.bool_))
    # A copy waits for itself, unless it was asynchronous and from or to pinned memory.
    own = np.flatnonzero(((kind == CallKind.COPY) | (kind == CallKind.MEMSET)) & (count > 0))
    op = first[own] + count[own] - 1
    pageable = (ops["source"][op] == Memory.PAGEABLE) | (ops["target"][op] == Memory.PAGEABLE)
    blocks = (~ops["asynchronous"][op] | pageable) & (kind[own] == CallKind.COPY)
    take(own[blocks], op[blocks], np.zeros(int(blocks.sum()), np.bool_))
    # Allocating, freeing and loading may wait for all that runs.
    hidden = np.flatnonzero(
        np.isin(kind, (CallKind.ALLOCATE, CallKind.FREE, CallKind.MODULE, CallKind.OTHER, CallKind.CONTEXT))
    )
    op = np.where(upto[hidden] >= 0, latest[upto[hidden]], -1)
    most_of_it = (op >= 0) & (2 * (op_end[op] - start[hidden]) >= end[hidden] - start[hidden])
    take(hidden[most_of_it], op[most_of_it], np.zeros(int(most_of_it.sum()), np.bool_))
    # A launch waits for room in the queue.
    launch = np.flatnonzero((kind == CallKind.LAUNCH) & (upto >= _MANY_QUEUED))
    if len(launch):
        # Nearly all launches of a program that is ahead of its device wait.
        usual = float(np.percentile((end - start)[kind == CallKind.LAUNCH], 5))
        done = np.searchsorted(op_end[by_end], start[launch], side="right")
        full = (upto[launch] + 1 - done >= _MANY_QUEUED) & ((end - start)[launch] > max(4 * usual, 20_000))
        launch = launch[full]
        place = np.searchsorted(op_end[by_end], end[launch] + SLACK, side="right") - 1
        take(launch, np.where(place >= 0, by_end[place], -1), np.zeros(len(launch), np.bool_))
    return wait, ended


def _sync_kinds(trace: Trace, syncs: Ints) -> tuple[Ints, Ints]:
    """Return kind and stream of what each of these calls waits for, by its synchronization record."""
    kinds, streams = np.full(len(syncs), SyncKind.UNKNOWN, np.int64), np.full(len(syncs), -1, np.int64)
    if len(trace.syncs) and len(syncs):
        order = np.argsort(trace.syncs["correlation"], kind="stable")
        known = trace.syncs["correlation"][order]
        place = np.clip(np.searchsorted(known, trace.calls["correlation"][syncs]), 0, len(known) - 1)
        right = known[place] == trace.calls["correlation"][syncs]
        kinds[right] = trace.syncs["kind"][order[place[right]]]
        streams[right] = trace.syncs["stream"][order[place[right]]]
    return kinds, streams


def _last_in_stream(ops: NDArray[Any], upto: Ints, streams: Ints) -> Ints:
    """Return the last operation up to each place that is in a stream of that number, -1 for none."""
    found = np.full(len(upto), -1, np.int64)
    for stream in np.unique(streams):
        places = np.flatnonzero(ops["stream"] == stream)
        asked = streams == stream
        last = np.searchsorted(places, upto[asked], side="right") - 1
        found[asked] = np.where(last >= 0, places[last], -1) if len(places) else -1
    return found
