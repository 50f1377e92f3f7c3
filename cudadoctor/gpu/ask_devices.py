"""Ask NVML and the driver API for all that they say of each GPU: the children's side, one task for each library.

Every value is sent as soon as it is there, so that a call that hangs costs one value. The parent then starts another
child and names the call in `skip`. Values that this driver, card or nvidia-ml-py does not have are `Missing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.gpu.ask_nvml import cuda_version, short_address
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.driver_api import (
    ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
    ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
    Driver,
    DriverError,
    open_driver,
)
from cudadoctor.gpu.errors import nvml_error
from cudadoctor.tables.attributes import device_attributes
from cudadoctor.text import from_bytes

_INVALID_VALUE = 1

CAPABILITY_CALL = "cuDeviceGetAttribute(COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR)"

PEER_ATTRIBUTES = {"performance_rank": 1, "native_atomics": 3, "array_access": 4}
"""Numbers of `CUdevice_P2PAttribute` in cuda.h."""


class Question(msgspec.Struct, frozen=True):
    """One NVML call on a device: the function, and for each field that it fills how its answer is read.

    `constants` are names in pynvml, given as arguments after the handle.
    """

    function: str
    fields: dict[str, Callable[[Any], Any]]
    constants: tuple[str, ...] = ()

    @property
    def call(self) -> str:
        """The call as a user would look it up: `nvmlDeviceGetClockInfo(NVML_CLOCK_SM)`."""
        return f"{self.function}({', '.join(self.constants)})" if self.constants else self.function


def _text(value: Any) -> str:
    return from_bytes(value) if isinstance(value, bytes) else str(value)


def _watts(milliwatts: int) -> float:
    return milliwatts / 1000


def _part(index: int, kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: kind(values[index])


def _field(name: str) -> Callable[[Any], Any]:
    return lambda struct: int(getattr(struct, name))


def _ecc(kind: str, counter: str) -> tuple[str, str]:
    return f"NVML_MEMORY_ERROR_TYPE_{kind}", f"NVML_{counter}_ECC"


NVML_QUESTIONS = (
    Question("nvmlDeviceGetName", {"name": _text}),
    Question("nvmlDeviceGetUUID", {"uuid": _text}),
    Question("nvmlDeviceGetPciInfo", {"pci_address": lambda pci: short_address(_text(pci.busId))}),
    Question("nvmlDeviceGetCudaComputeCapability", {"compute_capability": lambda pair: f"{pair[0]}.{pair[1]}"}),
    Question("nvmlDeviceGetVbiosVersion", {"vbios": _text}),
    Question("nvmlDeviceGetGspFirmwareVersion", {"gsp_firmware": _text}),
    Question("nvmlDeviceGetBoardPartNumber", {"board_part_number": _text}),
    Question("nvmlDeviceGetMinorNumber", {"minor_number": int}),
    Question("nvmlDeviceGetVirtualizationMode", {"virtualization_mode": int}),
    Question("nvmlDeviceGetAddressingMode", {"addressing_mode": int}),
    Question("nvmlDeviceGetNumGpuCores", {"cores": int}),
    Question("nvmlDeviceGetMemoryInfo", {"memory_total_bytes": _field("total"), "memory_used_bytes": _field("used")}),
    Question("nvmlDeviceGetMemoryInfo", {"memory_reserved_bytes": _field("reserved")}, ("nvmlMemory_v2",)),
    Question("nvmlDeviceGetMemoryBusWidth", {"memory_bus_width_bits": int}),
    Question(
        "nvmlDeviceGetBAR1MemoryInfo",
        {"bar1_total_bytes": _field("bar1Total"), "bar1_used_bytes": _field("bar1Used")},
    ),
    Question("nvmlDeviceGetCurrPcieLinkGeneration", {"link_generation": int}),
    Question("nvmlDeviceGetMaxPcieLinkGeneration", {"link_generation_max": int}),
    Question("nvmlDeviceGetGpuMaxPcieLinkGeneration", {"gpu_link_generation_max": int}),
    Question("nvmlDeviceGetCurrPcieLinkWidth", {"link_width": int}),
    Question("nvmlDeviceGetMaxPcieLinkWidth", {"link_width_max": int}),
    Question("nvmlDeviceGetPcieReplayCounter", {"pcie_replays": int}),
    Question("nvmlDeviceGetPerformanceState", {"performance_state": int}),
    Question("nvmlDeviceGetClockInfo", {"sm_clock_mhz": int}, ("NVML_CLOCK_SM",)),
    Question("nvmlDeviceGetMaxClockInfo", {"sm_clock_max_mhz": int}, ("NVML_CLOCK_SM",)),
    Question("nvmlDeviceGetClockInfo", {"memory_clock_mhz": int}, ("NVML_CLOCK_MEM",)),
    Question("nvmlDeviceGetMaxClockInfo", {"memory_clock_max_mhz": int}, ("NVML_CLOCK_MEM",)),
    Question("nvmlDeviceGetCurrentClocksEventReasons", {"clock_event_reasons": int}),
    Question("nvmlDeviceGetTemperature", {"temperature_c": int}, ("NVML_TEMPERATURE_GPU",)),
    Question("nvmlDeviceGetPowerUsage", {"power_draw_w": _watts}),
    Question("nvmlDeviceGetPowerManagementLimit", {"power_limit_w": _watts}),
    Question("nvmlDeviceGetEnforcedPowerLimit", {"power_limit_enforced_w": _watts}),
    Question("nvmlDeviceGetPowerManagementDefaultLimit", {"power_limit_default_w": _watts}),
    Question(
        "nvmlDeviceGetPowerManagementLimitConstraints",
        {"power_limit_min_w": _part(0, _watts), "power_limit_max_w": _part(1, _watts)},
    ),
    Question("nvmlDeviceGetEccMode", {"ecc_enabled": _part(0, bool), "ecc_pending": _part(1, bool)}),
    Question("nvmlDeviceGetTotalEccErrors", {"ecc_corrected": int}, _ecc("CORRECTED", "VOLATILE")),
    Question("nvmlDeviceGetTotalEccErrors", {"ecc_uncorrected": int}, _ecc("UNCORRECTED", "VOLATILE")),
    Question("nvmlDeviceGetTotalEccErrors", {"ecc_corrected_aggregate": int}, _ecc("CORRECTED", "AGGREGATE")),
    Question("nvmlDeviceGetTotalEccErrors", {"ecc_uncorrected_aggregate": int}, _ecc("UNCORRECTED", "AGGREGATE")),
    Question(
        "nvmlDeviceGetRemappedRows",
        {
            "remapped_rows_correctable": _part(0, int),
            "remapped_rows_uncorrectable": _part(1, int),
            "row_remap_pending": _part(2, bool),
            "row_remap_failed": _part(3, bool),
        },
    ),
    Question("nvmlDeviceGetPersistenceMode", {"persistence_mode": bool}),
    Question("nvmlDeviceGetComputeMode", {"compute_mode": int}),
    Question("nvmlDeviceGetDisplayActive", {"display_active": bool}),
    Question("nvmlDeviceGetMigMode", {"mig_enabled": _part(0, bool), "mig_pending": _part(1, bool)}),
    Question("nvmlDeviceGetComputeRunningProcesses", {"compute_processes": len}),
    Question("nvmlDeviceGetMPSComputeRunningProcesses", {"mps_processes": len}),
)
"""Names and argument order from nvml.h, through nvidia-ml-py; counts and clocks are as the header says."""

CONFIDENTIAL_COMPUTE = Question(
    "nvmlSystemGetConfComputeState",
    {
        "confidential_compute": lambda state: bool(state.ccFeature),
        "confidential_compute_devtools": lambda state: bool(state.devToolsMode),
    },
)


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

        def capability() -> str:
            major = driver.attribute(ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, index)
            return f"{major}.{driver.attribute(ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, index)}"

        texts: tuple[tuple[str, str, Callable[[], Any]], ...] = (
            ("name", "cuDeviceGetName", lambda: driver.name(index)),
            ("uuid", "cuDeviceGetUuid", lambda: driver.uuid(index)),
            ("pci_address", "cuDeviceGetPCIBusId", lambda: driver.pci_address(index)),
            ("compute_capability", CAPABILITY_CALL, capability),
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
        for name, number in PEER_ATTRIBUTES.items():
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
