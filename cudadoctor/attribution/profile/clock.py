"""What a thread did between its calls, read off its CPU time, samples of its stack, and the bytes that were read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.charges import OWN
from cudadoctor.attribution.profile.model import Floats, Ints, Model
from cudadoctor.attribution.profile.trace import Doing

_SAMPLE_REACH = 500_000_000
"""A sample speaks for gaps up to this long before and after it, where none was taken in them."""
_READ_REACH = 50_000_000
_READS = 65_536
"""Bytes in that time that make waiting a waiting for files; less is what any program reads."""
_COPY_RATE = 4e9
"""Bytes a second at which one core copies what is in the page cache already."""


class Clock:
    """How much of a lane's time between calls went to each of `OWN`, as a running sum over time."""

    def __init__(self, model: Model, lane: int) -> None:
        """Work out what a lane did between its calls, cell by cell of the grid of readings."""
        trace, calls = model.trace, model.calls
        threads = model.lanes[lane]
        mine = np.flatnonzero(calls.lane == lane)
        start, end = calls.start[mine], calls.end[mine]
        cpu = trace.cpu[np.isin(trace.cpu["thread"], threads)]
        samples = trace.samples[np.isin(trace.samples["thread"], threads)]
        inside = np.searchsorted(start, samples["at"], side="right") - 1
        free = (
            (inside < 0) | (samples["at"] > end[np.maximum(inside, 0)]) if len(start) else np.ones(len(samples), bool)
        )
        samples = samples[free]
        grid = np.unique(cpu["at"]) if len(cpu) else np.unique(samples["at"])
        self.grid = np.concatenate([[0], grid[(grid > 0) & (grid < trace.end)], [max(trace.end, 1)]]).astype(np.int64)
        width = np.diff(self.grid).astype(np.float64)
        busy = _busy(cpu, threads, self.grid)
        in_calls = np.diff(np.interp(self.grid, *_in_calls(start, end)))
        ratio = _cpu_by_gaps(busy, in_calls, width)
        compiling, importing, reading, sleeping, told = _sampled(samples, self.grid)
        rest = np.clip(1.0 - compiling - importing - reading, 0.0, 1.0)
        without_cpu = np.isnan(ratio)
        python = np.where(without_cpu, 0.0, np.minimum(rest, np.nan_to_num(ratio)))
        waiting = np.where(without_cpu, np.where(told, np.minimum(sleeping, rest), 0.0), rest - python)
        host = np.clip(rest - python - waiting, 0.0, 1.0)
        waited, worked = _read(trace.reads, self.grid, sleeping)
        reading += np.where(waited, waiting, 0.0) + np.minimum(python, worked)
        waiting, python = np.where(waited, 0.0, waiting), python - np.minimum(python, worked)
        shares = np.stack([compiling, importing, reading, python, waiting, host], axis=1)
        self.sums = np.concatenate([np.zeros((1, len(OWN))), np.cumsum(shares * width[:, None], axis=0)])

    def between(self, begin: Ints, end: Ints) -> Floats:
        """Return the shares (n x 6, of `OWN`) of spans in which the lane calls nothing."""
        length = np.maximum(end - begin, 1).astype(np.float64)
        made = np.empty((len(begin), len(OWN)))
        for column in range(len(OWN)):
            sums = self.sums[:, column]
            made[:, column] = (np.interp(end, self.grid, sums) - np.interp(begin, self.grid, sums)) / length
        total = made.sum(axis=1)
        made[:, -1] += np.maximum(0.0, 1.0 - total)
        result: Floats = made / np.maximum(total, 1.0)[:, None]
        return result


def _in_calls(start: Ints, end: Ints) -> tuple[Floats, Floats]:
    """Return points of the running sum of time in calls."""
    at = np.stack([start, end], axis=1).ravel().astype(np.float64)
    sums = np.stack([np.zeros(len(start)), (end - start).astype(np.float64)], axis=1).ravel().cumsum()
    return (at, sums) if len(at) else (np.zeros(1), np.zeros(1))


def _busy(cpu: np.ndarray, threads: tuple[int, ...], grid: Ints) -> Floats:
    """Return the CPU time of the threads in each cell of the grid, NaN where it was not read."""
    made = np.zeros(len(grid) - 1)
    known = np.zeros(len(grid) - 1, bool)
    for thread in threads:
        mine = cpu[cpu["thread"] == thread]
        if len(mine) < 2:
            continue
        made += np.diff(np.interp(grid, mine["at"], np.maximum.accumulate(mine["cpu"])))
        known |= (grid[:-1] >= mine["at"][0]) & (grid[1:] <= mine["at"][-1])
    made[~known] = np.nan
    return made


def _cpu_by_gaps(busy: Floats, in_calls: Floats, width: Floats) -> Floats:
    """Return which part of the time between calls was CPU time, a cell; NaN where it is not known.

    CUDA lets a waiting thread spin or sleep; which of them is read off the cells that are nearly all calls.
    """
    gaps = np.maximum(width - in_calls, 0.0)
    calls_only = (in_calls > 0.9 * width) & (width > 0) & ~np.isnan(busy)
    spins = (
        float(np.clip(np.median((busy / np.maximum(in_calls, 1.0))[calls_only]), 0, 1)) if calls_only.sum() > 5 else 1.0
    )
    ratio: Floats = np.clip((busy - spins * in_calls) / np.maximum(gaps, 1.0), 0.0, 1.0)
    ratio[gaps <= 0] = np.nan
    return ratio


def _sampled(samples: np.ndarray, grid: Ints) -> tuple[Floats, Floats, Floats, Floats, np.ndarray]:
    """Return the shares of samples at compiling, importing, reading and sleeping, a cell, and whether there are any."""
    cells = len(grid) - 1
    cell = np.clip(np.searchsorted(grid, samples["at"], side="right") - 1, 0, cells - 1)
    many = np.bincount(cell, minlength=cells)
    sampled = np.flatnonzero(many)
    if not len(sampled):
        nothing = np.zeros(cells)
        return nothing, nothing, nothing, nothing, np.zeros(cells, bool)
    later = np.clip(np.searchsorted(sampled, np.arange(cells)), 0, len(sampled) - 1)
    before, after = sampled[np.maximum(later - 1, 0)], sampled[later]
    here = np.arange(cells)
    nearest = np.where(np.abs(grid[here] - grid[before]) < np.abs(grid[after] - grid[here]), before, after)
    reach = np.abs(grid[:-1] - grid[nearest]) <= _SAMPLE_REACH
    shares = []
    for doing in (Doing.COMPILING, Doing.IMPORTING, Doing.READING, Doing.SLEEPING):
        part = np.bincount(cell[samples["doing"] == doing], minlength=cells) / np.maximum(many, 1)
        shares.append(np.where(reach, part[nearest], 0.0))
    return (*shares, reach)


def _read(reads: NDArray[Any], grid: Ints, sleeping: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Return in which cells waiting is waiting for files, and which part of the others went on copying their bytes.

    What storage had to fetch was waited for; so was what was asked for elsewhere (a file system in the network), unless
    the thread was seen asleep by name: then it was a pipe that another process filled.
    """
    cells = len(grid) - 1
    if len(reads) < 2:
        return np.zeros(cells, np.bool_), np.zeros(cells)
    width = np.maximum(np.diff(grid), 1).astype(np.float64)

    def bytes_in(field: str, reach: int) -> Floats:
        sums = np.maximum.accumulate(reads[field]).astype(np.float64)
        made: Floats = np.interp(grid[1:] + reach, reads["at"], sums) - np.interp(grid[:-1], reads["at"], sums)
        return made

    # A long read is counted when it ends.
    waited = bytes_in("storage", _READ_REACH) >= _READS
    waited |= (bytes_in("asked", _READ_REACH) >= _READS) & (sleeping < 0.5)
    return waited, np.clip(bytes_in("asked", 0) / _COPY_RATE * 1e9 / width, 0.0, 1.0)
