"""Switch the tracer on in this process and off again: the traced child's side, standard library alone."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import struct
import time
from ctypes import c_size_t, c_void_p
from typing import Literal

from cudadoctor.gpu.cupti import pool, thread_number
from cudadoctor.gpu.cupti.binding import DRIVER_API, KINDS, LAST, NEEDED, Cupti, CuptiError
from cudadoctor.gpu.cupti.callback_source import ALIGNMENT

_CODE_AT = 64
_PROT_READ_WRITE, _PROT_READ_EXECUTE = 3, 5

_FLUSH_AFTER_S = (1.0, 4.0, 15.0, 60.0, 240.0)
"""When what is complete is handed over early, so that a killed program's kernels have names."""

LAST_CALL = "cuDriverGetVersion"
_QUESTIONS = re.compile(
    r"cu(Ctx(Get|Set|Push|Pop)|Get|Device(Get|PrimaryCtxGetState)|PointerGet|FuncGet|KernelGet(Name|Attribute|Param)"
    r"|Occupancy|Stream(IsCapturing|Get)|ThreadExchange|MemPoolGet)"
)
"""Calls that only ask what the driver knows, many of them around each launch of a library: they are not recorded."""


class NotTracedError(Exception):
    """The tracer could not be switched on; the text says why."""


class Tracing:
    """A tracer that is on; `stop` writes what is left."""

    def __init__(self, cupti: Cupti, writer: pool.Writer, code: int) -> None:
        """Take what must stay alive while records are written."""
        self._cupti, self._writer, self._code = cupti, writer, code
        self._flushes = [*_FLUSH_AFTER_S]
        self._started = time.monotonic()

    def clocks(self) -> tuple[int, int]:
        """Return the records' clock and `time.monotonic_ns` at one moment, to a microsecond."""
        best = None
        for _ in range(5):
            before = time.monotonic_ns()
            stamp = self._cupti.timestamp()
            after = time.monotonic_ns()
            if best is None or after - before < best[0]:
                best = (after - before, stamp, (before + after) // 2)
        assert best is not None
        return best[1], best[2]

    def tick(self) -> None:
        """Hand over what is complete, if it is time to."""
        if self._flushes and time.monotonic() - self._started > self._flushes[0]:
            self._flushes.pop(0)
            self.flush(forced=False)

    def flush(self, *, forced: bool) -> None:
        """Hand over what is complete; an error is noted."""
        try:
            self._cupti.flush(forced=forced)
        except CuptiError as error:
            self._writer.tell("flush failed", reason=str(error))

    def stop(self) -> None:
        """Hand over all records and say how many were lost.

        A last call of the driver, if the program had loaded it, must come out among the records: where it does not,
        something in the program has taken them over.
        """
        if _driver_is_loaded():
            try:
                self._cupti.enable(LAST["DRIVER"])
                self._writer.tell("last call", name=LAST_CALL)
            except CuptiError as error:
                self._writer.tell("no last call", reason=str(error))
            ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(ctypes.c_int()))
        self.flush(forced=True)
        try:
            self._writer.tell("dropped", records=self._cupti.dropped())
        except CuptiError as error:
            self._writer.tell("dropped", records=None, reason=str(error))


def _driver_is_loaded() -> bool:
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        return any("/libcuda.so" in line for line in maps)


def start(memory: mmap.mmap, writer: pool.Writer, libraries: list[str]) -> Tracing:
    """Trace with the first of the libraries that can.

    Raises:
        NotTracedError: None can, each with its reason.
    """
    native = pool.native_code(memory)
    if native is None:
        raise NotTracedError("there are no callbacks for this machine")
    reasons = []
    for path in libraries:
        try:
            return _start_with(path, memory, writer, native)
        except (OSError, CuptiError) as error:  # noqa: PERF203 - a few libraries
            reasons.append(f"{path}: {error}")
    raise NotTracedError("; ".join(reasons) or "no libcupti was found")


def call_back(
    memory: mmap.mmap,
    writer: pool.Writer,
    library: str,
    what: Literal["delay", "mark"],
    ids: list[int],
    delay: tuple[int, int],
) -> None:
    """Instead of tracing, note when calls of the driver API begin, named by their callback ids, and delay some of them.

    `delay` is for how many nanoseconds, and how many calls are a block that is delayed or is not.

    Raises:
        NotTracedError: It cannot be done; the text says why.
    """
    native = pool.native_code(memory)
    if native is None:
        raise NotTracedError("there are no callbacks for this machine")
    delay_ns, block = delay
    struct.pack_into("<Q", memory, pool.DELAY_NS_AT, delay_ns)
    struct.pack_into("<Q", memory, pool.DELAY_BLOCK_AT, max(1, block))
    start_at = native.delay_at if what == "delay" else native.mark_at
    try:
        Cupti(library).call_back(_place(native, memory) + start_at, DRIVER_API, ids)
    except (OSError, CuptiError) as error:
        raise NotTracedError(str(error)) from error
    writer.tell("called back", library=library, what=what, calls=len(ids), ns=delay_ns)


def _place(native: pool.NativeCode, memory: mmap.mmap) -> int:
    """Put the callbacks into this process, tell them the clock and threads, and return the address of their code."""
    library = ctypes.CDLL(None)
    clock = ctypes.cast(library.clock_gettime, c_void_p).value or 0
    struct.pack_into("<Q", memory, pool.CLOCK_AT, clock)
    oneself = ctypes.cast(library.pthread_self, c_void_p).value or 0
    struct.pack_into("<QQ", memory, pool.SELF_AT, oneself, thread_number.place_in_self(library))
    # CUPTI may write until the process is gone, so the pool is never unmapped.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
    return _load_code(native.code, ctypes.addressof(ctypes.c_char.from_buffer(memory)))


def _start_with(path: str, memory: mmap.mmap, writer: pool.Writer, native: pool.NativeCode) -> Tracing:
    cupti = Cupti(path)
    version = cupti.version()
    base = _place(native, memory)
    struct.pack_into("<Q", memory, pool.NEXT_RECORD_AT, cupti.next_record_address())
    struct.pack_into("<Q", memory, pool.STAMP_AT, cupti.timestamp_address())
    names = cupti.call_names(DRIVER_API)
    cupti.call_back(base + native.call_at, DRIVER_API, [id for id, name in names.items() if not _QUESTIONS.match(name)])
    writer.tell("calls", names=names)
    try:
        cupti.use_system_thread_ids()
        system_threads = True
    except CuptiError:
        system_threads = False
    cupti.register(base + native.requested_at, base + native.completed_at)
    # NVTX, as libraries carry it, looks here for who listens. Set for this process only: os.environ does not see it.
    ctypes.CDLL(None).setenv(b"NVTX_INJECTION64_PATH", os.fsencode(os.path.realpath(path)), 0)
    enabled, refused = [], {}
    for name, kind in KINDS.items():
        try:
            cupti.enable(kind)
            enabled.append(name)
        except CuptiError as error:  # noqa: PERF203 - a dozen kinds
            if name in NEEDED:
                raise
            refused[name] = str(error)
    writer.tell(
        "tracer", path=os.path.realpath(path), version=version, enabled=enabled, refused=refused, gettid=system_threads
    )
    return Tracing(cupti, writer, base)


def _load_code(code: bytes, pool_address: int) -> int:
    """Put the callbacks where they find the pool, and return the address of their code.

    Raises:
        OSError: This system does not let a process make code (SELinux's execmem, for one).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = c_void_p
    libc.mmap.argtypes = [c_void_p, c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.mprotect.argtypes = [c_void_p, c_size_t, ctypes.c_int]
    size = 2 * ALIGNMENT
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    mapped = libc.mmap(None, size, _PROT_READ_WRITE, flags, -1, 0)
    if mapped in (None, c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "no memory for the tracer's callbacks")
    base = int(-(-mapped // ALIGNMENT) * ALIGNMENT)
    ctypes.memmove(base, struct.pack("<Q", pool_address), 8)
    ctypes.memmove(base + _CODE_AT, code, len(code))
    if libc.mprotect(base, ALIGNMENT, _PROT_READ_EXECUTE):
        error = ctypes.get_errno()
        raise OSError(error, f"this system does not let a process make code: {os.strerror(error)}")
    _forget_old_instructions(base, ALIGNMENT)
    return base + _CODE_AT


def _forget_old_instructions(base: int, size: int) -> None:
    """Tell the processor that there is new code, where it does not see that itself (aarch64)."""
    if os.uname().machine == "aarch64":
        ctypes.CDLL("libgcc_s.so.1").__clear_cache(c_void_p(base), c_void_p(base + size))
