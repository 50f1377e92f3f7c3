"""Let one framework use the GPU: the child's side of `check --frameworks`.

The operation is a product of two small matrices of whole numbers: exact in every precision that a framework may choose
(TF32, bfloat16), so the result must be equal to the one computed in Python; and it makes the framework load its
linear algebra library, so that the process shows which file that is.
"""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from cudadoctor.facts.base import Known, Missing
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.framework_adapters import ADAPTERS, Adapter, Matrix, dotted, dotted_cudnn
from cudadoctor.gpu.mapped import mapped_files

T = TypeVar("T")

LIBRARIES = ("libcudart", "libcublas", "libcublasLt", "libcudnn", "libnvrtc", "libnccl", "libcuda")

_SIZE = 32
_LONGEST_ERROR = 800
_NAME = re.compile(r"\bCUDA_ERROR_\w+|\bcudaError[A-Z]\w+|\bCUBLAS_STATUS_\w+|\bCUDNN_STATUS_\w+")


class _StoppedError(Exception):
    """A step failed and was reported; those after it make no sense."""


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send `step-result` for import, device-count and operation, up to the first that fails; and facts.

    Args:
        arguments: `framework` is the name that is imported, `device` its index of the GPU, `limit_s` bounds each step.
        reporter: Where to send.
    """
    name, device, limit_s = arguments["framework"], int(arguments["device"]), float(arguments["limit_s"])
    try:
        adapter = _step(reporter, "import", f"import {name}", limit_s, ADAPTERS[name], Adapter.version)
        _ask(adapter, device, limit_s, reporter)
    except _StoppedError:
        pass
    mapped = mapped_files(LIBRARIES)
    reporter.send("libraries", libraries=[{"name": key, "path": path} for key, path in mapped.items()])


def _ask(adapter: Adapter, device: int, limit_s: float, reporter: Reporter) -> None:
    name = adapter.name
    _fact(reporter, "version", adapter.version, f"{name}.__version__")
    _fact(reporter, "built_with_cuda", adapter.built_with_cuda, f"{name} in its own words")

    def count() -> int:
        seen = adapter.count()
        _fact(reporter, "device_count", lambda: seen, name)
        if seen == 0:
            raise RuntimeError(adapter.why_none())
        if device >= seen:
            raise RuntimeError(f"it sees {seen} GPUs, and GPU {device} was asked for")
        return seen

    def architectures() -> tuple[str, ...] | None:
        listed = adapter.architectures()
        return None if listed is None else tuple(listed)

    try:
        _step(reporter, "device-count", f"{name}: count GPUs", limit_s, count, _counted)
    finally:
        with reporter.step(f"{name}: architectures", limit_s=limit_s):
            _fact(reporter, "architectures", architectures, f"{name} in its own words")
    with reporter.step(f"{name}: compute capability", limit_s=limit_s):
        _fact(reporter, "device_capability", lambda: adapter.capability(device), name)
    try:
        _step(reporter, "operation", f"{name}: matrix product", limit_s, lambda: _check(adapter, device), str)
    finally:
        with reporter.step(f"{name}: versions of its libraries", limit_s=limit_s):
            _fact(reporter, "cuda_runtime_version", lambda: _runtime(adapter), f"{name} or cudaRuntimeGetVersion")
            _fact(reporter, "cudnn_version", lambda: _cudnn(adapter), f"{name} or cudnnGetVersion")


def _check(adapter: Adapter, device: int) -> str:
    """Compute, compare, and say what was right.

    Raises:
        ArithmeticError: The result differs.
    """
    left: Matrix = [[float((row + 2 * k) % 4) for k in range(_SIZE)] for row in range(_SIZE)]
    right: Matrix = [[float((3 * k + column) % 4) for column in range(_SIZE)] for k in range(_SIZE)]
    expected = [
        [sum(left[row][k] * right[k][column] for k in range(_SIZE)) + 1 for column in range(_SIZE)]
        for row in range(_SIZE)
    ]
    result = adapter.product(left, right, device)
    wrong = [
        (row, column)
        for row in range(_SIZE)
        for column in range(_SIZE)
        if len(result) != _SIZE or result[row][column] != expected[row][column]
    ]
    if wrong:
        row, column = wrong[0]
        seen = result[row][column] if len(result) == _SIZE else f"missing ({len(result)} rows came back)"
        raise ArithmeticError(
            f"{len(wrong)} of {_SIZE * _SIZE} elements of a matrix product are wrong; "
            f"element ({row}, {column}) is {seen} and must be {expected[row][column]}"
        )
    return f"{_SIZE * _SIZE} elements of a matrix product were right"


def _counted(count: int) -> str:
    return f"{count} GPU" if count == 1 else f"{count} GPUs"


def _step(
    reporter: Reporter, step: str, call: str, limit_s: float, action: Callable[[], T], detail: Callable[[T], str]
) -> T:
    """Do one step and report it.

    Raises:
        _StoppedError: It failed.
    """
    result: dict[str, Any] = {"name": step, "call": call}
    started = time.perf_counter()
    with reporter.step(call, limit_s=limit_s):
        try:
            value = action()
            result |= {"state": "passed", "detail": detail(value)}
        except Exception as error:  # noqa: BLE001 - whatever a framework raises is the answer
            text = " ".join(str(error).split()) or "no message"
            match = _NAME.search(text)
            result |= {"state": "failed", "detail": f"{type(error).__name__}: {text[:_LONGEST_ERROR]}"}
            result["code_name"] = match.group() if match else None
    result["seconds"] = time.perf_counter() - started
    reporter.send("step-result", step=result)
    if result["state"] == "failed":
        raise _StoppedError
    return value


def _fact(reporter: Reporter, name: str, ask: Callable[[], Any], source: str) -> None:
    """Send one fact; what cannot be asked, in a framework of another release say, is missing."""
    fact: Known[Any] | Missing
    try:
        value = ask()
        fact = Missing("the framework does not tell") if value is None else Known(value, source)
    except Exception as error:  # noqa: BLE001 - whatever a framework raises is the reason
        text = " ".join(str(error).split())
        fact = Missing(f"{type(error).__name__}: {text[:200]}")
    reporter.send("fact", name=name, fact=msgspec.to_builtins(fact))


def _runtime(adapter: Adapter) -> str | None:
    number = _own(adapter.runtime)
    if number is None:
        path = mapped_files(("libcudart",)).get("libcudart")
        value = ctypes.c_int(0)
        if path is not None and ctypes.CDLL(path).cudaRuntimeGetVersion(ctypes.byref(value)) == 0:
            number = value.value
    return dotted(number) if number else None


def _cudnn(adapter: Adapter) -> str | None:
    number = _own(adapter.cudnn)
    if number is None:
        path = mapped_files(("libcudnn",)).get("libcudnn")
        if path is not None:
            function = ctypes.CDLL(path).cudnnGetVersion
            function.restype = ctypes.c_size_t
            number = int(function())
    return dotted_cudnn(number) if number else None


def _own(ask: Callable[[], int | None]) -> int | None:
    try:
        return ask()
    except Exception:  # noqa: BLE001 - the library itself is asked then
        return None
