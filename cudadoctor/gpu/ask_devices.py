"""Ask NVML and the driver API for all that they say of each GPU: the children's side, one task for each library.

Every value is sent as soon as it is there, so that a call that hangs costs one value. The parent then starts another
child and names the call in `skip`. Values that this driver, card or nvidia-ml-py does not have are `Missing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.gpu.ask_nvml import cuda_version
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.driver_api import Driver, DriverError, open_driver
from cudadoctor.gpu.errors import nvml_error
from cudadoctor.gpu.nvml_questions import CONFIDENTIAL_COMPUTE, NVML_QUESTIONS, Question
from cudadoctor.tables.attributes import device_attributes

_INVALID_VALUE = 1

_CAPABILITY_CALL = "cuDeviceGetAttribute(COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR)"

_PEER_ATTRIBUTES = {"performance_rank": 1, "native_atomics": 3, "array_access": 4}
"""Numbers of `CUdevice_P2PAttribute` in cuda.h."""


def ask_nvml(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send a `value` for each field of `NvmlView` of each GPU, and those of the system with device None.

    Args:
        arguments: `skip` are calls not to make, `skip_devices` GPUs not to ask, by NVML's index.
        reporter: Where to send.

    Raises:
        RuntimeError: NVML does not start.
    """
    import pynvml

    with reporter.step("nvmlInit"):
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise RuntimeError(f"nvmlInit answered {nvml_error(error.value).name}") from None
    skip = frozenset(arguments.get("skip", ()))
    with reporter.step("nvmlDeviceGetCount"):
        try:
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            raise RuntimeError(f"nvmlDeviceGetCount answered {nvml_error(error.value).name}") from None
    _send(reporter, None, _answer(reporter, CONFIDENTIAL_COMPUTE, (), skip))
    for index in range(count):
        if index in arguments.get("skip_devices", ()):
            continue
        reporter.send("device", device=index)
        with reporter.step("nvmlDeviceGetHandleByIndex"):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            except pynvml.NVMLError as error:
                reason = f"nvmlDeviceGetHandleByIndex answered {nvml_error(error.value).name}"
                fields = {name: Missing(reason) for question in NVML_QUESTIONS for name in question.fields}
                _send(reporter, index, fields)
                continue
        for question in NVML_QUESTIONS:
            _send(reporter, index, _answer(reporter, question, (handle,), skip))


def _answer(
    reporter: Reporter, question: Question, arguments: tuple[Any, ...], skip: frozenset[str]
) -> dict[str, Fact[Any]]:
    """Make one call and return each of its fields: a value, or why there is none."""
    import pynvml

    def missing(reason: str) -> dict[str, Fact[Any]]:
        return {name: Missing(reason) for name in question.fields}

    if question.call in skip or question.function in skip:
        return missing(f"{question.call} was not called again: it had not come back")
    function = getattr(pynvml, question.function, None)
    constants = tuple(getattr(pynvml, name, None) for name in question.constants)
    if function is None or None in constants:
        return missing(f"this nvidia-ml-py does not have {question.call}")
    with reporter.step(question.call):
        try:
            value = function(*arguments, *constants)
        except pynvml.NVMLError as error:
            value, failure = None, f"{question.call} answered {nvml_error(error.value).name}"
        except UnicodeDecodeError as error:  # nvidia-ml-py decodes texts itself
            value, failure = bytes(error.object), ""
        else:
            failure = ""
    if failure:
        return missing(failure)
    try:
        return {name: Known(read(value), question.call) for name, read in question.fields.items()}
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        # Another nvidia-ml-py may answer with another structure.
        return missing(f"the answer of {question.call} could not be read ({type(error).__name__})")


def ask_driver(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send a `value` for each field and attribute of `DriverView` of each device, and a `peer` for each pair.

    Args:
        arguments: `skip` and `skip_devices` as for `ask_nvml`.
        reporter: Where to send.

    Raises:
        OSError: There is no driver library.
        DriverError: It does not start.
    """
    with reporter.step("dlopen libcuda"):
        driver = open_driver()
    with reporter.step("cuInit"):
        driver.initialise()
    with reporter.step("cuDeviceGetCount"):
        count = driver.device_count()
    ask = _DriverQuestions(driver, reporter, frozenset(arguments.get("skip", ())))
    version = ask.ask("cuDriverGetVersion", lambda: cuda_version(driver.version()))
    _send(reporter, None, {"driver_cuda_version": version})
    devices = [index for index in range(count) if index not in arguments.get("skip_devices", ())]
    for index in devices:
        ask.describe(index)
    for index in devices:
        for peer in devices:
            if peer != index:
                ask.peer(index, peer)


class _DriverQuestions:
    def __init__(self, driver: Driver, reporter: Reporter, skip: frozenset[str]) -> None:
        self._driver, self._reporter, self._skip = driver, reporter, skip

    def describe(self, index: int) -> None:
        driver, reporter = self._driver, self._reporter
        reporter.send("device", device=index)
        texts: tuple[tuple[str, str, Callable[[], Any]], ...] = (
            ("name", "cuDeviceGetName", lambda: driver.name(index)),
            ("uuid", "cuDeviceGetUuid", lambda: driver.uuid(index)),
            ("pci_address", "cuDeviceGetPCIBusId", lambda: driver.pci_address(index)),
            ("compute_capability", _CAPABILITY_CALL, lambda: driver.compute_capability(index)),
            ("memory_total_bytes", "cuDeviceTotalMem", lambda: driver.total_memory_bytes(index)),
        )
        for name, call, function in texts:
            _send(reporter, index, {name: self.ask(call, function)})
        for number, name in device_attributes():
            fact = self.ask(f"cuDeviceGetAttribute({name})", _attribute(driver, number, index))
            reporter.send("attribute", device=index, number=number, name=name, fact=msgspec.to_builtins(fact))

    def peer(self, index: int, peer: int) -> None:
        driver = self._driver
        facts = {"can_access": self.ask("cuDeviceCanAccessPeer", lambda: driver.can_access_peer(index, peer))}
        for name, number in _PEER_ATTRIBUTES.items():
            kind = int if name == "performance_rank" else bool
            facts[name] = self.ask("cuDeviceGetP2PAttribute", _peer_attribute(driver, number, index, peer, kind))
        self._reporter.send("peer", device=index, peer=peer, facts=msgspec.to_builtins(facts))

    def ask(self, call: str, action: Callable[[], Any]) -> Fact[Any]:
        if call in self._skip or call.partition("(")[0] in self._skip:
            return Missing(f"{call} was not called again: it had not come back")
        with self._reporter.step(call):
            try:
                return Known(action(), call)
            except DriverError as error:
                if error.code is None:
                    return Missing(str(error))
                unknown = ": this driver does not know the attribute" if error.code == _INVALID_VALUE else ""
                attribute = call.startswith("cuDeviceGetAttribute")
                return Missing(f"{call} answered {error.name}{unknown if attribute else ''}")


def _attribute(driver: Driver, number: int, index: int) -> Callable[[], int]:
    return lambda: driver.attribute(number, index)


def _peer_attribute(
    driver: Driver, number: int, index: int, peer: int, kind: Callable[[int], Any]
) -> Callable[[], Any]:
    return lambda: kind(driver.peer_attribute(number, index, peer))


def _send(reporter: Reporter, device: int | None, facts: dict[str, Any]) -> None:
    for name, fact in facts.items():
        reporter.send("value", device=device, name=name, fact=msgspec.to_builtins(fact))
