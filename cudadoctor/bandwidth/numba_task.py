"""The child's side of what a numba user gets. It comes last on the device, and is the only part that imports numba."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import msgspec

from cudadoctor.bandwidth.host_memory import available_bytes
from cudadoctor.bandwidth.plan import NUMBA_KEYS, NUMBA_LATENCY_KEYS, Plan
from cudadoctor.bandwidth.task import skip
from cudadoctor.bandwidth.transfers import VerificationError, measure
from cudadoctor.bandwidth.workspace import Workspace, open_workspace, round_down
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.driver_api import Driver

IMPORT_LIMIT_S = 60.0
"""Importing and compiling run on the CPU; a cold disk may make them slow."""


def measure_numba(driver: Driver, device: int, plan: Plan, limit_s: float, reporter: Reporter) -> None:
    """Measure copies and calls through numba.cuda; where it does not work, all is skipped with its reason."""
    with ExitStack() as stack:
        try:
            with reporter.step("import numba.cuda", limit_s=IMPORT_LIMIT_S):
                cuda = _import()
            with reporter.step("numba.cuda.select_device", limit_s=limit_s):
                cuda.select_device(device)
            with reporter.step("cuMemAlloc and cuMemHostAlloc", limit_s=limit_s):
                size = min(plan.size_bytes, plan.extra_bytes)
                workspace = stack.enter_context(open_workspace(driver, round_down(size), host_free=available_bytes()))
        except Exception as error:  # noqa: BLE001 - an installation can be broken in any way
            for key in (*NUMBA_KEYS, *NUMBA_LATENCY_KEYS):
                skip(reporter, key, device, f"numba.cuda cannot be used here: {_first_line(error)}")
            return
        for key in NUMBA_KEYS:
            _try(key, device, reporter, lambda key=key: _copies(key, workspace, cuda, device, plan, limit_s, reporter))  # type: ignore[misc]
        for key in NUMBA_LATENCY_KEYS:
            _try(key, device, reporter, lambda key=key: _latency(key, cuda, device, limit_s, reporter))  # type: ignore[misc]


def _import() -> Any:
    from numba.core import config

    from cudadoctor.gpu.numba_cuda import cuda

    if config.ENABLE_CUDASIM:
        raise RuntimeError("NUMBA_ENABLE_CUDASIM is set, and the simulator copies nothing to a GPU")
    return cuda


def _copies(
    key: str, workspace: Workspace, cuda: Any, device: int, plan: Plan, limit_s: float, reporter: Reporter
) -> None:
    from cudadoctor.bandwidth.through_numba import ThroughNumba

    if key.endswith("_pinned") and workspace.not_pinned:
        skip(reporter, key, device, workspace.not_pinned)
        return
    result = measure(
        ThroughNumba(key, workspace, cuda),
        device=device,
        plan=plan,
        step=lambda call: reporter.step(call, limit_s=limit_s),
        sampled=lambda gb_per_s: reporter.send("sample", key=key, gb_per_s=gb_per_s),
        note="; ".join(workspace.notes),
    )
    reporter.send("result", asked=key, result=msgspec.to_builtins(result))


def _latency(key: str, cuda: Any, device: int, limit_s: float, reporter: Reporter) -> None:
    from cudadoctor.bandwidth.through_numba import CALLS, measure_numba_latency

    limit_s = max(limit_s, IMPORT_LIMIT_S) if key == "numba_launch" else limit_s
    with reporter.step(CALLS[key], limit_s=limit_s):
        latency = measure_numba_latency(key, cuda, device)
    reporter.send("latency", latency=msgspec.to_builtins(latency))


def _try(key: str, device: int, reporter: Reporter, measure_it: Callable[[], None]) -> None:
    try:
        measure_it()
    except VerificationError as error:
        skip(reporter, key, device, f"verification failed: {error}")
    except Exception as error:  # noqa: BLE001 - numba raises what its compilers and the driver's bindings raise
        skip(reporter, key, device, _first_line(error))


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
