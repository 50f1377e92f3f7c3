"""Power: mains or battery, which GPU a laptop was told to use, and whether the GPU sleeps."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Section


class DevicePower(msgspec.Struct, frozen=True, kw_only=True):
    """Runtime power management of one card. An idle GPU of a laptop is `suspended`, and that is healthy."""

    address: str
    runtime_status: Fact[str]
    runtime_control: Fact[str]


class Power(Section, frozen=True, kw_only=True):
    """Where power comes from and where it goes.

    `graphics_mode` is `integrated` (the NVIDIA GPU is off), `hybrid` or `nvidia`, as the tool says that sets it
    (prime-select, supergfxctl, envycontrol, system76-power, bbswitch); the source names it. `chassis` is the kind of
    case by SMBIOS (`laptop`, `desktop`, `server`, `other`).
    """

    on_mains: Fact[bool]
    battery_percent: Fact[int]
    chassis: Fact[str]
    graphics_mode: Fact[str]
    devices: tuple[DevicePower, ...]
