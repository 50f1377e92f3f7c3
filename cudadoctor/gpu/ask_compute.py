"""Compile kernels with numba for each GPU, run them and check their results: the child's side.

What is computed, and what it must come to, stands in `gpu/checks`. Device memory is given back after each check, and
the contexts go with the process.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.driver_api import DriverError, open_driver
from cudadoctor.gpu.mapped import mapped_libraries

COMPILE_LIMIT_S = 60.0
"""Compilation runs on the CPU and touches no driver but to load the result; a cold disk may make it slow."""

_CODE = re.compile(r"\[(\d{1,4})\]|CUDA_ERROR_\w+")


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Wait for the devices to try, then send `device` and the `step-result`s of each.

    After the first compilation `mapped` says which CUDA libraries this process has loaded by then.

    The steps of a device end at the first that fails; the other devices are tried all the same, unless numba itself
    cannot be imported.

    Args:
        arguments: None; the parent says `{"devices": [0, 1], "first": 0}`, indices of the driver API, when the child
            may go on. Of the first, the parent has seen a context made.
        reporter: Where to send.
    """
    # numba would keep memory that is no longer used for later; on a shared card others may want it.
    os.environ.setdefault("NUMBA_CUDA_MAX_PENDING_DEALLOCS_COUNT", "0")
    # Importing takes most of the time and asks no driver, so it is done while the other children ask theirs; and once
    # they have had their answers, the contexts are made beside it.
    ahead = _ContextsAhead(reporter)
    with reporter.step("import numba.cuda", limit_s=COMPILE_LIMIT_S):
        failure = _try(_import)
    for index, device in enumerate(ahead.devices()):
        reporter.send("device", index=device)
        with reporter.step("cuDevicePrimaryCtxRetain"):
            ahead.wait(index)
        if failure is not None:
            _send(reporter, device, "kernel-compile", "import numba.cuda", failure)
            return
        _climb(reporter, device, first=device == ahead.first)


def _climb(reporter: Reporter, device: int, *, first: bool) -> None:
    """Try one device."""
    from cudadoctor.gpu.checks import axpy, matmul, memory, reduction
    from cudadoctor.gpu.numba_cuda import cuda

    started = time.perf_counter()
    with reporter.step("cuCtxCreate through numba.cuda"):
        failure = _try(lambda: cuda.select_device(device))
    if failure is not None or not first:
        name = "kernel-compile" if first else "context"
        detail = f"context on device {device}"
        _send(reporter, device, name, "numba.cuda.select_device", failure, detail, time.perf_counter() - started)
        if failure is not None:
            return

    def compile_all() -> str:
        for check in (axpy, reduction, matmul, memory):
            check.compile()
        major, minor = cuda.get_current_device().compute_capability
        return f"compiled for compute capability {major}.{minor}"

    checks: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("kernel-compile", "numba.cuda.jit", compile_all),
        ("kernel-result", "cuLaunchKernel", axpy.run),
        ("copy", "cuMemcpy", axpy.copy_back),
        ("reduction", "cuLaunchKernel", reduction.run),
        ("matmul", "cuLaunchKernel", matmul.run),
        ("memory", "cuLaunchKernel", memory.run),
    )
    for step, call, check in checks:
        said: list[str] = []
        started = time.perf_counter()
        with reporter.step(call, limit_s=COMPILE_LIMIT_S if step == "kernel-compile" else None):
            failure = _try(lambda check=check, said=said: said.append(check()))  # type: ignore[misc]
        _send(reporter, device, step, call, failure, said[0] if said else "", time.perf_counter() - started)
        if first and step == "kernel-compile":
            reporter.send("mapped", paths=mapped_libraries())
        if failure is not None:
            return


class _ContextsAhead:
    """Makes the primary contexts that numba will use in a thread, one after the other, once the parent says go.

    A failure is left for numba to meet again, which then says so in a step of its own.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._told = threading.Event()
        self._devices: list[int] = []
        self._made: list[threading.Event] = []
        self.first: int | None = None
        threading.Thread(target=self._run, args=(reporter,), daemon=True).start()

    def devices(self) -> list[int]:
        """Wait for the parent, and return what it wants tried."""
        self._told.wait()
        return self._devices

    def wait(self, index: int) -> None:
        """Wait until a context was made, or could not be."""
        self._made[index].wait()

    def _run(self, reporter: Reporter) -> None:
        told = json.loads(reporter.wait() or "{}")
        self.first = told.get("first")
        self._devices = [int(device) for device in told.get("devices", ())]
        self._made = [threading.Event() for _ in self._devices]
        self._told.set()
        driver = None
        with suppress(OSError, DriverError):
            driver = open_driver()
            driver.initialise()
        for device, made in zip(self._devices, self._made, strict=True):
            if driver is not None:
                with suppress(OSError, DriverError):
                    driver.keep_primary_context(driver.device(device))
            made.set()


def _import() -> None:
    # numba refuses to import with packages that it does not work with, and says so.
    from cudadoctor.gpu.checks import axpy, matmul, memory, reduction  # noqa: F401
    from cudadoctor.gpu.numba_cuda import load_registries

    # What fails there fails again at the first kernel, which then says so in its own step.
    with suppress(Exception):
        load_registries()


def _try(action: Callable[[], Any]) -> Exception | None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever numba raises is the answer
        return error
    return None


def _send(
    reporter: Reporter,
    device: int,
    step: str,
    call: str,
    failure: Exception | None,
    detail: str = "",
    seconds: float | None = None,
) -> None:
    result: dict[str, Any] = {"name": step, "call": call, "state": "passed", "detail": detail, "seconds": seconds}
    result["device"] = device
    if failure is not None:
        text = " ".join(str(failure).split()) or "no message"
        code, name = _error_code(failure, text)
        result |= {"state": "failed", "code": code, "code_name": name}
        result["detail"] = f"{type(failure).__name__}: {text[:600]}"
    reporter.send("step-result", step=result)


def _error_code(failure: Exception, text: str) -> tuple[int | None, str | None]:
    """Find the driver's error code in numba's exception: an attribute, or `[222]` and a name in the message."""
    code = getattr(failure, "code", None)
    number = code if isinstance(code, int) else None
    name = None
    for match in _CODE.finditer(text):
        if match.group(1) is None:
            name = name or match.group(0)
        elif number is None:
            number = int(match.group(1))
    return number, name


def environment_forbids() -> str | None:
    """Say why no kernel can be tried in this environment, or None."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
        return "NUMBA_ENABLE_CUDASIM is set: numba would run kernels in Python, not on a GPU"
    if os.environ.get("NUMBA_DISABLE_CUDA", "0") not in ("", "0"):
        return "NUMBA_DISABLE_CUDA is set"
    return None
