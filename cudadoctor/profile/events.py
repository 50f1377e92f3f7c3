"""What is asked of a profile, and what it tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from cudadoctor.attribution.profile.trace import Trace
from cudadoctor.facts.profile import Profile
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S
from cudadoctor.profile.runs import Asked, Output

Rates = Callable[[int, float], tuple[dict[str, float], str]]
"""Measures what a GPU, by its index, reaches with a limit on each driver call: see `doctor.measured_rates`."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to profile.

    `device` is CUDA's index of the GPU whose rates are measured and whose clocks are watched, at `pci_address`.
    `driver_cuda` is the CUDA version of the driver; no newer tracer is used. `limit_s` ends a run of the program that
    lasts longer, `driver_limit_s` a driver call of ours. Records take at most `pool_mib`.
    `probe` asks for runs in which calls are delayed. `rates` measures what the machine reaches.
    """

    asked: Asked
    output: Output
    device: int = 0
    pci_address: str | None = None
    driver_cuda: tuple[int, int] | None = None
    limit_s: float | None = None
    driver_limit_s: float = DRIVER_CALL_LIMIT_S
    pool_mib: int = 256
    trace: bool = True
    probe: bool = False
    rates: Rates


class Phase(NamedTuple):
    """What begins now, in words."""

    text: str


class Finished(NamedTuple):
    """All is done. `trace` is None where nothing was traced; `interrupted` says that Ctrl-C ended a run."""

    profile: Profile
    trace: Trace | None
    interrupted: bool = False


Event = Phase | Finished
