"""What the CUDA driver API (libcuda) says.

Two numbers are often confused: the driver *release* (580.159.04) and the driver's *CUDA version* (13.0), which is
the newest CUDA whose features it has. `cuDriverGetVersion` gives the second.
"""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Section


class DriverDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One device as the driver API numbers it for this process."""

    index: int
    name: Fact[str]
    uuid: Fact[str]
    pci_address: Fact[str]
    compute_capability: Fact[str]
    memory_total_bytes: Fact[int]
    multiprocessors: Fact[int]


class Driver(Section, frozen=True, kw_only=True):
    """The driver API as this process meets it.

    `count_with_all_visible` is the device count of a second process without CUDA_VISIBLE_DEVICES; it is asked for
    only where the first count was zero and the variable is set.
    """

    mapped_path: Fact[str]
    mapped_release: Fact[str]
    cuda_version: Fact[str]
    device_count: Fact[int]
    devices: tuple[DriverDevice, ...]
    count_with_all_visible: Fact[int]
