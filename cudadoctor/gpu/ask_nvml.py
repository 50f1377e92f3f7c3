"""Ask NVML for everything it knows: the child's side, through nvidia-ml-py."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from cudadoctor.facts.base import Known, Missing, converted, known
from cudadoctor.facts.nvml import NvmlDevice
from cudadoctor.gpu import nvml_health
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.errors import nvml_error
from cudadoctor.gpu.mapped import mapped_path, mapped_release
from cudadoctor.text import from_bytes


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send `library`, `system`, a `device` and `health` a GPU, or `call-failed` for the call that ended the road."""
    import pynvml

    if sys.platform.startswith("linux"):
        # Loaded by hand first, so that the file is known even if nvmlInit then hangs. pynvml asks for the same name.
        with reporter.step("dlopen libnvidia-ml.so.1"):
            try:
                ctypes.CDLL("libnvidia-ml.so.1")
            except OSError as error:
                # What pynvml itself would answer.
                code, name = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "NVML_ERROR_LIBRARY_NOT_FOUND"
                reporter.send("call-failed", call="dlopen libnvidia-ml.so.1", code=code, name=name, detail=str(error))
                return
        path = mapped_path("libnvidia-ml")
        reporter.send("library", **msgspec.to_builtins({"path": path, "release": mapped_release(path)}))

    with reporter.step("nvmlInit"):
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            reporter.send(
                "call-failed", call="nvmlInit", code=error.value, name=nvml_error(error.value).name, detail=str(error)
            )
            return

    system = {
        "driver_release": _ask(reporter, pynvml.nvmlSystemGetDriverVersion),
        "nvml_version": _ask(reporter, pynvml.nvmlSystemGetNVMLVersion),
        "cuda_version": converted(_ask(reporter, pynvml.nvmlSystemGetCudaDriverVersion_v2), cuda_version),
        "device_count": _ask(reporter, pynvml.nvmlDeviceGetCount),
    }
    reporter.send("system", **msgspec.to_builtins(system))
    by_name = functools.partial(_ask_by_name, reporter)
    reporter.send("confidential", **msgspec.to_builtins(nvml_health.of_system(by_name)))
    count = system["device_count"]
    for index in range(count.value if isinstance(count, Known) else 0):
        with reporter.step("nvmlDeviceGetHandleByIndex"):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            except pynvml.NVMLError as error:
                name = nvml_error(error.value).name
                reporter.send(
                    "call-failed", call="nvmlDeviceGetHandleByIndex", code=error.value, name=name, detail=str(error)
                )
                continue
        device = _device(reporter, index, handle)
        reporter.send("device", device=msgspec.to_builtins(device))
        # Sent apart: if one of these calls hangs, the device is known all the same.
        health = nvml_health.of_device(by_name, handle, known(device.mig_enabled) is True)
        reporter.send("health", index=index, facts=msgspec.to_builtins(health))
    with reporter.step("nvmlShutdown"):
        pynvml.nvmlShutdown()


def cuda_version(number: int) -> str:
    """Return `13.0` for 13000, as cuDriverGetVersion and NVML count."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _device(reporter: Reporter, index: int, handle: Any) -> NvmlDevice:
    import pynvml as nvml

    def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        return _ask(reporter, function, handle, *arguments)

    memory = ask(nvml.nvmlDeviceGetMemoryInfo)
    return NvmlDevice(
        index=index,
        name=ask(nvml.nvmlDeviceGetName),
        uuid=ask(nvml.nvmlDeviceGetUUID),
        pci_address=converted(ask(nvml.nvmlDeviceGetPciInfo), lambda pci: short_address(_text(pci.busId))),
        compute_capability=converted(ask(nvml.nvmlDeviceGetCudaComputeCapability), lambda pair: f"{pair[0]}.{pair[1]}"),
        memory_total_bytes=converted(memory, lambda info: int(info.total)),
        memory_used_bytes=converted(memory, lambda info: int(info.used)),
        link_generation=ask(nvml.nvmlDeviceGetCurrPcieLinkGeneration),
        link_generation_max=ask(nvml.nvmlDeviceGetMaxPcieLinkGeneration),
        link_width=ask(nvml.nvmlDeviceGetCurrPcieLinkWidth),
        link_width_max=ask(nvml.nvmlDeviceGetMaxPcieLinkWidth),
        performance_state=ask(nvml.nvmlDeviceGetPerformanceState),
        sm_clock_mhz=ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
        sm_clock_max_mhz=ask(nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM),
        memory_clock_mhz=ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM),
        clock_event_reasons=ask(nvml.nvmlDeviceGetCurrentClocksEventReasons),
        temperature_c=ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
        power_draw_w=converted(ask(nvml.nvmlDeviceGetPowerUsage), lambda milliwatts: milliwatts / 1000),
        power_limit_w=converted(ask(nvml.nvmlDeviceGetEnforcedPowerLimit), lambda milliwatts: milliwatts / 1000),
        persistence_mode=converted(ask(nvml.nvmlDeviceGetPersistenceMode), bool),
        compute_mode=ask(nvml.nvmlDeviceGetComputeMode),
        ecc_enabled=converted(ask(nvml.nvmlDeviceGetEccMode), lambda pair: bool(pair[0])),
        mig_enabled=converted(ask(nvml.nvmlDeviceGetMigMode), lambda pair: bool(pair[0])),
        compute_processes=converted(ask(nvml.nvmlDeviceGetComputeRunningProcesses), len),
    )


def short_address(address: str) -> str:
    """Return NVML's `00000000:01:00.0` as sysfs writes it, `0000:01:00.0`."""
    domain, _, rest = address.lower().partition(":")
    return f"{domain[-4:]}:{rest}"


def _ask_by_name(reporter: Reporter, name: str, *arguments: Any) -> Any:
    """Call an NVML function that this nvidia-ml-py may not have."""
    import pynvml

    function = getattr(pynvml, name, None)
    return Missing(f"this nvidia-ml-py has no {name}") if function is None else _ask(reporter, function, *arguments)


def _ask(reporter: Reporter, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call one NVML function; its value with its source, or the error as a reason."""
    import pynvml

    call = function.__name__
    with reporter.step(call):
        try:
            value = function(*arguments)
        except pynvml.NVMLError as error:
            return Missing(f"{call} answered {nvml_error(error.value).name}")
        except UnicodeDecodeError as error:
            value = from_bytes(bytes(error.object))
    return Known(_text(value) if isinstance(value, (bytes, str)) else value, call)


def _text(value: bytes | str) -> str:
    return from_bytes(value) if isinstance(value, bytes) else value
