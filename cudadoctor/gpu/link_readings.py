"""Read a GPU's link, its replays, clocks and performance state through NVML again and again: the child's side.

It runs in a process of its own beside the one that copies, so that an NVML that hangs or crashes costs the readings
and not the measurement. Times are `time.monotonic()`, which all processes of a machine share.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.errors import nvml_error
from cudadoctor.gpu.nvml_handle import open_device

INTERVAL_S = 0.02


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send one `reading` after the other until this process is killed.

    A reading has `start` and `end`, and for each field of `LinkUnderLoad`, and for `replays`, a number, or the reason
    in words.

    Args:
        arguments: `pci_address` of the GPU.
        reporter: Where to send.

    Raises:
        RuntimeError: NVML does not start, or does not know the GPU.
    """
    import pynvml as nvml

    handle = open_device(arguments["pci_address"], reporter)
    calls: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "generation": (nvml.nvmlDeviceGetCurrPcieLinkGeneration, ()),
        "width": (nvml.nvmlDeviceGetCurrPcieLinkWidth, ()),
        "generation_max": (nvml.nvmlDeviceGetMaxPcieLinkGeneration, ()),
        "width_max": (nvml.nvmlDeviceGetMaxPcieLinkWidth, ()),
        "performance_state": (nvml.nvmlDeviceGetPerformanceState, ()),
        "sm_clock_mhz": (nvml.nvmlDeviceGetClockInfo, (nvml.NVML_CLOCK_SM,)),
        "memory_clock_mhz": (nvml.nvmlDeviceGetClockInfo, (nvml.NVML_CLOCK_MEM,)),
        "clock_event_reasons": (nvml.nvmlDeviceGetCurrentClocksEventReasons, ()),
        "replays": (nvml.nvmlDeviceGetPcieReplayCounter, ()),
    }
    with reporter.step("NVML readings during copies"):
        while True:
            start = time.monotonic()
            values = {name: _read(function, handle, rest) for name, (function, rest) in calls.items()}
            reporter.send("reading", start=start, end=time.monotonic(), values=values)
            time.sleep(INTERVAL_S)


def _read(function: Callable[..., Any], handle: Any, rest: tuple[Any, ...]) -> int | str:
    import pynvml

    try:
        return int(function(handle, *rest))
    except pynvml.NVMLError as error:
        return f"{function.__name__} answered {nvml_error(error.value).name}"
