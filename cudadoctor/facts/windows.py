"""What Windows alone tells of NVIDIA's driver: its files, its registry entries, and the CUDA libraries on PATH.

Windows counts drivers in its own way: 32.0.15.6094 is the driver *release* 560.94, the last five digits of it.
"""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Section


class WindowsCard(msgspec.Struct, frozen=True, kw_only=True):
    """One NVIDIA display card that Windows has an entry for; one that was taken out may still have its own.

    `service` is the driver's service: `nvlddmkm` is NVIDIA's, `BasicDisplay` Microsoft's.
    """

    device_id: str
    name: Fact[str]
    service: Fact[str]
    driver_release: Fact[str]


class Windows(Section, frozen=True, kw_only=True):
    """The driver as Windows has it.

    `nvcuda` and `nvml` are the paths of the driver's libraries, and `nvcuda_release` the driver release in the former's
    version. `runtime_libraries` are the `cudart64_*.dll` on PATH, in the order in which a program would find them.
    """

    cards: Fact[tuple[WindowsCard, ...]]
    nvcuda: Fact[str]
    nvcuda_release: Fact[str]
    nvml: Fact[str]
    nvidia_smi: Fact[str]
    runtime_libraries: tuple[str, ...]
