"""The kernels of the measurement, in PTX: one that copies with all threads of the GPU, one that chases pointers.

PTX 6.0 for Maxwell, as for `hold`: the driver compiles it for any card since, and no compiler is needed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from cudadoctor.gpu.driver_api import ATTRIBUTE_MULTIPROCESSOR_COUNT, Driver

COPY, CHASE = "copy_16", "chase"

UNIT_BYTES = 16
"""What one thread loads and stores at once: the widest access there is on every card."""

_THREADS = 512
_BLOCKS_PER_MULTIPROCESSOR = 4  # 2048 threads, the most that a multiprocessor of a data centre's card holds

# Each thread copies every stride-th unit, and has four loads under way before it stores: host memory is some
# thousand cycles away. `ld.volatile` is never answered from a cache of the multiprocessor.
PTX = """
.version 6.0
.target sm_50
.address_size 64

.visible .entry copy_16(.param .u64 target, .param .u64 origin, .param .u64 count)
{
    .reg .pred %beyond;
    .reg .u32 %block, %blocks, %thread, %threads;
    .reg .u64 %to, %from, %units, %index, %own, %stride, %stride_bytes, %far, %offset;
    .reg .u64 %load<4>, %store<4>, %low<4>, %high<4>;

    ld.param.u64 %to, [target];
    ld.param.u64 %from, [origin];
    ld.param.u64 %units, [count];
    cvta.to.global.u64 %to, %to;
    cvta.to.global.u64 %from, %from;
    mov.u32 %block, %ctaid.x;
    mov.u32 %blocks, %nctaid.x;
    mov.u32 %thread, %tid.x;
    mov.u32 %threads, %ntid.x;
    mul.wide.u32 %index, %block, %threads;
    cvt.u64.u32 %own, %thread;
    add.u64 %index, %index, %own;
    mul.wide.u32 %stride, %blocks, %threads;
    shl.b64 %stride_bytes, %stride, 4;
four:
    mad.lo.u64 %far, %stride, 3, %index;
    setp.ge.u64 %beyond, %far, %units;
    @%beyond bra one;
    shl.b64 %offset, %index, 4;
    add.u64 %load0, %from, %offset;
    add.u64 %load1, %load0, %stride_bytes;
    add.u64 %load2, %load1, %stride_bytes;
    add.u64 %load3, %load2, %stride_bytes;
    ld.global.v2.u64 {%low0, %high0}, [%load0];
    ld.global.v2.u64 {%low1, %high1}, [%load1];
    ld.global.v2.u64 {%low2, %high2}, [%load2];
    ld.global.v2.u64 {%low3, %high3}, [%load3];
    add.u64 %store0, %to, %offset;
    add.u64 %store1, %store0, %stride_bytes;
    add.u64 %store2, %store1, %stride_bytes;
    add.u64 %store3, %store2, %stride_bytes;
    st.global.v2.u64 [%store0], {%low0, %high0};
    st.global.v2.u64 [%store1], {%low1, %high1};
    st.global.v2.u64 [%store2], {%low2, %high2};
    st.global.v2.u64 [%store3], {%low3, %high3};
    mad.lo.u64 %index, %stride, 4, %index;
    bra four;
one:
    setp.ge.u64 %beyond, %index, %units;
    @%beyond bra done;
    shl.b64 %offset, %index, 4;
    add.u64 %load0, %from, %offset;
    ld.global.v2.u64 {%low0, %high0}, [%load0];
    add.u64 %store0, %to, %offset;
    st.global.v2.u64 [%store0], {%low0, %high0};
    add.u64 %index, %index, %stride;
    bra one;
done:
    ret;
}

.visible .entry chase(.param .u64 first, .param .u64 count, .param .u64 result)
{
    .reg .pred %more;
    .reg .u64 %at, %left, %last;

    ld.param.u64 %at, [first];
    ld.param.u64 %left, [count];
    ld.param.u64 %last, [result];
again:
    ld.volatile.u64 %at, [%at];
    sub.u64 %left, %left, 1;
    setp.ne.u64 %more, %left, 0;
    @%more bra again;
    st.volatile.u64 [%last], %at;
    ret;
}
"""


class Kernels(msgspec.Struct, kw_only=True):
    """The loaded kernels; see `open_kernels`."""

    driver: Driver
    copy_function: int
    chase_function: int
    blocks: int

    def copy(self, target: int, origin: int, size_bytes: int, stream: int) -> None:
        """Queue a copy by threads. Addresses are the device's, and the size a multiple of `UNIT_BYTES`."""
        units = size_bytes // UNIT_BYTES
        self.driver.launch(self.copy_function, stream, target, origin, units, blocks=self.blocks, threads=_THREADS)

    def chase(self, first: int, loads: int, result: int, stream: int) -> None:
        """Queue one thread that follows pointers from `first`, that many loads, and stores where it arrived."""
        self.driver.launch(self.chase_function, stream, first, loads, result)


@contextmanager
def open_kernels(driver: Driver, device: int) -> Iterator[Kernels]:
    """Have the driver compile the kernels.

    Raises:
        DriverError: It cannot, as where its compiler for PTX is left out of a container.
    """
    blocks = _BLOCKS_PER_MULTIPROCESSOR * driver.attribute(ATTRIBUTE_MULTIPROCESSOR_COUNT, device)
    with driver.module(PTX) as module:
        yield Kernels(
            driver=driver,
            copy_function=driver.function(module, COPY),
            chase_function=driver.function(module, CHASE),
            blocks=blocks,
        )
