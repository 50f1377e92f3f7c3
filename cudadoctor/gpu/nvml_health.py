"""What NVML says of a GPU's health and of who uses it: the child's side.

Most of it is not supported by most cards, and newer functions are missing from older drivers: each answer is asked
for on its own, and what does not come is `Missing` with NVML's reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cudadoctor.facts.base import Known, Missing, converted
from cudadoctor.facts.nvml import GpuProcess

Ask = Callable[..., Any]
"""Calls one NVML function, given by name, with arguments; returns a fact."""

_FIELD_RECOVERY_ACTION = 230  # NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
_UNCORRECTED, _VOLATILE, _AGGREGATE = 1, 0, 1
_VIRTUALIZATION = ("none", "passthrough", "vgpu", "host vgpu", "host vsga")
_RECOVERY = (
    "none",
    "reset the GPU",
    "reboot the node",
    "drain peer-to-peer traffic",
    "drain and reset",
    "recover the IMEX domain",
    "reset the bus",
    "reboot the system",
)
_FABRIC = ("not supported", "not started", "in progress", "completed")
_DRIVER_MODEL = ("WDDM", "TCC", "MCDM")
_MAX_PROCESSES = 64
_SLOWDOWN, _GPU_MAX, _ACOUSTIC_CURR = 1, 3, 5  # nvmlTemperatureThresholds_t


def of_system(ask: Ask) -> dict[str, Any]:
    """Return the facts about confidential computing, which NVML tells of the system as a whole."""
    return {
        "confidential_compute": converted(ask("nvmlSystemGetConfComputeState"), lambda state: bool(state.ccFeature)),
        "confidential_compute_ready": converted(ask("nvmlSystemGetConfComputeGpusReadyState"), bool),
    }


def of_device(ask: Ask, handle: Any, mig_enabled: bool) -> dict[str, Any]:
    """Return the facts about one GPU's errors, modes and processes, by the name of their field in `NvmlDevice`."""
    rows = ask("nvmlDeviceGetRemappedRows", handle)
    model = ask("nvmlDeviceGetDriverModel_v2", handle)
    return {
        "ecc_uncorrectable_volatile": ask("nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _VOLATILE),
        "ecc_uncorrectable_aggregate": ask("nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _AGGREGATE),
        "remapped_rows_correctable": converted(rows, lambda row: int(row[0])),
        "remapped_rows_uncorrectable": converted(rows, lambda row: int(row[1])),
        "remap_pending": converted(rows, lambda row: bool(row[2])),
        "remap_failed": converted(rows, lambda row: bool(row[3])),
        "recovery_action": _recovery_action(ask("nvmlDeviceGetFieldValues", handle, [_FIELD_RECOVERY_ACTION])),
        "mig_instances": _mig_instances(ask, handle) if mig_enabled else Missing("MIG is off"),
        "virtualization": _named(ask("nvmlDeviceGetVirtualizationMode", handle), _VIRTUALIZATION),
        "vgpu_licence": _licence(ask("nvmlDeviceGetGridLicensableFeatures_v4", handle)),
        "fabric_state": _fabric(ask, handle),
        "driver_model": _named(converted(model, lambda pair: pair[0]), _DRIVER_MODEL),
        "processes": _processes(ask, handle),
        "power_limit_default_w": converted(
            ask("nvmlDeviceGetPowerManagementDefaultLimit", handle), lambda mw: mw / 1000
        ),
        "slowdown_temperature_c": ask("nvmlDeviceGetTemperatureThreshold", handle, _SLOWDOWN),
        "maximum_temperature_c": ask("nvmlDeviceGetTemperatureThreshold", handle, _GPU_MAX),
        "target_temperature_c": ask("nvmlDeviceGetTemperatureThreshold", handle, _ACOUSTIC_CURR),
    }


def _named(fact: Any, names: tuple[str, ...]) -> Any:
    if not isinstance(fact, Known):
        return fact
    if 0 <= fact.value < len(names):
        return Known(names[fact.value], fact.source)
    return Missing(f"{fact.source} answered {fact.value}, which nvml.h of this writing does not name")


def _recovery_action(fact: Any) -> Any:
    if not isinstance(fact, Known):
        return fact
    field = fact.value[0]
    if field.nvmlReturn != 0:
        return Missing(f"{fact.source} answered {field.nvmlReturn} for the recovery action")
    return _named(Known(int(field.value.uiVal), fact.source), _RECOVERY)


def _mig_instances(ask: Ask, handle: Any) -> Any:
    most = ask("nvmlDeviceGetMaxMigDeviceCount", handle)
    if not isinstance(most, Known):
        return most
    found = 0
    for index in range(min(most.value, 16)):
        found += isinstance(ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, index), Known)
    return Known(found, "nvmlDeviceGetMigDeviceHandleByIndex")


def _licence(fact: Any) -> Any:
    if not isinstance(fact, Known):
        return fact
    if not fact.value.isGridLicenseSupported:
        return Missing("this GPU needs no vGPU licence")
    features = fact.value.gridLicensableFeatures[: min(fact.value.licensableFeaturesCount, 3)]
    enabled = [feature for feature in features if feature.featureEnabled]
    if not enabled:
        return Missing(f"{fact.source} names no feature that is enabled")
    return Known("licensed" if any(feature.featureState for feature in enabled) else "unlicensed", fact.source)


def _fabric(ask: Ask, handle: Any) -> Any:
    import pynvml

    if not hasattr(pynvml, "c_nvmlGpuFabricInfo_t"):
        return Missing("this nvidia-ml-py does not know nvmlDeviceGetGpuFabricInfo")
    info = pynvml.c_nvmlGpuFabricInfo_t()
    return _named(
        converted(ask("nvmlDeviceGetGpuFabricInfo", handle, pynvml.byref(info)), lambda _: info.state), _FABRIC
    )


def _processes(ask: Ask, handle: Any) -> Any:
    """Return the compute processes, and those graphics processes that are not among them."""
    compute = ask("nvmlDeviceGetComputeRunningProcesses", handle)
    if not isinstance(compute, Known):
        return compute
    graphics = ask("nvmlDeviceGetGraphicsRunningProcesses", handle)
    by_pid: dict[int, GpuProcess] = {}
    drawing = graphics.value if isinstance(graphics, Known) else ()
    for kind, processes in (("compute", compute.value), ("graphics", drawing)):
        for process in processes:
            used = None if process.usedGpuMemory is None else int(process.usedGpuMemory)
            by_pid.setdefault(process.pid, GpuProcess(pid=process.pid, used_bytes=used, kind=kind))
    source = compute.source + (f", {graphics.source}" if isinstance(graphics, Known) else "")
    return Known(tuple(by_pid.values())[:_MAX_PROCESSES], source)
