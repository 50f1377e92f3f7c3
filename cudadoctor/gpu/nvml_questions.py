"""What NVML is asked of each GPU: a call a question, and how the fields of `NvmlView` are read from its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cudadoctor.gpu.ask_nvml import short_address
from cudadoctor.text import from_bytes


class Question(msgspec.Struct, frozen=True):
    """One NVML call on a device: the function, and for each field that it fills how its answer is read.

    `constants` are names in pynvml, given as arguments after the handle.
    """

    function: str
    fields: dict[str, Callable[[Any], Any]]
    constants: tuple[str, ...] = ()

    @property
    def call(self) -> str:
        """The call as a user would look it up: `nvmlDeviceGetClockInfo(NVML_CLOCK_SM)`."""
        return f"{self.function}({', '.join(self.constants)})" if self.constants else self.function


def _text(value: Any) -> str:
    return from_bytes(value) if isinstance(value, bytes) else str(value)


def _watts(milliwatts: int) -> float:
    return milliwatts / 1000


def _part(index: int, kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: kind(values[index])


def _field(name: str) -> Callable[[Any], Any]:
    return lambda struct: int(getattr(struct, name))


def _ecc(kind: str, counter: str) -> tuple[str, str]:
    return f"NVML_MEMORY_ERROR_TYPE_{kind}", f"NVML_{counter}_ECC"


NVML_QUESTIONS = (
    Question("nvmlDeviceGetName", {"name": _text}),
    Question("nvmlDeviceGetUUID", {"uuid": _text}),
    Question("nvmlDeviceGetPciInfo", {"pci_address": lambda pci: short_address(_text(pci.busId))}),
    Question("nvmlDeviceGetCudaComputeCapability", {"compute_capability": lambda pair: f"{pair[0]}.{pair[1]}"}),
    Question("nvmlDeviceGetVbiosVersion", {"vbios": _text}),
    Question("nvmlDeviceGetGspFirmwareVersion", {"gsp_firmware": _text}),
    Question("nvmlDeviceGetBoardPartNumber", {"board_part_number": _text}),
    Question("nvmlDeviceGetMinorNumber", {"minor_number": int}),
    Question("nvmlDeviceGetVirtualizationMode", {"virtualization_mode": int}),
    Question("nvmlDeviceGetAddressingMode", {"addressing_mode": int}),
    Question("nvmlDeviceGetNumGpuCores", {"cores": int}),
    Question("nvmlDeviceGetMemoryInfo", {"memory_total_bytes": _field("total"), "memory_used_bytes": _field("used")}),
    Question("nvmlDeviceGetMemoryInfo", {"memory_reserved_bytes": _field("reserved")}, ("nvmlMemory_v2",)),
    Question("nvmlDeviceGetMemoryBusWidth", {"memory_bus_width_bits": int}),
    Question(
        "nvmlDeviceGetBAR1MemoryInfo",
        {"bar1_total_bytes": _field("bar1Total"), "bar1_used_bytes": _field("bar1Used")},
    ),
    Question("nvmlDeviceGetCurrPcieLinkGeneration", {"link_generation": int}),
    Question("nvmlDeviceGetMaxPcieLinkGeneration", {"link_generation_max": int}),
    Question("nvmlDeviceGetGpuMaxPcieLinkGeneration", {"gpu_link_generation_max": int}),
    Question("nvmlDeviceGetCurrPcieLinkWidth", {"link_width": int}),
    Question("nvmlDeviceGetMaxPcieLinkWidth", {"link_width_max": int}),
    Question("nvmlDeviceGetPcieReplayCounter", {"pcie_replays": int}),
    Question("nvmlDeviceGetPerformanceState", {"performance_state": int}),
    Question("nvmlDeviceGetClockInfo", {"sm_clock_mhz": int}, ("NVML_CLOCK_SM",)),
    Question("nvmlDeviceGetMaxClockInfo", {"sm_clock_max_mhz": int}, ("NVML_CLOCK_SM",)),
    Question("nvmlDeviceGetClockInfo", {"memory_clock_mhz": int}, ("NVML_CLOCK_MEM",)),
    Question("nvmlDeviceGetMaxClockInfo", {"memory_clock_max_mhz": int}, ("NVML_CLOCK_MEM",)),
    Question("nvmlDeviceGetCurrentClocksEventReasons", {"clock_event_reasons": int}),
    Question("nvmlDeviceGetTemperature", {"temperature_c": int}, ("NVML_TEMPERATURE_GPU",)),
    Question("nvmlDeviceGetPowerUsage", {"power_draw_w": _watts}),
    Question("nvmlDeviceGetPowerManagementLimit", {"power_limit_w": _watts}),
    Question("nvmlDeviceGetEnforcedPowerLimit", {"power_limit_enforced_w": _watts}),
    Question("nvmlDeviceGetPowerManagementDefaultLimit", {"power_limit_default_w": _watts}),
    Question(
        "nvmlDeviceGetPowerManagementLimitConstraints",
        {"power_limit_min_w": _part(0, _watts), "power_limit_max_w": _part(1, _watts)},
    ),
    Question("nvmlDeviceGetEccMode", {"ecc_enabled": _part(0, bool), "ecc_pending": _part(1, bool)}),
    Question("nvmlDeviceGetTotalEccErrors", {"ecc_corrected": int}, _ecc("CORRECTED", "VOLATILE")),
    Question("nvmlDeviceGetTotalEccErrors", {"ecc_uncorrected": int}, _ecc("UNCORRECTED", "VOLATILE")),
    Question("nvmlDeviceGetTotalEccErrors", {"ecc_corrected_aggregate": int}, _ecc("CORRECTED", "AGGREGATE")),
    Question("nvmlDeviceGetTotalEccErrors", {"ecc_uncorrected_aggregate": int}, _ecc("UNCORRECTED", "AGGREGATE")),
    Question(
        "nvmlDeviceGetRemappedRows",
        {
            "remapped_rows_correctable": _part(0, int),
            "remapped_rows_uncorrectable": _part(1, int),
            "row_remap_pending": _part(2, bool),
            "row_remap_failed": _part(3, bool),
        },
    ),
    Question("nvmlDeviceGetPersistenceMode", {"persistence_mode": bool}),
    Question("nvmlDeviceGetComputeMode", {"compute_mode": int}),
    Question("nvmlDeviceGetDisplayActive", {"display_active": bool}),
    Question("nvmlDeviceGetMigMode", {"mig_enabled": _part(0, bool), "mig_pending": _part(1, bool)}),
    Question("nvmlDeviceGetComputeRunningProcesses", {"compute_processes": len}),
    Question("nvmlDeviceGetMPSComputeRunningProcesses", {"mps_processes": len}),
)
"""Names and argument order from nvml.h, through nvidia-ml-py; counts and clocks are as the header says."""

CONFIDENTIAL_COMPUTE = Question(
    "nvmlSystemGetConfComputeState",
    {
        "confidential_compute": lambda state: bool(state.ccFeature),
        "confidential_compute_devtools": lambda state: bool(state.devToolsMode),
    },
)
