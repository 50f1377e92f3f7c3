"""Compile a kernel with numba for this GPU, run it and check its result: the child's side.

The kernel computes a x + y on small whole numbers, which float32 holds exactly, so the result must be equal bit for
bit. Device memory is some kB, and it goes with the process.
"""

from __future__ import annotations

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

_ELEMENTS = 4096
_COPY_BYTES = 2**20
_CODE = re.compile(r"\[(\d{1,4})\]|CUDA_ERROR_\w+")


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send `step-result` for kernel-compile, kernel-result and copy; stop at the first that fails.

    After the compilation `mapped` says which CUDA libraries this process has loaded by then.

    Args:
        arguments: `device` is the index of the driver API.
        reporter: Where to send.
    """
    device = int(arguments["device"])
    # Importing takes most of the time and asks no driver, so it is done while the other children ask theirs; and once
    # they have had their answers, the context is made beside it.
    told = threading.Event()
    context = threading.Thread(target=_make_context, args=(device, reporter, told), daemon=True)
    context.start()
    with reporter.step("import numba.cuda", limit_s=COMPILE_LIMIT_S):
        failure = _try(_import)
    told.wait()
    with reporter.step("cuDevicePrimaryCtxRetain"):
        context.join()
    if failure is not None:
        _send(reporter, "kernel-compile", "import numba.cuda", failure)
        return
    from cudadoctor.gpu import check_kernel

    with reporter.step("cuCtxCreate through numba.cuda"):
        failure = _try(lambda: check_kernel.select(device))
    if failure is not None:
        _send(reporter, "kernel-compile", "numba.cuda.select_device", failure)
        return
    started = time.perf_counter()
    with reporter.step("compile a kernel with numba.cuda", limit_s=COMPILE_LIMIT_S):
        failure = _try(check_kernel.compile_kernel)
    detail = f"compiled for compute capability {check_kernel.capability() if failure is None else '?'}"
    _send(reporter, "kernel-compile", "numba.cuda.jit", failure, detail, time.perf_counter() - started)
    reporter.send("mapped", paths=mapped_libraries())
    if failure is not None:
        return
    checks: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("kernel-result", "cuLaunchKernel", lambda: check_kernel.run(_ELEMENTS)),
        ("copy", "cuMemcpy", lambda: check_kernel.copy_back(_COPY_BYTES)),
    )
    for step, call, check in checks:
        said: list[str] = []
        with reporter.step(call):
            failure = _try(lambda check=check, said=said: said.append(check()))  # type: ignore[misc]
        _send(reporter, step, call, failure, said[0] if said else "")
        if failure is not None:
            return


def _make_context(device: int, reporter: Reporter, told: threading.Event) -> None:
    """Make the primary context that numba will use, once the parent says go; it goes with the process.

    A failure is left for numba to meet again, which then says so in a step of its own.
    """
    reporter.wait()
    told.set()
    with suppress(OSError, DriverError):
        driver = open_driver()
        driver.initialise()
        driver.keep_primary_context(driver.device(device))


def _import() -> None:
    # numba refuses to import with packages that it does not work with, and says so.
    import cudadoctor.gpu.check_kernel  # noqa: F401


def _try(action: Callable[[], Any]) -> Exception | None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever numba raises is the answer
        return error
    return None


def _send(
    reporter: Reporter,
    step: str,
    call: str,
    failure: Exception | None,
    detail: str = "",
    seconds: float | None = None,
) -> None:
    result: dict[str, Any] = {"name": step, "call": call, "state": "passed", "detail": detail, "seconds": seconds}
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
