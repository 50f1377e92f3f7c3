"""Read a GPU's clocks, limits and users through NVML again and again while a program runs: the child's side.

Times are `time.monotonic()`, which all processes of a machine share.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.nvml_handle import open_device

INTERVAL_S = 0.05
CALM_INTERVAL_S, CALM_AFTER_S = 0.25, 1.0
"""For a program that shall not be disturbed: clocks rise within the first second."""

# nvmlPerfPolicyType_t of nvml.h: what held the clocks down, counted in nanoseconds since the driver was loaded.
_POLICIES = {"power": 0, "thermal": 1, "sync boost": 2, "board limit": 3, "low utilization": 4, "reliability": 5}


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send one `reading` after the other until this process is killed.

    A reading has `at`, `values` (a number, or None where NVML does not say), `violations_ns` by policy, and `pids` of
    compute processes on the GPU, or None.

    Args:
        arguments: `pci_address` of the GPU; `calm` says that readings become rare after a while.
        reporter: Where to send.

    Raises:
        RuntimeError: NVML does not start, or does not know the GPU.
    """
    import pynvml as nvml

    handle = open_device(arguments["pci_address"], reporter)
    calls: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "sm_mhz": (nvml.nvmlDeviceGetClockInfo, (nvml.NVML_CLOCK_SM,)),
        "memory_mhz": (nvml.nvmlDeviceGetClockInfo, (nvml.NVML_CLOCK_MEM,)),
        "performance_state": (nvml.nvmlDeviceGetPerformanceState, ()),
        "reasons": (nvml.nvmlDeviceGetCurrentClocksEventReasons, ()),
        "power_mw": (nvml.nvmlDeviceGetPowerUsage, ()),
        "temperature_c": (nvml.nvmlDeviceGetTemperature, (nvml.NVML_TEMPERATURE_GPU,)),
    }
    began = time.monotonic()
    with reporter.step("NVML readings during the run"):
        while True:
            values = {name: _read(function, handle, *rest) for name, (function, rest) in calls.items()}
            violations = {
                policy: getattr(_read(nvml.nvmlDeviceGetViolationStatus, handle, number), "violationTime", None)
                for policy, number in _POLICIES.items()
            }
            processes = _read(nvml.nvmlDeviceGetComputeRunningProcesses, handle)
            pids = None if processes is None else [process.pid for process in processes]
            reporter.send("reading", at=time.monotonic(), values=values, violations_ns=violations, pids=pids)
            calm = arguments.get("calm", False) and time.monotonic() - began > CALM_AFTER_S
            time.sleep(CALM_INTERVAL_S if calm else INTERVAL_S)


def _read(function: Callable[..., Any], *arguments: Any) -> Any:
    import pynvml

    try:
        return function(*arguments)
    except pynvml.NVMLError:
        return None
