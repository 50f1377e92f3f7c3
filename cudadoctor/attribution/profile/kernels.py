"""What a trace says of kernels that could be faster themselves, and of kernels that were slower at first.

A trace holds a kernel's grid, name and time. So a grid that leaves most of the GPU empty is seen at once. Double
precision is read off names and types, or off the code where it is known. Memory that is read in a slow order is seen in
code whose neighbouring threads reach far apart: where that code does not loop, a thread moves a known number of bytes,
and the time tells how slowly. Where it loops, and does little but read like that, it may be slow for that: how much a
cache makes good is not known, so no more than the bound is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile import edits
from cudadoctor.attribution.profile.excerpt import Excerpt
from cudadoctor.attribution.profile.grouping import grouped
from cudadoctor.attribution.profile.model import Floats, Model
from cudadoctor.attribution.profile.trace import DeviceKind
from cudadoctor.attribution.profile.window import Candidate, Window

FEW_BLOCKS = 2
"""Blocks a multiprocessor below which a grid cannot fill the GPU."""
_MOST_TIME = 0.5
_LONG_KERNEL = 20_000.0
"""Nanoseconds: shorter kernels are near the time that any kernel takes."""
_KERNEL_BOUND = 0.5
_CONSUMER = 16.0
"""Consumer cards do 1:16 and less of their float32 in float64, those of data centres 1:2."""
_SLOW_READS = 0.25
"""Part of the device's bandwidth: a kernel that only moves bytes reaches 0.7 and more in order."""
_FEW_SUMS = 4
"""Sums for each number that is read: a loop of so few is taken to wait for memory. By judgement, not by measurement."""
_SECTOR = 32
"""Bytes that are moved where one thread asks for a number of its own, far from its neighbours'."""
_RAMP = 1.2
_SETTLED = 1.1
_FEWEST = 20

# float64 in names: C++ and Itanium mangling, numba's array types, CuPy's and cuBLAS's own names.
_DOUBLE = re.compile(
    r"double|float64|complex128|Array[<I]d|Id(?:Li|E)|[ _]d(?:gemm|trsm|syrk|gemv|dot|axpy)|_f64|f64f64"
)
_MAYBE_NOT = re.compile(r"float32|ArrayIf|sgemm|hgemm")


class Ramp(NamedTuple):
    """A kernel that was slower at first: by which factor, for how long, and what that cost in all, nanoseconds."""

    name: int
    factor: float
    until: float
    cost: float


def candidates(window: Window) -> Iterator[Candidate]:
    """Yield what may make the kernels slow."""
    excerpt = window.excerpt
    kernels = excerpt.ops["kind"] == DeviceKind.KERNEL
    if kernels.any():
        for found in (_few_blocks(window, kernels), _far_apart(window, kernels), _double(window, kernels)):
            if found is not None:
                yield found


def _few_blocks(window: Window, kernels: NDArray[np.bool_]) -> Candidate | None:
    excerpt, sms = window.excerpt, window.peaks.multiprocessors
    if not sms:
        return None
    ops, duration = excerpt.ops, excerpt.base.duration
    few = kernels & (ops["blocks"] < FEW_BLOCKS * sms) & (ops["blocks"] > 0)
    narrow = few & (ops["blocks"] < sms) & (duration >= _LONG_KERNEL)
    total = float(duration[kernels].sum())
    if not narrow.any() or total <= 0:
        return None
    factor = np.where(narrow, np.maximum(ops["blocks"] / sms, _LONG_KERNEL / 10 / np.maximum(duration, 1.0)), 1.0)
    return Candidate(
        "low-occupancy-grid",
        edits.with_faster_kernels(excerpt, np.minimum(factor, 1.0)),
        "the same work, over all multiprocessors",
        (
            window.sign("share of kernel time in small grids", float(duration[few].sum()) / total),
            window.sign("blocks, median", float(np.median(ops["blocks"][narrow]))),
            window.sign("multiprocessors", sms, "driver"),
        ),
        fits=float(duration[few].sum()) >= _MOST_TIME * total,
        bound=True,
        kernels=_names(excerpt, narrow),
    )


def _double(window: Window, kernels: NDArray[np.bool_]) -> Candidate | None:
    excerpt, ratio = window.excerpt, window.peaks.fp32_per_fp64
    if not ratio or ratio <= 1:
        return None
    names = excerpt.model.trace.names
    double = np.array([bool(_DOUBLE.search(name)) and not _MAYBE_NOT.search(name) for name in names] + [False])
    index = np.where((excerpt.ops["name"] >= 0) & (excerpt.ops["name"] < len(names)), excerpt.ops["name"], len(names))
    for name, code in excerpt.model.trace.codes.items():
        if 0 <= name < len(names):
            double[name] = code.float64 > code.float32
    mine = kernels & double[index]
    if not mine.any():
        return None
    total = float(excerpt.base.duration[kernels].sum())
    share = float(excerpt.base.duration[mine].sum()) / total if total > 0 else 0.0
    # Half the bytes at least; more only where the FP64 units are so few that they are what is waited for.
    factor = np.where(mine, 1.0 / (ratio if ratio >= _CONSUMER else min(2.0, ratio)), 1.0)
    return Candidate(
        "fp64-on-consumer-gpu",
        edits.with_faster_kernels(excerpt, factor),
        "float32 throughout, if that is precise enough",
        (
            window.sign("share of kernel time in double precision", share, "names or code of kernels"),
            window.sign("single over double precision on this device", ratio, "architecture"),
            window.sign("share of the time in kernels", window.parts.share("kernels"), "decomposition"),
        ),
        fits=ratio >= _CONSUMER and share >= _MOST_TIME and window.parts.share("kernels") >= _KERNEL_BOUND,
        bound=True,
        kernels=_names(excerpt, mine),
    )


def _far_apart(window: Window, kernels: NDArray[np.bool_]) -> Candidate | None:
    """Judge kernels that read far apart: by their time where they do not loop, else by what their loops do."""
    return _slow_reads(window, kernels) or _looped_reads(window, kernels)


def _looped_reads(window: Window, kernels: NDArray[np.bool_]) -> Candidate | None:
    excerpt = window.excerpt
    ops, duration = excerpt.ops, excerpt.base.duration
    part = np.ones(len(excerpt.model.trace.names) + 1)
    for name, code in excerpt.model.trace.codes.items():
        far = code.loop_far > 0 and 2 * code.loop_far_bytes >= code.loop_bytes
        if 0 <= name < len(part) - 1 and far and code.loop_sums <= _FEW_SUMS * code.loop_far:
            part[name] = min(1.0, code.loop_far_bytes / code.loop_far / _SECTOR)
    index = np.where((ops["name"] >= 0) & (ops["name"] < len(part)), ops["name"], len(part) - 1)
    mine = kernels & (part[index] < 1.0) & (duration >= _LONG_KERNEL)
    if not mine.any():
        return None
    return Candidate(
        "uncoalesced-access",
        edits.with_faster_kernels(excerpt, np.where(mine, part[index], 1.0)),
        "neighbouring threads read neighbouring elements, and no cache made good for it before",
        (
            window.sign("share of kernel time in such kernels", float(duration[mine].sum() / duration[kernels].sum())),
            window.sign("part of what is moved that is asked for", float(np.median(part[index][mine])), "code"),
        ),
        fits=False,  # how often the loop runs, and what the cache holds, a trace cannot tell
        bound=True,
        kernels=_names(excerpt, mine),
    )


def _slow_reads(window: Window, kernels: NDArray[np.bool_]) -> Candidate | None:
    """Judge kernels whose code does not loop: each thread moves a known number of bytes, most of them far apart."""
    excerpt, peak = window.excerpt, window.peaks.device_memory
    ops, duration = excerpt.ops, excerpt.base.duration
    moved = np.zeros(len(excerpt.model.trace.names) + 1)
    for name, code in excerpt.model.trace.codes.items():
        if 0 <= name < len(moved) - 1 and not code.loops and 2 * code.far_bytes >= code.bytes:
            moved[name] = code.least_bytes or code.bytes
    index = np.where((ops["name"] >= 0) & (ops["name"] < len(moved)), ops["name"], len(moved) - 1)
    useful = moved[index] * ops["blocks"] * ops["threads"]
    if not peak:
        return None
    slow = kernels & (useful > 0) & (duration >= _LONG_KERNEL) & (useful * 1e9 <= _SLOW_READS * peak * duration)
    if not slow.any():
        return None
    factor = np.where(slow, np.clip(useful / peak * 1e9 / np.maximum(duration, 1.0), 1 / 32, 1.0), 1.0)
    total = float(duration[kernels].sum())
    return Candidate(
        "uncoalesced-access",
        edits.with_faster_kernels(excerpt, factor),
        "neighbouring threads read neighbouring elements, at this device's bandwidth",
        (
            window.sign("share of kernel time in such kernels", float(duration[slow].sum()) / total),
            window.sign("bytes that a thread moves", float(np.median(moved[index][slow])), "code of the kernels"),
            window.sign(
                "bytes moved over kernel time, part of this device's bandwidth",
                float(useful[slow].sum() / duration[slow].sum() * 1e9 / peak),
            ),
        ),
        fits=float(duration[slow].sum()) >= _MOST_TIME * total,
        bound=True,
        kernels=_names(excerpt, slow),
    )


def ramp(model: Model) -> Ramp | None:
    """Return the kernel that lost most time at first: identical launches a fifth slower than later, None for none."""
    ops = model.trace.ops
    mine = np.flatnonzero(ops["kind"] == DeviceKind.KERNEL)
    if len(mine) < _FEWEST:
        return None
    duration = (ops["end"] - ops["start"])[mine].astype(np.float64)
    _, which, many = grouped(*(ops[field][mine] for field in ("name", "blocks", "threads", "device")))
    sums = np.bincount(which, duration)
    best: Ramp | None = None
    for each in np.argsort(-sums, kind="stable")[:10]:
        if many[each] < _FEWEST:
            continue
        places = mine[which == each]
        found = _ramp_of(
            ops["start"][places].astype(np.float64), (ops["end"] - ops["start"])[places].astype(np.float64)
        )
        if found is not None and (best is None or found[2] > best.cost):
            best = Ramp(int(ops["name"][places[0]]), *found)
    return best


def _ramp_of(start: Floats, duration: Floats) -> tuple[float, float, float] | None:
    """Return factor, end and cost of a slow beginning; None where there is none, or where slow and fast take turns."""
    n = len(duration)
    later = float(np.median(duration[n // 2 :]))
    width = max(3, min(n // 20, 50))
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(duration[: n // 2 + width], width), axis=1)
    if later <= 0 or smooth[0] < _RAMP * later:
        return None
    settled = np.flatnonzero(smooth <= _SETTLED * later)
    if not len(settled) or np.mean(smooth[settled[0] :] > _RAMP * later) > 0.05:
        return None
    upto = int(settled[0])
    cost = float(np.sum(np.maximum(duration[:upto] - later, 0.0)))
    return float(smooth[0]) / later, float(start[min(upto, n - 1)]), cost


def _names(excerpt: Excerpt, mine: NDArray[np.bool_]) -> tuple[int, ...]:
    names = excerpt.ops["name"][mine]
    firsts, which, _ = grouped(names)
    sums = np.bincount(which, excerpt.base.duration[mine])
    return tuple(int(names[firsts[place]]) for place in np.argsort(-sums, kind="stable")[:3])
