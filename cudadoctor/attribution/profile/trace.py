"""A traced run of a program, decoded: what the device did, what the host called, and what its threads were at.

All times are nanoseconds since the program's first line ran, on one clock for device and host; a time may be negative
for what happened before it. Arrays are sorted by start. Names and lines are indices into the tables of the trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.code import KernelCode


class DeviceKind(IntEnum):
    """What the device did: a kernel, a copy by direction, a memset, or a whole CUDA graph."""

    KERNEL = 1
    COPY_TO_DEVICE = 2
    COPY_TO_HOST = 3
    COPY_ON_DEVICE = 4
    COPY_BETWEEN_DEVICES = 5
    COPY_ON_HOST = 6
    MEMSET = 7
    GRAPH = 8


class Memory(IntEnum):
    """Where one end of a copy lies, by CUpti_ActivityMemoryKind."""

    UNKNOWN = 0
    PAGEABLE = 1
    PINNED = 2
    DEVICE = 3
    ARRAY = 4
    MANAGED = 5
    DEVICE_STATIC = 6
    MANAGED_STATIC = 7


class CallKind(IntEnum):
    """What a call of the driver API is for."""

    LAUNCH = 1
    COPY = 2
    MEMSET = 3
    SYNC = 4
    ALLOCATE = 5
    FREE = 6
    MODULE = 7
    """Modules, libraries and functions: loading, linking and JIT of PTX."""
    CONTEXT = 8
    """Initialisation, devices and contexts."""
    EVENT = 9
    """Recording and querying events, and making a stream wait for one."""
    QUERY = 10
    """Attributes, pointers, current context: what should cost nothing."""
    CAPTURE = 11
    """Capturing, instantiating and changing graphs (launching one is a LAUNCH)."""
    OTHER = 12


MARKED = (CallKind.LAUNCH, CallKind.COPY, CallKind.MEMSET)
"""The calls whose beginnings are noted in untraced runs."""


class SyncKind(IntEnum):
    """What was waited for, by CUpti_ActivitySynchronizationType."""

    UNKNOWN = 0
    EVENT = 1
    STREAM_WAIT_EVENT = 2
    """A stream waits, not the host."""
    STREAM = 3
    CONTEXT = 4


class Doing(IntEnum):
    """What a sampled Python thread was at, by the frames on its stack."""

    PYTHON = 1
    """Lines of Python, or a native function called from one."""
    COMPILING = 2
    """A compiler of kernels: numba, NVRTC through CuPy, Triton, Inductor, XLA."""
    SLEEPING = 3
    """time.sleep, a lock, a queue, select: waiting by name."""
    READING = 4
    """Reading or writing files."""
    IMPORTING = 5
    FEEDING = 6
    """Python at the bidding of a data loader, which makes the next batch on this thread."""


DEVICE_OPS = np.dtype(
    [
        ("kind", "u1"),  # DeviceKind
        ("start", "i8"),
        ("end", "i8"),
        ("device", "u4"),
        ("context", "u4"),
        ("stream", "u4"),
        ("correlation", "u4"),  # that of the call which submitted it; a graph's nodes share the launch's
        ("bytes", "i8"),  # of a copy or memset
        ("source", "u1"),  # Memory, of a copy
        ("target", "u1"),  # Memory, of a copy
        ("asynchronous", "?"),  # a copy that was called as asynchronous
        ("name", "i4"),  # of a kernel; -1 if there is none
        ("blocks", "i8"),  # of the grid
        ("threads", "i4"),  # of a block
        ("registers", "i4"),  # of a thread
        ("shared_bytes", "i4"),  # of a block, static and dynamic
        ("local_bytes", "i4"),  # of a thread, spilled
    ]
)

CALLS = np.dtype(
    [
        ("kind", "u1"),  # CallKind
        ("start", "i8"),
        ("end", "i8"),
        ("process", "u4"),
        ("thread", "u4"),  # as gettid() names it
        ("correlation", "u4"),
        ("name", "i4"),
        ("result", "i4"),  # CUresult; 0 is success
    ]
)
"""Calls of the driver API, by the program itself, by its libraries or by the runtime API for them; calls that only ask
are left out."""

SYNCS = np.dtype(
    [
        ("kind", "u1"),  # SyncKind
        ("start", "i8"),
        ("end", "i8"),
        ("context", "u4"),
        ("stream", "u4"),
        ("correlation", "u4"),
    ]
)

OVERHEADS = np.dtype(
    [
        ("kind", "u4"),  # Overhead
        ("start", "i8"),
        ("end", "i8"),
        ("thread", "u4"),
    ]
)
"""What the tracer itself says that it cost, and what the driver spent in compiling and lazy loading."""


class Overhead(IntEnum):
    """What cost time beside the program's own work, by CUpti_ActivityOverheadKind."""

    DRIVER_COMPILER = 1
    BUFFER_FLUSH = 1 << 16
    INSTRUMENTATION = 2 << 16
    RESOURCE = 3 << 16
    RUNTIME_TRIGGERED_MODULE_LOADING = 4 << 16
    LAZY_FUNCTION_LOADING = 5 << 16
    COMMAND_BUFFER_FULL = 6 << 16
    ACTIVITY_BUFFER_REQUEST = 7 << 16
    UVM_ACTIVITY_INIT = 8 << 16


RANGES = np.dtype([("start", "i8"), ("end", "i8"), ("thread", "u4"), ("name", "i4")])
"""NVTX ranges that were opened and closed."""

CPU_TIMES = np.dtype([("at", "i8"), ("thread", "u4"), ("cpu", "i8")])
"""Nanoseconds of CPU time that a thread had used at a moment, read from outside the process, sorted by moment."""

READS = np.dtype([("at", "i8"), ("asked", "i8"), ("storage", "i8")])
"""Bytes that the process had asked the kernel for at a moment, and bytes that storage had to fetch for it."""

SAMPLES = np.dtype([("at", "i8"), ("thread", "u4"), ("line", "i4"), ("doing", "u1")])
"""Where a Python thread was at a moment: the innermost line of the user's own files, and what went on there."""


class SourceLine(NamedTuple):
    """A line of the user's program."""

    file: str
    line: int
    function: str


class TracerCost(NamedTuple):
    """What recording one thing costs the host, measured beside the program on the same machine, nanoseconds."""

    launch: float
    copy: float
    call: float
    """Any other call."""


class Trace(NamedTuple):
    """One traced run.

    `end` is when the script was done, or when the process ended where it was killed. `main_thread` ran the script.
    `marks` are the beginnings of all calls of the driver API that launch, copy or set memory, in order: the same calls
    whose beginnings a marked control run notes.
    `codes` say what is known of kernels' code, by the index of their names.
    `dropped` records, or more, were lost: because the pool was full, by the tracer's own count, or because what stood
    in the pool made no sense. Nothing is known after `complete_until` for certain.
    """

    ops: NDArray[Any]
    calls: NDArray[Any]
    syncs: NDArray[Any]
    overheads: NDArray[Any]
    ranges: NDArray[Any]
    cpu: NDArray[Any]
    samples: NDArray[Any]
    reads: NDArray[Any]
    marks: NDArray[Any]
    names: tuple[str, ...]
    lines: tuple[SourceLine, ...]
    end: int
    main_thread: int
    dropped: int = 0
    complete_until: int | None = None
    cost: TracerCost = TracerCost(0.0, 0.0, 0.0)
    codes: Mapping[int, KernelCode] = MappingProxyType({})


class Peaks(NamedTuple):
    """What this machine was measured to reach, beside the program; None where it was not measured.

    Copies in bytes a second of pinned memory, device memory as bytes read plus written.
    """

    to_device: float | None = None
    to_host: float | None = None
    device_memory: float | None = None
    multiprocessors: int | None = None
    fp32_per_fp64: float | None = None
    """How many times faster this device is in single than in double precision, by its architecture."""


class Control(NamedTuple):
    """The program untraced: wall nanoseconds from its first line to its end, one a run.

    `marks` are of runs in which nothing but the beginnings of the calls that `Trace.marks` names was noted: for each
    such run their nanoseconds since the program's first line. A step begins and ends with the same calls there as in
    the traced run, if both made equally many.
    """

    walls: tuple[int, ...]
    marks: tuple[NDArray[Any], ...] = ()
