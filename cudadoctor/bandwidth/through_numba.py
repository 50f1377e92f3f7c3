"""What a numba user gets: the same copies, and a launch, made by numba's own calls with what each call costs.

`cuda.to_device(a)` takes device memory anew for each copy, as programs do that are written this way, and numba gives it
back when it has a few; `d.copy_to_host(a)` copies into an array that exists. Small copies are ruled by the calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cudadoctor.attribution.statistics import median
from cudadoctor.bandwidth.latencies import SMALL_BYTES
from cudadoctor.bandwidth.patterns import fill
from cudadoctor.bandwidth.transfers import POISON_SEED, TimingError, Transfer, VerificationError
from cudadoctor.bandwidth.workspace import Workspace
from cudadoctor.facts.bandwidth import Latency

CALLS = {
    "numba_h2d_small": "numba.cuda.to_device",
    "numba_d2h_small": "DeviceNDArray.copy_to_host",
    "numba_launch": "a launch by numba",
}
"""The call that each latency is about."""

_SMALL_WARM_UPS, _SMALL_SAMPLES = 20, 101
_LAUNCHES, _LAUNCH_SAMPLES = 64, 9


class ThroughNumba(Transfer):
    """Copies by numba, of pinned or pageable memory; each blocks the host, whose clock takes the time."""

    def __init__(self, key: str, workspace: Workspace, cuda: Any) -> None:
        """Use the buffers of a workspace, and `numba.cuda` with the workspace's device selected."""
        pinned = key.endswith("_pinned")
        super().__init__(key, workspace, host=None if pinned else workspace.pageable, queued=False)
        self.direction = key.split("_")[1]
        self._cuda = cuda
        self._there: Any = None

    @property
    def calls(self) -> tuple[str, str, str]:
        """The functions that prepare, copy and bring back."""
        to_device, to_host = CALLS["numba_h2d_small"], CALLS["numba_d2h_small"]
        return to_device, to_device if self.direction == "h2d" else to_host, to_host

    def prepare(self, seed: int, *, first: bool) -> None:
        """Put the pattern where the copy begins; a buffer of the sample before holds one that differs in every word."""
        if self.direction == "h2d":
            fill(self.words(self.origin), seed)
            return
        fill(self.words(self.workspace.source), seed)
        self._there = self._cuda.to_device(self.words(self.workspace.source))
        if first:
            fill(self.words(self.arrival), POISON_SEED)

    def copy(self) -> None:
        """Copy once."""
        if self.direction == "h2d":
            self._there = self._cuda.to_device(self.words(self.origin))
        else:
            self._there.copy_to_host(self.words(self.arrival))

    def time_one(self) -> float:
        """Return about how long one copy takes; its size may be made smaller then, so what is there is dropped."""
        seconds = super().time_one()
        if self.direction == "h2d":
            self._there = None
        return seconds

    def verify(self, seed: int) -> None:
        """Compare what arrived.

        Raises:
            VerificationError: It is not what was sent.
        """
        arrived = self.arrival
        if self.direction == "h2d":
            arrived = self.workspace.target
            self._there.copy_to_host(self.words(arrived))
        self._there = None
        self.compare(arrived, seed)


def measure_numba_latency(key: str, cuda: Any, device: int) -> Latency:
    """Take the samples of one latency of `CALLS`, and verify what was copied.

    Raises:
        VerificationError: What arrived is not what was sent.
        TimingError: It took no time.
    """
    samples = {
        "numba_h2d_small": lambda: _small(cuda, to_device=True),
        "numba_d2h_small": lambda: _small(cuda, to_device=False),
        "numba_launch": lambda: _launch(cuda),
    }[key]()
    if not min(samples) > 0:
        raise TimingError(f"{CALLS[key]} took {min(samples)} s by the clock that timed it")
    return Latency(key=key, device=device, seconds=median(samples), samples_seconds=tuple(samples))


def _small(cuda: Any, *, to_device: bool) -> list[float]:
    """Time copies of 4 B of pinned memory, one by one."""
    sent = cuda.pinned_array(SMALL_BYTES, dtype=np.uint8)
    back = cuda.pinned_array(SMALL_BYTES, dtype=np.uint8)
    sent[:], back[:] = (0x60, 0x0D, 0xF0, 0x0D), 0
    there = cuda.to_device(sent)

    def send() -> None:
        nonlocal there
        there = cuda.to_device(sent)

    def fetch() -> None:
        there.copy_to_host(back)

    cuda.synchronize()
    samples = _time_each(send if to_device else fetch)
    if to_device:
        fetch()
    if not np.array_equal(sent, back):
        raise VerificationError(f"{SMALL_BYTES} B came back as {back.tolist()}, {sent.tolist()} were sent")
    return samples


def _time_each(call: Callable[[], None]) -> list[float]:
    samples = []
    for number in range(_SMALL_WARM_UPS + _SMALL_SAMPLES):
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        if number >= _SMALL_WARM_UPS:
            samples.append(seconds)
    return samples


def _launch(cuda: Any) -> list[float]:
    """Time launches of an empty kernel that are not waited for: few enough that no queue is full."""

    @cuda.jit  # type: ignore[untyped-decorator]
    def empty() -> None:
        return

    samples = []
    for _ in range(1 + _LAUNCH_SAMPLES):  # the first compiles
        start = time.perf_counter()
        for _ in range(_LAUNCHES):
            empty[1, 1]()
        samples.append((time.perf_counter() - start) / _LAUNCHES)
        cuda.synchronize()
    return samples[1:]
