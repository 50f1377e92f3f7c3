"""One kind of copy: how it is prepared, made, timed and verified.

Every sample has a pattern of its own, so that what the sample before left behind, at either end, is never taken for
what this one sent.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from cudadoctor.attribution.statistics import median
from cudadoctor.bandwidth.patterns import Words, fill, first_difference
from cudadoctor.bandwidth.plan import BLOCKING_WARM_UPS, KEYS, NUMBA_KEYS, WARM_UPS, Plan
from cudadoctor.bandwidth.workspace import SMALLEST_BYTES, Workspace, round_down
from cudadoctor.facts.bandwidth import BandwidthResult
from cudadoctor.units import format_size

KEY_BUDGET_S = 4.0
"""About how long the copies of one kind may take together; on a slow link they get smaller, not fewer."""

_SEEDS = {key: (index + 1) * 0x0100_0000_01B3 for index, key in enumerate((*KEYS, *NUMBA_KEYS))}
POISON_SEED = 0xDEAD_BEEF_0BAD_F00D
POISON_WORD = 0xDEAD_BEEF

RESULT_KEYS = {"d2d_local_kernel": "d2d_local"}
"""The key of a result where it is not the plan's."""

During = Callable[[], AbstractContextManager[None]]
Step = Callable[[str], AbstractContextManager[None]]


class VerificationError(Exception):
    """What arrived is not what was sent; the text says where they differ first."""


class TimingError(Exception):
    """The copies gave no time to divide by."""


class Transfer:
    """One kind of copy in a workspace, of `size_bytes` or less: pinned, pageable, or within the device.

    `kinds` has those that take memory or kernels of their own.
    """

    mover = "copy engine"
    unit_bytes = 8
    note = ""

    def __init__(self, key: str, workspace: Workspace, *, host: Words | None = None, queued: bool = True) -> None:
        """Copy from and to `host`, by default the workspace's pinned buffers.

        Copies that are `queued` are timed by events; the others block the host, and its clock takes the time.
        """
        self.key = key
        self.direction = key.partition("_")[0]
        self.queued = queued
        self.held = queued  # while they are queued the stream is held
        self.few = not queued  # they are so slow that fewer make a sample
        self.size_bytes = workspace.size_bytes // self.unit_bytes * self.unit_bytes
        self.workspace = workspace
        self.origin = workspace.source if host is None else host
        self.arrival = workspace.target if host is None else host

    @property
    def calls(self) -> tuple[str, str, str]:
        """The functions that prepare, copy and bring back, as a user would look them up."""
        prepare = "cuMemsetD32Async" if self.direction == "h2d" else "cuMemcpyHtoD"
        copy = {"h2d": "cuMemcpyHtoD", "d2h": "cuMemcpyDtoH", "d2d": "cuMemcpyDtoD"}[self.direction]
        return prepare, f"{copy}Async" if self.queued else copy, "cuMemcpyDtoH"

    def prepare(self, seed: int, *, first: bool) -> None:
        """Put the pattern where the copy begins, and something else where it ends."""
        ws, size = self.workspace, self.size_bytes
        if self.direction == "h2d":
            fill(self.words(self.origin), seed)
        else:
            fill(self.words(ws.source), seed)
            ws.driver.copy_to_device(ws.device_source, ws.source.ctypes.data, size)
        if self.direction == "d2h":
            if first:  # later samples find the pattern of the one before, which differs from theirs in every word
                fill(self.words(self.arrival), POISON_SEED)
        else:
            self.poison(ws.device_target)
        ws.driver.synchronize()

    def poison(self, address: int) -> None:
        """Queue the overwriting of device memory with what no pattern holds."""
        ws = self.workspace
        ws.driver.fill(address, POISON_WORD, self.size_bytes // 4, ws.stream)

    def copy(self) -> None:
        """Copy once: queue it, or for pageable memory, make it."""
        self.queue(self.direction, self.workspace.stream if self.queued else None)

    def queue(self, direction: str, stream: int | None) -> None:
        """Copy once in a direction, on a stream; without one, block."""
        ws, size = self.workspace, self.size_bytes
        if direction == "h2d":
            ws.driver.copy_to_device(ws.device_target, self.origin.ctypes.data, size, stream)
        elif direction == "d2h":
            ws.driver.copy_to_host(self.arrival.ctypes.data, ws.device_source, size, stream)
        else:
            ws.driver.copy_on_device(ws.device_target, ws.device_source, size, ws.stream)

    def verify(self, seed: int) -> None:
        """Compare what arrived with what was sent; what arrived on the device is brought back for it.

        Raises:
            VerificationError: They differ.
        """
        if self.direction == "d2h":
            self.compare(self.arrival, seed)
        else:
            self.compare_on_device(self.workspace.device_target, seed)

    def compare_on_device(self, address: int, seed: int) -> None:
        """Bring device memory back and compare it.

        Raises:
            VerificationError: It differs from the pattern.
        """
        ws = self.workspace
        ws.driver.copy_to_host(ws.target.ctypes.data, address, self.size_bytes)
        self.compare(ws.target, seed)

    def compare(self, arrived: Words, seed: int) -> None:
        """Compare what is on the host.

        Raises:
            VerificationError: It differs from the pattern.
        """
        offset = first_difference(self.words(arrived), seed)
        if offset is not None:
            raise VerificationError(f"what came back from the device differs from what was sent at byte {offset}")

    def time(self, copies: int, during: During) -> float:
        """Return the seconds that `copies` copies take.

        Raises:
            TimingError: They could not be timed as they should.
        """
        return self._time_queued(copies, during) if self.queued else self._time_blocking(copies)

    def time_one(self) -> float:
        """Return about how long one copy takes, by the host's clock; it also loads what a first copy loads."""
        self.copy()
        self.workspace.driver.synchronize()
        start = time.perf_counter()
        self.copy()
        self.workspace.driver.synchronize()
        return time.perf_counter() - start

    def keep_busy(self, seconds: float, during: During) -> None:
        """Copy again and again for that long: two copies are queued at any time, so the link does not rest."""
        ws = self.workspace
        end = time.monotonic() + seconds
        with during():
            self.copy()
            ws.driver.record(ws.start, ws.stream)
            while time.monotonic() < end:
                self.copy()
                ws.driver.synchronize_event(ws.start)
                ws.driver.record(ws.start, ws.stream)
            ws.driver.synchronize_stream(ws.stream)

    def _time_queued(self, copies: int, during: During) -> float:
        ws = self.workspace
        with ws.hold.held(ws.stream):
            for _ in range(WARM_UPS):
                self.copy()
            ws.driver.record(ws.start, ws.stream)
            for _ in range(copies):
                self.copy()
            ws.driver.record(ws.stop, ws.stream)
        with during():
            ws.driver.synchronize_stream(ws.stream)
        return ws.driver.elapsed_ms(ws.start, ws.stop) / 1e3

    def _time_blocking(self, copies: int) -> float:
        driver = self.workspace.driver
        for _ in range(BLOCKING_WARM_UPS):
            self.copy()
        driver.synchronize()
        start = time.perf_counter()
        for _ in range(copies):
            self.copy()
        driver.synchronize()  # the last part of a pageable copy to the device may still be on its way
        return time.perf_counter() - start

    def words(self, buffer: Words) -> Words:
        """Return the part of a buffer that is copied."""
        return buffer[: self.size_bytes // 8]


def measure(
    transfer: Transfer,
    *,
    device: int,
    plan: Plan,
    step: Step,
    during: During = nullcontext,
    sampled: Callable[[float], None],
    note: str = "",
) -> BandwidthResult:
    """Take the samples of one kind of copy.

    Args:
        transfer: What to copy; its size gets smaller if the link is slow.
        device: For the result.
        plan: How many samples of how many copies.
        step: Entered with the name of the driver function that is called next.
        during: Entered while queued copies run, for whoever watches the link.
        sampled: Told each sample in GB/s once it was verified.
        note: What to say of the size.

    Raises:
        VerificationError: What arrived is not what was sent; there is no result then.
        TimingError: The copies took no time.
        DriverError: A call failed.
    """
    prepare, copy, bring_back = transfer.calls
    copies = plan.pageable_copies if transfer.few else plan.copies
    notes = [note]
    samples = []
    for number in range(plan.samples):
        seed = _SEEDS[transfer.key] + number
        with step(prepare):
            transfer.prepare(seed, first=number == 0)
        with step(copy):
            if number == 0:
                notes.append(fit_budget(transfer, plan.samples * (copies + WARM_UPS)))
            seconds = transfer.time(copies, during)
        try:
            with step(bring_back):
                transfer.verify(seed)
        except VerificationError as error:
            raise VerificationError(f"sample {number + 1}: {error}") from None
        samples.append(rate(copies, transfer.size_bytes, seconds))
        sampled(samples[-1])
    if transfer.held:
        notes.append(transfer.workspace.hold.note)
    return BandwidthResult(
        key=RESULT_KEYS.get(transfer.key, transfer.key),
        device=device,
        size_bytes=transfer.size_bytes,
        gb_per_s=median(samples),
        samples_gb_per_s=tuple(samples),
        verified=True,
        copies_per_sample=copies,
        timer="events" if transfer.queued else "host clock",
        note="; ".join(part for part in [*notes, transfer.note] if part),
        mover=transfer.mover,
    )


def rate(copies: int, size_bytes: int, seconds: float) -> float:
    """Return GB/s.

    Raises:
        TimingError: The time is 0, or no number.
    """
    result = copies * size_bytes / seconds / 1e9 if seconds > 0 else math.inf
    if not math.isfinite(result) or result <= 0:
        raise TimingError(f"{copies} copies of {format_size(size_bytes)} took {seconds} s by the clock that timed them")
    return result


def fit_budget(transfer: Transfer, total_copies: int) -> str:
    """Halve the copies until all of them together take no longer than they may; say so."""
    seconds = transfer.time_one() * total_copies
    before = size = transfer.size_bytes
    while seconds * size / before > KEY_BUDGET_S and size // 2 >= SMALLEST_BYTES:
        size = round_down(size // 2) // transfer.unit_bytes * transfer.unit_bytes
    transfer.size_bytes = size
    if size == before:
        return ""
    return f"{format_size(size)} instead of {format_size(before)}: at that size the copies would take {seconds:.0f} s"
