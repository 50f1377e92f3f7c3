"""The memory of a measurement: how much of it fits, taken once, and given back whatever happens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec
import numpy as np

from cudadoctor.bandwidth.hold import Hold, open_hold
from cudadoctor.bandwidth.patterns import Words, words_at
from cudadoctor.gpu.driver_api import Driver, DriverError
from cudadoctor.units import format_size

SMALLEST_BYTES = 64 * 2**10
"""Below this a copy is ruled by its own overhead, and its rate says nothing about a link."""

_OUT_OF_MEMORY = 2
_DEVICE_BUFFERS, _HOST_BUFFERS = 2, 4  # of the host one is for kinds with memory of their own
# What is left to others of the memory that is free.
_DEVICE_SHARE, _HOST_SHARE = 0.9, 0.8


class NoRoomError(Exception):
    """Not even the smallest buffers fit; the text says which memory is short."""


class Workspace(msgspec.Struct, kw_only=True):
    """Buffers of one size. Device addresses are integers; host buffers are arrays of 64-bit words.

    `source` and `target` are pinned, unless `not_pinned` says why they could not be; `pageable` never is.
    """

    driver: Driver
    stream: int
    start: int
    stop: int
    hold: Hold
    size_bytes: int
    device_source: int
    device_target: int
    source: Words
    target: Words
    pageable: Words
    not_pinned: str
    notes: tuple[str, ...]


def fitting_size(wanted: int, device_free: int, host_free: int) -> tuple[int, str]:
    """Return the size of a buffer that fits, a multiple of 8, and a note if it is smaller than wanted.

    Raises:
        NoRoomError: Less than `SMALLEST_BYTES` fits.
    """
    wanted = max(wanted // 8 * 8, 8)
    by_device = int(device_free * _DEVICE_SHARE / _DEVICE_BUFFERS)
    by_host = int(host_free * _HOST_SHARE / _HOST_BUFFERS)
    size = min(wanted, by_device, by_host)
    short = (
        f"{format_size(device_free)} of device memory"
        if by_device <= by_host
        else f"{format_size(host_free)} of host memory"
    )
    if size < min(wanted, SMALLEST_BYTES):
        raise NoRoomError(f"only {short} is free")
    if size == wanted:
        return size, ""
    return round_down(size), f"{format_size(round_down(size))} instead of {format_size(wanted)}: only {short} is free"


def round_down(size: int) -> int:
    """Return a whole number of MiB, below one a whole number of words."""
    return size // 2**20 * 2**20 if size >= 2**20 else size // 8 * 8


@contextmanager
def open_workspace(driver: Driver, wanted: int, *, host_free: int) -> Iterator[Workspace]:
    """Take buffers of the wanted size in the current context, or of as much as can be had.

    Raises:
        NoRoomError: There is not enough memory.
        DriverError: Something other than memory is wrong.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(driver.stream())
        start, stop = stack.enter_context(driver.event()), stack.enter_context(driver.event())
        hold = stack.enter_context(open_hold(driver, stream))
        size, note = fitting_size(wanted, driver.free_memory_bytes(), host_free)
        notes = [note] if note else []

        device = _take(stack, driver, _DEVICE_BUFFERS, size, pinned=False)
        if isinstance(device, DriverError):
            raise NoRoomError(f"device memory could not be allocated: {device}")
        device_addresses, device_size = device
        if device_size < size:
            less = f"{format_size(device_size)} instead of {format_size(size)}"
            notes.append(f"{less}: more device memory could not be allocated")
            size = device_size

        pinned = _take(stack, driver, 2, size, pinned=True)
        if isinstance(pinned, DriverError):
            not_pinned = f"host memory could not be pinned: {pinned}{_lock_limit()}"
            source, target = np.empty(size // 8, dtype=np.uint64), np.empty(size // 8, dtype=np.uint64)
        else:
            not_pinned = ""
            addresses, pinned_size = pinned
            if pinned_size < size:
                less = f"{format_size(pinned_size)} instead of {format_size(size)}"
                notes.append(f"{less}: more host memory could not be pinned{_lock_limit()}")
                size = pinned_size
            source, target = (words_at(address, size) for address in addresses)
        yield Workspace(
            driver=driver,
            stream=stream,
            start=start,
            stop=stop,
            hold=hold,
            size_bytes=size,
            device_source=device_addresses[0],
            device_target=device_addresses[1],
            source=source,
            target=target,
            pageable=np.empty(size // 8, dtype=np.uint64),
            not_pinned=not_pinned,
            notes=tuple(notes),
        )


def _take(
    stack: ExitStack, driver: Driver, count: int, size: int, *, pinned: bool
) -> tuple[list[int], int] | DriverError:
    """Take `count` buffers onto the stack, of half the size each time that memory is short; the last error if none."""
    take = driver.pinned_memory if pinned else driver.device_memory
    smallest = min(size, SMALLEST_BYTES)
    while True:
        with ExitStack() as attempt:
            try:
                addresses = [attempt.enter_context(take(size)) for _ in range(count)]
            except DriverError as error:
                # Pinning also fails with other codes, as where a container forbids it; then there is no smaller try.
                if error.code != _OUT_OF_MEMORY and not pinned:
                    raise
                if error.code != _OUT_OF_MEMORY or size // 2 < smallest:
                    return error
            else:
                stack.push(attempt.pop_all())
                return addresses, size
        size = round_down(size // 2)


def _lock_limit() -> str:
    """Return `; ulimit -l is 64 KiB` where locked memory is limited: one reason for pinning to fail, not a proof."""
    if sys.platform == "win32":
        return ""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    return "" if limit == resource.RLIM_INFINITY else f"; `ulimit -l` is {format_size(limit)}"
