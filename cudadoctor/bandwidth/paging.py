"""The kinds of copy that depend on pages: managed memory, whose pages move, and memory that was never touched."""

from __future__ import annotations

import mmap
import os
import time
from contextlib import suppress

import numpy as np

from cudadoctor.bandwidth.patterns import Words, fill
from cudadoctor.bandwidth.transfers import During, Transfer
from cudadoctor.bandwidth.workspace import Workspace

_PAGE_WORDS = 4096 // 8


class Managed(Transfer):
    """Managed memory whose pages move as a whole, as cuMemPrefetchAsync moves them: the most that paging can reach."""

    def __init__(self, key: str, workspace: Workspace, words: Words, device: int) -> None:
        """Use managed memory, which has one address on both sides."""
        super().__init__(key, workspace, host=words)
        self.held, self.few = False, True
        self._address: int = words.ctypes.data
        self._there: int | None = device if self.direction == "h2d" else None
        self._back: int | None = None if self.direction == "h2d" else device

    @property
    def calls(self) -> tuple[str, str, str]:
        """The functions that prepare, copy and bring back."""
        return super().calls[0], "cuMemPrefetchAsync", "cuMemcpyDtoH"

    def prepare(self, seed: int, *, first: bool) -> None:
        """Put the pattern into the pages on the side from which they will move."""
        ws, driver, size = self.workspace, self.workspace.driver, self.size_bytes
        driver.prefetch(self._address, size, self._back, ws.stream)
        driver.synchronize_stream(ws.stream)
        if self.direction == "h2d":
            fill(self.words(self.origin), seed)
            self.poison(ws.device_target)
        else:
            fill(self.words(ws.source), seed)
            driver.copy_to_device(ws.device_source, ws.source.ctypes.data, size)
            driver.copy_on_device(self._address, ws.device_source, size, ws.stream)
        driver.synchronize()

    def copy(self) -> None:
        """Queue the moving of all pages."""
        self.workspace.driver.prefetch(self._address, self.size_bytes, self._there, self.workspace.stream)

    def verify(self, seed: int) -> None:
        """Compare what the pages hold after the move.

        Raises:
            VerificationError: It is not what was sent.
        """
        ws = self.workspace
        if self.direction == "d2h":
            self.compare(self.arrival, seed)
            return
        ws.driver.copy_on_device(ws.device_target, self._address, self.size_bytes, ws.stream)
        ws.driver.synchronize_stream(ws.stream)
        self.compare_on_device(ws.device_target, seed)

    def time(self, copies: int, during: During) -> float:
        """Return the seconds that so many moves take; the pages move back in between, which is not timed."""
        self._move()
        return sum(self._move() for _ in range(copies))

    def time_one(self) -> float:
        """Return about how long one move takes, and back."""
        self._move()
        start = time.perf_counter()
        self._move()
        return time.perf_counter() - start

    def _move(self) -> float:
        ws, driver = self.workspace, self.workspace.driver
        driver.prefetch(self._address, self.size_bytes, self._back, ws.stream)
        driver.synchronize_stream(ws.stream)
        driver.record(ws.start, ws.stream)
        self.copy()
        driver.record(ws.stop, ws.stream)
        driver.synchronize_stream(ws.stream)
        return driver.elapsed_ms(ws.start, ws.stop) / 1e3


class Fresh(Transfer):
    """Copies of memory that was never touched before, new for each copy: the first touch counts.

    To the device, one word of each page is written and then all is copied, and both are timed; from the device the
    copy itself touches the pages.
    """

    def __init__(self, key: str, workspace: Workspace) -> None:
        """Take nothing yet: each copy has pages of its own."""
        super().__init__(key, workspace, queued=False)
        self._pages: Words | None = None
        self._touch = np.empty(0, dtype=np.uint64)

    def prepare(self, seed: int, *, first: bool) -> None:
        """Make the words that touch the pages, or put the pattern on the device."""
        ws = self.workspace
        if self.direction == "h2d":
            self._touch = np.empty(-(-(self.size_bytes // 8) // _PAGE_WORDS), dtype=np.uint64)
            fill(self._touch, seed)
            self.poison(ws.device_target)
        else:
            fill(self.words(ws.source), seed)
            ws.driver.copy_to_device(ws.device_source, ws.source.ctypes.data, self.size_bytes)
        ws.driver.synchronize()

    def copy(self) -> None:
        """Touch, for a copy to the device, and copy."""
        ws, pages = self.workspace, self._pages
        assert pages is not None
        if self.direction == "h2d":
            pages[::_PAGE_WORDS] = self._touch
            ws.driver.copy_to_device(ws.device_target, pages.ctypes.data, self.size_bytes)
        else:
            ws.driver.copy_to_host(pages.ctypes.data, ws.device_source, self.size_bytes)

    def verify(self, seed: int) -> None:
        """Compare what the last copy brought; of pages for the device all but the touched words are 0.

        Raises:
            VerificationError: It is not what was sent.
        """
        ws, pages = self.workspace, self._pages
        self._pages = None
        if self.direction == "d2h":
            assert pages is not None
            self.compare(pages, seed)
            return
        ws.driver.copy_to_host(ws.target.ctypes.data, ws.device_target, self.size_bytes)
        arrived = self.words(ws.target)
        # Pattern where the pages were touched; elsewhere the zeros become the pattern, so that one comparison does.
        expected = np.zeros(arrived.size, dtype=np.uint64)
        expected[::_PAGE_WORDS] = self._touch
        arrived -= expected
        fill(expected, seed)
        arrived += expected
        self.compare(ws.target, seed)

    def time(self, copies: int, during: During) -> float:
        """Return the seconds that so many copies take, each with new pages."""
        self._once()
        return sum(self._once() for _ in range(copies))

    def time_one(self) -> float:
        """Return about how long one copy takes."""
        self._once()
        return self._once()

    def _once(self) -> float:
        self._touch = self._touch[: -(-(self.size_bytes // 8) // _PAGE_WORDS)]  # the size may have become smaller
        self._pages = None  # given back before the next are taken
        self._pages = fresh_words(self.size_bytes)
        start = time.perf_counter()
        self.copy()
        self.workspace.driver.synchronize()
        return time.perf_counter() - start


def fresh_words(size_bytes: int) -> Words:
    """Return memory that was never touched, in large pages where the system gives them, as numpy takes its own."""
    if os.name != "posix":
        return np.frombuffer(mmap.mmap(-1, size_bytes), dtype=np.uint64)
    pages = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, dtype=np.uint64)
