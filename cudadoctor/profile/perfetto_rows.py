"""The rows of a Perfetto timeline: their numbers and names, and spans kept from overlapping within a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_KINDS = {"": "", "NVTX": "NVTX ranges of ", "Python": "Python lines of ", "overhead": "tracer and driver in "}
_STEP = 10_000_000
"""Rows beside that of a thread have its number and so much more; thread numbers of Linux are below 4,194,304."""
_MOST_PLACES = 8


class Row(NamedTuple):
    """A row by the process and the thread that stand for it."""

    process: int
    thread: int


class Rows:
    """Gives numbers to rows, and names them in the end."""

    def __init__(self, first_device: int) -> None:
        """Count devices from this process number on."""
        self._first_device = first_device
        self._streams: dict[tuple[int, int, int, int], Row] = {}
        self._threads: dict[tuple[int, int, str, int], Row] = {}

    def of_stream(self, device: int, context: int, stream: int, place: int = 0) -> Row:
        """Return the row of a stream; `place` counts the rows of one whose operations overlap."""
        key = (device, context, stream, place)
        row = self._streams.get(key)
        if row is None:
            row = self._streams[key] = Row(self._first_device + device, len(self._streams) + 1)
        return row

    def of_thread(self, process: int, thread: int, kind: str, place: int = 0) -> Row:
        """Return the row of a thread's calls (`kind` is "") or of what else is known of it."""
        key = (process, thread, kind, place)
        beside = list(_KINDS).index(kind) * _MOST_PLACES + place
        return self._threads.setdefault(key, Row(process, thread + _STEP * beside))

    def named(self, main_process: int, main_thread: int) -> Iterator[str]:
        """Return the events that name all rows and put them in order."""
        processes = {process for process, *_ in self._threads} | {main_process}
        for order, process in enumerate(sorted(processes, key=lambda each: (each != main_process, each))):
            yield from _process(process, f"process {process}", order)
        contexts: dict[int, set[int]] = {}
        for device, context, *_ in self._streams:
            contexts.setdefault(device, set()).add(context)
        for order, device in enumerate(sorted(contexts), len(processes)):
            yield from _process(self._first_device + device, f"GPU {device}", order)
        for (_, thread, kind, place), row in self._threads.items():
            main = " (main)" if thread == main_thread else ""
            again = f", overlapping {place}" if place else ""
            order = (0 if main else 2 * len(_KINDS)) + list(_KINDS).index(kind)
            yield from _thread(row, f"{_KINDS[kind]}thread {thread}{main}{again}", order)
        for order, (key, row) in enumerate(sorted(self._streams.items())):
            device, context, stream, place = key
            which = f" of context {context}" if len(contexts[device]) > 1 else ""
            again = f", overlapping {place}" if place else ""
            yield from _thread(row, f"stream {stream}{which}{again}", order)


def _process(process: int, name: str, order: int) -> Iterator[str]:
    for what, args in (("process_name", {"name": name}), ("process_sort_index", {"sort_index": order})):
        yield f'{{"ph":"M","pid":{process},"name":"{what}","args":{json.dumps(args)}}}'


def _thread(row: Row, name: str, order: int) -> Iterator[str]:
    for what, args in (("thread_name", {"name": name}), ("thread_sort_index", {"sort_index": order})):
        yield f'{{"ph":"M","pid":{row.process},"tid":{row.thread},"name":"{what}","args":{json.dumps(args)}}}'


def places(spans: NDArray[Any]) -> NDArray[np.int64]:
    """Return a number for each span: two of one number either nest or do not overlap, as slices of a row must.

    Nearly always that is 0: streams and threads do one thing after another. What would be number 8 gets -1.
    """
    order = np.lexsort((-spans["end"], spans["start"]))
    spans = spans[order]
    reached = np.maximum.accumulate(spans["end"]) if len(spans) else spans["end"]
    if not np.any(spans["start"][1:] < reached[:-1]):
        return np.zeros(len(spans), np.int64)
    group = np.zeros(len(spans), np.int64)
    open_ends: list[list[int]] = [[] for _ in range(_MOST_PLACES)]
    for place, (start, end) in enumerate(zip(spans["start"].tolist(), spans["end"].tolist(), strict=True)):
        for number, ends in enumerate(open_ends):
            while ends and ends[-1] <= start:
                ends.pop()
            if not ends or end <= ends[-1]:
                ends.append(end)
                group[place] = number
                break
        else:
            group[place] = -1
    made = np.empty(len(spans), np.int64)
    made[order] = group
    return made


def without_overlap(spans: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the spans by their `places`."""
    group = places(spans)
    return [spans[group == number] for number in range(_MOST_PLACES) if number == 0 or np.any(group == number)]
