"""What NVML (libnvidia-ml) says of the driver and its GPUs."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Section


class NvmlDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU as NVML sees it; `index` is NVML's (PCI order), which CUDA's default order need not follow."""

    index: int
    name: Fact[str]
    uuid: Fact[str]
    pci_address: Fact[str]
    compute_capability: Fact[str]
    memory_total_bytes: Fact[int]
    memory_used_bytes: Fact[int]
    link_generation: Fact[int]
    link_generation_max: Fact[int]
    link_width: Fact[int]
    link_width_max: Fact[int]
    performance_state: Fact[int]
    sm_clock_mhz: Fact[int]
    sm_clock_max_mhz: Fact[int]
    memory_clock_mhz: Fact[int]
    clock_event_reasons: Fact[int]
    temperature_c: Fact[int]
    power_draw_w: Fact[float]
    power_limit_w: Fact[float]
    persistence_mode: Fact[bool]
    compute_mode: Fact[int]
    ecc_enabled: Fact[bool]
    mig_enabled: Fact[bool]
    compute_processes: Fact[int]


class Nvml(Section, frozen=True, kw_only=True):
    """NVML itself. `mapped_release` is the release in the name of the file that was really mapped."""

    mapped_path: Fact[str]
    mapped_release: Fact[str]
    driver_release: Fact[str]
    nvml_version: Fact[str]
    cuda_version: Fact[str]
    device_count: Fact[int]
    devices: tuple[NvmlDevice, ...]
