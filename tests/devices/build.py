"""Two views of one GPU, small enough to read: what is not given is an H100."""

from __future__ import annotations

from typing import Any

import msgspec

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.devices import Attribute, Device, Devices, DriverView, NvmlView
from cudadoctor.probes.peaks import fp32_peak, memory_bandwidth
from tests.rules.build import fact

TOTAL = 85_520_809_984
ATTRIBUTES = {
    "CLOCK_RATE": 1_980_000,
    "MULTIPROCESSOR_COUNT": 132,
    "MEMORY_CLOCK_RATE": 2_619_000,
    "GLOBAL_MEMORY_BUS_WIDTH": 5120,
    "INTEGRATED": 0,
}


def driver_view(index: int = 0, *, attributes: dict[str, Any] | None = None, **values: Any) -> DriverView:
    told: dict[str, Any] = {
        "name": "NVIDIA H100 80GB HBM3",
        "uuid": f"GPU-0000000{index}-aaaa",
        "pci_address": f"0000:0{index + 1}:00.0",
        "compute_capability": "9.0",
        # What the driver keeps of an H100's memory to itself.
        "memory_total_bytes": 85_017_493_504,
    } | values
    given = ATTRIBUTES | (attributes or {})
    return DriverView(
        index=index,
        attributes=tuple(
            Attribute(number=number, name=name, value=_attribute(name, value))
            for number, (name, value) in enumerate(given.items(), 1)
        ),
        **{name: fact(value) for name, value in told.items()},
    )


def _attribute(name: str, value: Any) -> Any:
    return value if isinstance(value, Missing) else Known(value, f"cuDeviceGetAttribute({name})")


def nvml_view(index: int = 0, **values: Any) -> NvmlView:
    told: dict[str, Any] = {
        "name": "NVIDIA H100 80GB HBM3",
        "uuid": f"GPU-0000000{index}-aaaa",
        "pci_address": f"0000:0{index + 1}:00.0",
        "compute_capability": "9.0",
        "memory_total_bytes": TOTAL,
        "memory_clock_max_mhz": 2619,
        "memory_bus_width_bits": 5120,
        "sm_clock_max_mhz": 1980,
        "mig_enabled": False,
    } | values
    names = [field.name for field in msgspec.structs.fields(NvmlView) if field.name != "index"]
    left_out = Missing("a test left it out")
    return NvmlView(index=index, **{name: fact(told.get(name, left_out)) for name in names})


def device(driver: DriverView | Missing, nvml: NvmlView | Missing) -> Device:
    views = (
        driver if isinstance(driver, DriverView) else None,
        nvml if isinstance(nvml, NvmlView) else None,
    )
    return Device(
        driver=driver,
        nvml=nvml,
        path=(),
        path_missing="a test left it out",
        numa_node=fact(0),
        numa_cpus=fact("0-15"),
        memory_bandwidth_gb_per_s=memory_bandwidth(*views),
        fp32_peak_tflop_per_s=fp32_peak(*views),
    )


def devices(*gpus: Device) -> Devices:
    return Devices(
        devices=gpus,
        peers=(),
        driver_release=fact("580.159.04"),
        driver_cuda_version=fact("13.0"),
        toolkit_version=fact("13.0"),
        confidential_compute=fact(False),
        confidential_compute_devtools=fact(False),
    )
