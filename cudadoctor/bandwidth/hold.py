"""Hold a stream while copies are queued behind, so that the queueing is outside of what is timed.

A kernel of one thread reads a flag in pinned host memory until the host sets it, or until its own bound has passed on
the GPU's clock, so that a host that dies cannot leave a GPU spinning.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from cudadoctor.bandwidth.plan import HOLD_BOUND_S
from cudadoctor.gpu.driver_api import Driver, DriverError

KERNEL = "hold_stream"

# PTX 6.0 for Maxwell is understood by every driver since CUDA 9.0, and compiled by it for any card since. Written by
# hand because there may be no compiler; `ld.volatile` reads through to the host each time.
PTX = """
.version 6.0
.target sm_50
.address_size 64

.visible .entry hold_stream(.param .u64 flag, .param .u64 bound_ns)
{
    .reg .pred %released, %waiting;
    .reg .u32 %value;
    .reg .u64 %address, %bound, %start, %now, %elapsed;

    ld.param.u64 %address, [flag];
    ld.param.u64 %bound, [bound_ns];
    mov.u64 %start, %globaltimer;
again:
    ld.volatile.u32 %value, [%address];
    setp.ne.u32 %released, %value, 0;
    @%released bra done;
    mov.u64 %now, %globaltimer;
    sub.u64 %elapsed, %now, %start;
    setp.lt.u64 %waiting, %elapsed, %bound;
    @%waiting bra again;
done:
    ret;
}
"""

_FLAG_BYTES = 4096


class Hold:
    """Holds a stream; where there is no kernel for it the stream just runs, and `note` says why."""

    def __init__(self, driver: Driver, *, kernel: int | None = None, flag: int = 0, note: str = "") -> None:
        """Use a loaded kernel and the host address of a pinned flag; see `open_hold`."""
        self._driver = driver
        self._kernel = kernel
        self._flag = flag
        self.note = note

    @contextmanager
    def held(self, *streams: int) -> Iterator[None]:
        """Hold the streams for the length of the block; they are released together, whatever happens inside."""
        if self._kernel is None:
            yield
            return
        flag = ctypes.c_uint32.from_address(self._flag)
        flag.value = 0
        started = time.perf_counter()
        address = self._driver.device_address_of(self._flag)
        try:
            for stream in streams:
                self._driver.launch(self._kernel, stream, address, int(HOLD_BOUND_S * 1e9))
            yield
        finally:
            flag.value = 1
        if time.perf_counter() - started > HOLD_BOUND_S:
            self.note = f"queueing the copies took longer than the {HOLD_BOUND_S:g} s for which the stream is held"


@contextmanager
def open_hold(driver: Driver, stream: int) -> Iterator[Hold]:
    """Load the kernel and run it once: its first launch loads code, which must not happen while a stream is held.

    A driver without a PTX compiler (libnvidia-ptxjitcompiler is left out of some containers), or one that pins no
    memory, gets a `Hold` that does not hold.
    """
    with ExitStack() as stack:
        try:
            flag = stack.enter_context(driver.pinned_memory(_FLAG_BYTES))
            module = stack.enter_context(driver.module(PTX))
            stack.callback(_wait, driver, stream)  # before the kernel's code and its flag go
            hold = Hold(driver, kernel=driver.function(module, KERNEL), flag=flag)
            with hold.held(stream):
                pass
            driver.synchronize_stream(stream)
        except DriverError as error:
            hold = Hold(driver, note=f"the stream was not held while copies were queued: {error}")
        yield hold


def _wait(driver: Driver, stream: int) -> None:
    with suppress(DriverError):
        driver.synchronize_stream(stream)
