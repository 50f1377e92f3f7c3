"""What to measure: which kinds of copy, on which device, how large and how often."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.bandwidth import Parameters
from cudadoctor.facts.base import Missing
from cudadoctor.facts.pci import Pci

MIB = 2**20

KEYS = (
    "h2d_pinned",
    "d2h_pinned",
    "h2d_bidirectional",
    "d2h_bidirectional",
    "h2d_write_combined",
    "d2h_write_combined",
    "h2d_registered",
    "d2h_registered",
    "h2d_mapped",
    "d2h_mapped",
    "h2d_managed",
    "d2h_managed",
    "h2d_pageable",
    "d2h_pageable",
    "h2d_pageable_fresh",
    "d2h_pageable_fresh",
    "d2d_local",
    "d2d_local_kernel",
)
"""What can be measured, in the order in which it is: what loads the link evenly comes first, while it is watched.

`d2d_local_kernel` gives a result `d2d_local` whose mover is a kernel.
"""

DEFAULT_KEYS = (
    "h2d_pinned",
    "d2h_pinned",
    "h2d_bidirectional",
    "d2h_bidirectional",
    "h2d_pageable",
    "d2h_pageable",
    "h2d_pageable_fresh",
    "d2h_pageable_fresh",
    "d2d_local",
    "d2d_local_kernel",
)

QUICK_KEYS = ("h2d_pinned", "d2h_pinned", "d2d_local")

MAIN_KEYS = (
    "h2d_pinned",
    "d2h_pinned",
    "h2d_bidirectional",
    "d2h_bidirectional",
    "h2d_pageable",
    "d2h_pageable",
    "d2d_local",
)
"""The kinds that are measured at full size; what is only compared with them takes `Plan.extra_bytes`.

With opposite traffic the size counts: buffers that fit the host's last cache, which may be 300 MiB large, come out a
tenth faster than those that do not.
"""

CURVE_KEYS = ("h2d_pinned", "d2h_pinned")
CURVE_SIZES = tuple(4**power for power in range(1, 16))
"""4 B to 1 GiB."""

LATENCY_KEYS = ("pointer_chase_host", "submit", "h2d_small", "d2h_small")

NUMBA_KEYS = ("numba_h2d", "numba_d2h", "numba_h2d_pinned", "numba_d2h_pinned")
NUMBA_LATENCY_KEYS = ("numba_h2d_small", "numba_d2h_small", "numba_launch")
"""What is measured through numba's own calls."""

SEVERAL = "several"
"""What several GPUs do, each alone, all at once and with each other, is called as a whole."""

NUMA = "numa"
"""What pinned copies with memory on the GPU's own and on the farthest NUMA node are called as a whole."""

DEFAULT_SIZE_BYTES = 512 * MIB

WARM_UPS, BLOCKING_WARM_UPS = 4, 1
"""Copies before those that are timed: of queued ones, and of those that block the host."""

HOLD_BOUND_S = 2.0
"""The longest that a stream is held: queueing twenty copies takes less than a millisecond."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run on one device.

    `device` is CUDA's index, which CUDA_VISIBLE_DEVICES and CUDA's own order decide, or a UUID or its beginning.
    `pageable_copies` make one sample of copies of pageable, fresh and managed memory, which are slow; `copies` one of
    the others. Curves end at `curve_bytes`. Sizes become smaller where memory is short or the link is slow, and the
    results say so.

    `numa` asks for pinned copies with host memory on the GPU's own NUMA node and on the farthest one.

    `numba` asks for what a numba user gets, which takes the time of importing it.

    `gpus` are CUDA's indices of those that copy each alone, all at once, and to one another, if there are two or more;
    the buffers for it take `peer_bytes`.

    Most of the time goes into making and comparing patterns on the host, whatever the link does. So the kinds besides
    `MAIN_KEYS` are no larger than `extra_bytes`.
    """

    device: int | str = 0
    keys: tuple[str, ...] = DEFAULT_KEYS
    curves: tuple[str, ...] = ()
    latencies: tuple[str, ...] = ()
    numa: bool = False
    numba: bool = False
    size_bytes: int = DEFAULT_SIZE_BYTES
    extra_bytes: int = 128 * MIB
    gpus: tuple[int, ...] = ()
    peer_bytes: int = 64 * MIB
    curve_bytes: int = CURVE_SIZES[-1]
    samples: int = 3
    copies: int = 16
    pageable_copies: int = 4

    @property
    def costs(self) -> dict[str, float]:
        """What is measured on this device, in its order, each with its bytes: they decide how long it takes."""
        extra = float(min(self.size_bytes, self.extra_bytes))
        costs = {key: float(self.size_bytes) if key in MAIN_KEYS else extra for key in KEYS if key in self.keys}
        costs |= {NUMA: 4 * extra} if self.numa else {}
        costs |= dict.fromkeys(self.latencies, float(MIB))
        costs |= {curve_name(key): float(self.curve_bytes) for key in self.curves}
        if self.numba:
            costs |= dict.fromkeys(NUMBA_KEYS, extra) | dict.fromkeys(NUMBA_LATENCY_KEYS, float(MIB))
        return costs

    @property
    def parameters(self) -> Parameters:
        """What a reader of the results needs in order to measure the same again."""
        return Parameters(
            samples=self.samples,
            copies=self.copies,
            pageable_copies=self.pageable_copies,
            warm_ups=WARM_UPS,
            blocking_warm_ups=BLOCKING_WARM_UPS,
            hold_bound_s=HOLD_BOUND_S,
            size_bytes=self.size_bytes,
            extra_bytes=min(self.size_bytes, self.extra_bytes),
            peer_bytes=self.peer_bytes if len(self.gpus) > 1 else None,
            curve_bytes=self.curve_bytes if self.curves else None,
            gpus=self.gpus,
        )

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is asked for and does not exist."""
        asked = ((self.keys, KEYS), (self.curves, CURVE_KEYS), (self.latencies, LATENCY_KEYS))
        return tuple(key for keys, there in asked for key in keys if key not in there)


def curve_name(key: str) -> str:
    """Return what a curve is called where it must not be taken for the copies of one size."""
    return f"{key}_curve"


def default_plan(device: int | str = 0) -> Plan:
    """Return what fits into 15 s on one GPU."""
    return Plan(device=device, numa=True)


def quick_plan(device: int | str = 0) -> Plan:
    """Return what fits into 3 s: whether the link carries what it should, and no more."""
    return Plan(device=device, keys=QUICK_KEYS, size_bytes=64 * MIB)


def full_plan(device: int | str = 0, gpus: tuple[int, ...] = ()) -> Plan:
    """Return all that there is, with the GPUs that may be measured together."""
    return Plan(
        device=device,
        keys=KEYS,
        curves=CURVE_KEYS,
        latencies=LATENCY_KEYS,
        numa=True,
        numba=True,
        gpus=gpus,
        extra_bytes=DEFAULT_SIZE_BYTES,
        samples=5,
    )


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, and what is known of the PCI bus, from which the expected rate follows; `root` is where /sys is."""

    plan: Plan = Plan()
    root: str = "/"
    pci: Pci | Missing = Missing("the PCI bus was not read")
