"""What NVML (libnvidia-ml) says of the driver and its GPUs."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Missing, Section

_NOT_ASKED = Missing("these facts are of a version that did not ask")


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process with a context on a GPU; `used_bytes` is None where the system does not tell it.

    `kind` is `compute` (those that do both count so) or `graphics`; "" in facts of a version that did not part them.
    """

    pid: int
    used_bytes: int | None
    kind: str = ""


class NvmlDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU as NVML sees it; `index` is NVML's (PCI order), which CUDA's default order need not follow.

    `volatile` counts since the driver was loaded, `aggregate` since the card was made. `virtualization` is `none`,
    `passthrough`, `vgpu`, `host vgpu` or `host vsga`; `vgpu_licence` is `licensed` or `unlicensed`. `processes` are
    those with a compute or graphics context, as far as this process may see them, without cudadoctor's own. The
    temperatures are those at which the hardware slows down, which the card must not pass at work, and which its fan
    keeps to.
    """

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
    ecc_uncorrectable_volatile: Fact[int] = _NOT_ASKED
    ecc_uncorrectable_aggregate: Fact[int] = _NOT_ASKED
    remapped_rows_correctable: Fact[int] = _NOT_ASKED
    remapped_rows_uncorrectable: Fact[int] = _NOT_ASKED
    remap_pending: Fact[bool] = _NOT_ASKED
    remap_failed: Fact[bool] = _NOT_ASKED
    recovery_action: Fact[str] = _NOT_ASKED
    mig_instances: Fact[int] = _NOT_ASKED
    virtualization: Fact[str] = _NOT_ASKED
    vgpu_licence: Fact[str] = _NOT_ASKED
    fabric_state: Fact[str] = _NOT_ASKED
    driver_model: Fact[str] = _NOT_ASKED
    processes: Fact[tuple[GpuProcess, ...]] = _NOT_ASKED
    power_limit_default_w: Fact[float] = _NOT_ASKED
    slowdown_temperature_c: Fact[int] = _NOT_ASKED
    maximum_temperature_c: Fact[int] = _NOT_ASKED
    target_temperature_c: Fact[int] = _NOT_ASKED


class Nvml(Section, frozen=True, kw_only=True):
    """NVML itself. `mapped_release` is the release in the name of the file that was really mapped."""

    mapped_path: Fact[str]
    mapped_release: Fact[str]
    driver_release: Fact[str]
    nvml_version: Fact[str]
    cuda_version: Fact[str]
    device_count: Fact[int]
    devices: tuple[NvmlDevice, ...]
    confidential_compute: Fact[bool] = _NOT_ASKED
    confidential_compute_ready: Fact[bool] = _NOT_ASKED


HEALTH_FACTS = tuple(NvmlDevice.__struct_fields__[NvmlDevice.__struct_fields__.index("ecc_uncorrectable_volatile") :])
"""The facts of a device that are asked for after all others."""
