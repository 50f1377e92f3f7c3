"""What a Mac needs for CUDA: a driver of its own beside that of the display, its kernel extension, and a chosen GPU.

The CUDA *driver* of a Mac (6.5.18, 418.163) came apart from the driver of the display: Apple's own for Kepler and
older cards, NVIDIA's Web Driver for later ones. Neither number is the toolkit version.
"""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Section

LAST_WITH_CUDA = (10, 13)
"""NVIDIA's installer of the last CUDA for macOS refuses any later one: github.com/openmm/openmm/issues/2486."""


class MacCard(msgspec.Struct, frozen=True, kw_only=True):
    """One display card as `system_profiler` tells it; both ids are four hex digits."""

    name: str
    vendor_id: str
    device_id: str


class MacOS(Section, frozen=True, kw_only=True):
    """The parts of CUDA on a Mac.

    `cards` holds all display cards, those of Intel and AMD too. `cuda_driver` is the version of CUDA.framework.
    `kernel_extension` is the path of CUDA.kext, and `kernel_extension_loaded` says whether it runs. `display_driver` is
    `apple` or `nvidia-web`. `integrity_protection` is that of the system (SIP), which strips DYLD_LIBRARY_PATH.
    `graphics_switching` is `automatic`, `integrated` or `discrete`, as `pmset` has set it.
    """

    version: Fact[str]
    cards: Fact[tuple[MacCard, ...]]
    cuda_driver: Fact[str]
    libcuda: Fact[str]
    kernel_extension: Fact[str]
    kernel_extension_loaded: Fact[bool]
    display_driver: Fact[str]
    integrity_protection: Fact[bool]
    graphics_switching: Fact[str]
