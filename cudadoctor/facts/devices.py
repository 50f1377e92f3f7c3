"""Everything that the driver API, NVML and sysfs say of each GPU, side by side; all that deviceQuery shows, and more.

Each value keeps the call that it came from. What both the driver API and NVML say is kept twice, so that a
disagreement can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from cudadoctor.facts.base import Fact, Missing, Section, known
from cudadoctor.facts.ladder import Step
from cudadoctor.facts.pci import Hop


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of the driver API: number and name as in cuda.h, the name without CU_DEVICE_ATTRIBUTE_."""

    number: int
    name: str
    value: Fact[int]


class DriverView(msgspec.Struct, frozen=True, kw_only=True, tag_field="state", tag="known"):
    """A GPU as the driver API shows it to this process; `index` is what CUDA programs and `--device` call it.

    With MIG it is the instance: its UUID, memory and multiprocessors are not those of the whole GPU.
    """

    index: int
    name: Fact[str]
    uuid: Fact[str]
    pci_address: Fact[str]
    compute_capability: Fact[str]
    memory_total_bytes: Fact[int]
    attributes: tuple[Attribute, ...]

    def attribute(self, name: str) -> Fact[int]:
        """Return an attribute by its name in cuda.h, without the prefix."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute.value
        return Missing("this file does not have the attribute")


class NvmlView(msgspec.Struct, frozen=True, kw_only=True, tag_field="state", tag="known"):
    """A GPU as NVML sees it; `index` is NVML's (PCI order).

    `memory_total_bytes` is all of the memory; the driver keeps `memory_reserved_bytes` of it to itself. The cap that
    holds is `power_limit_enforced_w`; `power_limit_w` is what was set. `link_generation_max` is what card and slot can
    do together, `gpu_link_generation_max` what the card alone can. `addressing_mode`: 0 none, 1 HMM, 2 ATS. Error
    counts are of all memories; `aggregate` ones are of the card's life, the others since the driver was loaded.
    """

    index: int
    name: Fact[str]
    uuid: Fact[str]
    pci_address: Fact[str]
    compute_capability: Fact[str]
    vbios: Fact[str]
    gsp_firmware: Fact[str]
    board_part_number: Fact[str]
    minor_number: Fact[int]
    virtualization_mode: Fact[int]
    addressing_mode: Fact[int]
    cores: Fact[int]
    memory_total_bytes: Fact[int]
    memory_reserved_bytes: Fact[int]
    memory_used_bytes: Fact[int]
    memory_bus_width_bits: Fact[int]
    bar1_total_bytes: Fact[int]
    bar1_used_bytes: Fact[int]
    link_generation: Fact[int]
    link_generation_max: Fact[int]
    gpu_link_generation_max: Fact[int]
    link_width: Fact[int]
    link_width_max: Fact[int]
    pcie_replays: Fact[int]
    performance_state: Fact[int]
    sm_clock_mhz: Fact[int]
    sm_clock_max_mhz: Fact[int]
    memory_clock_mhz: Fact[int]
    memory_clock_max_mhz: Fact[int]
    clock_event_reasons: Fact[int]
    temperature_c: Fact[int]
    power_draw_w: Fact[float]
    power_limit_w: Fact[float]
    power_limit_enforced_w: Fact[float]
    power_limit_default_w: Fact[float]
    power_limit_min_w: Fact[float]
    power_limit_max_w: Fact[float]
    ecc_enabled: Fact[bool]
    ecc_pending: Fact[bool]
    ecc_corrected: Fact[int]
    ecc_uncorrected: Fact[int]
    ecc_corrected_aggregate: Fact[int]
    ecc_uncorrected_aggregate: Fact[int]
    remapped_rows_correctable: Fact[int]
    remapped_rows_uncorrectable: Fact[int]
    row_remap_pending: Fact[bool]
    row_remap_failed: Fact[bool]
    persistence_mode: Fact[bool]
    compute_mode: Fact[int]
    display_active: Fact[bool]
    mig_enabled: Fact[bool]
    mig_pending: Fact[bool]
    compute_processes: Fact[int]
    mps_processes: Fact[int]


class Input(msgspec.Struct, frozen=True):
    """One number that another was computed from."""

    name: str
    value: float
    unit: str
    source: str


class Computed(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that was computed, not measured: its formula and inputs."""

    value: Fact[float]
    formula: str
    inputs: tuple[Input, ...] = ()


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU: both views of it, joined by UUID or PCI address, its way to the root, and its NUMA place.

    `path` is as in the section `pci`; `path_missing` says why it is empty. `numa_cpus` is a list as in sysfs (`0-15`).
    """

    driver: DriverView | Missing
    nvml: NvmlView | Missing
    path: tuple[Hop, ...]
    path_missing: str
    numa_node: Fact[int]
    numa_cpus: Fact[str]
    memory_bandwidth_gb_per_s: Computed
    fp32_peak_tflop_per_s: Computed


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one GPU can reach another's memory; both are the driver API's indexes."""

    device: int
    peer: int
    can_access: Fact[bool]
    performance_rank: Fact[int]
    native_atomics: Fact[bool]
    array_access: Fact[bool]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A row in which two GPUs differ, as the report shows it; `lasting` is False for readings of the moment."""

    group: str
    row: str
    first: str
    second: str
    lasting: bool


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two GPUs side by side: what each was called, how many rows both have, and where they differ."""

    first: str
    second: str
    compared: int
    differences: tuple[Difference, ...]


class Devices(Section, frozen=True, kw_only=True):
    """All GPUs that the driver API shows to this process, then those that only NVML sees.

    `cut_short` are the calls that hung or killed their process while these values were asked for; the rest stands.
    """

    devices: tuple[Device, ...]
    peers: tuple[Peer, ...]
    driver_release: Fact[str]
    driver_cuda_version: Fact[str]
    toolkit_version: Fact[str]
    confidential_compute: Fact[bool]
    confidential_compute_devtools: Fact[bool]
    comparison: Comparison | None = None
    cut_short: tuple[Step, ...] = ()


class Named(Protocol):
    """What a view of a GPU must have to be joined with another."""

    @property
    def uuid(self) -> Fact[str]:
        """Its UUID."""

    @property
    def pci_address(self) -> Fact[str]:
        """Its address."""


One = TypeVar("One", bound=Named)
Other = TypeVar("Other", bound=Named)


def join(ones: Sequence[One], others: Sequence[Other]) -> list[tuple[One | None, Other | None]]:
    """Put two views of one GPU together: by UUID, or else (with MIG the UUIDs differ) by PCI address.

    Returns:
        A pair for each of `ones`, in their order, then what is left of `others`; None stands for no partner.
    """
    free = list(others)
    partners: dict[int, Other] = {}
    # All UUIDs first: a GPU must not lose its partner to one that only shares an address.
    for field in ("uuid", "pci_address"):
        for place, one in enumerate(ones):
            wanted = known(getattr(one, field))
            if place in partners or wanted is None:
                continue
            match = next((other for other in free if same(known(getattr(other, field)), wanted)), None)
            if match is not None:
                partners[place] = match
                free.remove(match)
    pairs: list[tuple[One | None, Other | None]] = [(one, partners.get(place)) for place, one in enumerate(ones)]
    return pairs + [(None, other) for other in free]


def same(one: str | None, other: str) -> bool:
    """Say whether two UUIDs or addresses are the same."""
    return one is not None and one.lower() == other.lower()
