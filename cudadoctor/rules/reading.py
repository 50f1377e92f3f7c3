"""Questions about facts that several rules ask."""

from __future__ import annotations

import functools
import re

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.devices import Devices, join
from cudadoctor.facts.driver import Driver, DriverDevice
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import KERNEL_STEPS, Ladder, Step
from cudadoctor.facts.libraries import EMPTY_FILE, NOT_ON_SEARCH_PATH, Libraries, LibraryFile
from cudadoctor.facts.nvml import Nvml, NvmlDevice
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.findings import Evidence

CUDA_STEPS = ("libcuda", "cu-init", "device-count", "context", *KERNEL_STEPS)

# Answers that come without any NVIDIA driver at work: NVML's "driver not loaded", "library not found" and "function
# not found", and CUDA's "stub library" and "no device". Every other code was given by a driver.
_NVML_WITHOUT_DRIVER = frozenset({9, 12, 13})
_CUDA_WITHOUT_DRIVER = frozenset({34, 100})

_VERSION = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,5}", re.ASCII)
_LONGEST_VERSION = 42  # what the pattern can match, and one more


def version_of(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of a version at the start of a text (`580.159.04`, `12.9`), or None."""
    return _version_of((text or "")[:_LONGEST_VERSION])


@functools.lru_cache(maxsize=1024)
def _version_of(text: str) -> tuple[int, ...] | None:
    match = _VERSION.match(text)
    return tuple(int(part) for part in match.group().split(".")) if match else None


def seen(name: str, fact: Fact[str] | Fact[int] | Fact[bool] | Fact[float] | Fact[str | None]) -> tuple[Evidence, ...]:
    """Return a fact as evidence; nothing if it is missing."""
    return (Evidence(name, fact.value, fact.source),) if isinstance(fact, Known) else ()


def text_of(fact: Fact[str] | Fact[str | None]) -> str:
    """Return a fact for a sentence, "" if it is missing."""
    return (fact.value or "") if isinstance(fact, Known) else ""


def said(step: Step) -> Evidence:
    """Return how a step ended as evidence: state, code, name of the code, detail."""
    code = f" with {step.code}" if step.code is not None else ""
    name = f" ({step.code_name})" if step.code_name else ""
    detail = f": {step.detail}" if step.detail else ""
    gpu = f" on GPU {step.device}" if step.device else ""
    return Evidence(f"step {step.name}{gpu}", f"{step.state}{code}{name}{detail}", step.call or step.name)


def step_of(ladder: Ladder | Missing, name: str) -> Step | None:
    """Return a step, None where the ladder or the step is missing."""
    return ladder.step(name) if isinstance(ladder, Ladder) else None


def steps_and_measurement(
    ladder: Ladder, bandwidth: Bandwidth | Missing, devices: Devices | Missing
) -> tuple[Step, ...]:
    """Return the steps of the ladder, and after them the calls that cut a measurement or a description short."""
    cut_short = bandwidth.cut_short if isinstance(bandwidth, Bandwidth) else None
    described = devices.cut_short if isinstance(devices, Devices) else ()
    return (*ladder.all_steps, *((cut_short,) if cut_short is not None else ()), *described)


def passed(ladder: Ladder | Missing, name: str) -> bool:
    """Say whether a step passed."""
    return isinstance(ladder, Ladder) and ladder.passed(name)


def cuda_error(ladder: Ladder | Missing, *codes: int) -> Step | None:
    """Return the first step of the driver API that failed with one of these codes, on whatever GPU."""
    for step in ladder.all_steps if isinstance(ladder, Ladder) else ():
        if step.name in CUDA_STEPS and step.state == "failed" and step.code in codes:
            return step
    return None


def nvml_error(ladder: Ladder | Missing, *codes: int) -> Step | None:
    """Return the NVML step if it failed with one of these codes."""
    step = step_of(ladder, "nvml")
    return step if step is not None and step.state == "failed" and step.code in codes else None


def sign_of_driver(ladder: Ladder | Missing, nvml: Nvml | Missing, driver: Driver | Missing) -> Evidence | None:
    """Return what proves that an NVIDIA driver is at work, whatever the PCI bus shows; None if nothing does.

    Virtual machines, WSL2 and Jetson boards have GPUs that are not on the PCI bus of the system that sees them.
    """
    if isinstance(nvml, Nvml) and (known(nvml.device_count) or 0) > 0:
        return seen("GPUs that NVML sees", nvml.device_count)[0]
    if isinstance(driver, Driver):
        for count in (driver.device_count, driver.count_with_all_visible):
            if (known(count) or 0) > 0:
                return seen("GPUs that the driver API sees", count)[0]
    for name in ("nvml", *CUDA_STEPS):
        step = step_of(ladder, name)
        if step is None:
            continue
        without = _NVML_WITHOUT_DRIVER if name == "nvml" else _CUDA_WITHOUT_DRIVER
        answered = step.state == "failed" and step.code is not None and step.code not in without
        if answered or step.state in ("timed out", "crashed") or (step.state == "passed" and name == "context"):
            return said(step)
    return None


def cards(pci: Pci | Missing) -> tuple[PciDevice, ...]:
    """Return the NVIDIA cards on the bus; none where the bus could not be read."""
    return pci.devices if isinstance(pci, Pci) else ()


def card_name(card: PciDevice) -> str:
    """Return the card's name from the table of PCI ids, or its id."""
    return known(card.name) or f"NVIDIA card 10de:{card.device_id}"


def card_evidence(card: PciDevice) -> Evidence:
    """Return a card as evidence: name, id and address (macOS and Windows tell none)."""
    source = card.name.source if isinstance(card.name, Known) else f"/sys/bus/pci/devices/{card.address}"
    where = f" at {card.address}" if card.address else ""
    return Evidence("card on the PCI bus", f"{card_name(card)} [10de:{card.device_id}]{where}", source)


def names_of(cards_: tuple[PciDevice, ...]) -> str:
    """Return card names for a sentence: `GeForce GTX 1080`, `2 cards (A, B)`."""
    names = sorted({card_name(card) for card in cards_})
    return names[0] if len(names) == 1 else f"{len(cards_)} cards ({', '.join(names[:4])})"


def system_of(host: Host | Missing) -> str:
    """Return `Linux`, `Darwin`, `Windows`, or "" where the system is unknown."""
    return text_of(host.system) if isinstance(host, Host) else ""


def system_of_driver(host: Host | Missing) -> str:
    """Return the system whose driver releases count: that of Windows under WSL2, Linux where nothing is known."""
    if isinstance(host, Host) and known(host.wsl) is True:
        return "Windows"
    return system_of(host) or "Linux"


def parameter_of(kernel_driver: KernelDriver | Missing, name: str) -> tuple[Evidence, ...]:
    """Return an option that the loaded module runs with as evidence; the mode of files as ls writes it."""
    value = kernel_driver.parameter(name) if isinstance(kernel_driver, KernelDriver) else None
    if value is None:
        return ()
    if name == "DeviceFileMode" and value.isascii() and value.isdigit() and len(value) < 10:
        value = f"0{int(value):o}"
    return (Evidence(name, value, "/proc/driver/nvidia/params"),)


def container_of(host: Host | Missing) -> str:
    """Return the container runtime's name, "" outside a container or where that is unknown."""
    return text_of(host.container) if isinstance(host, Host) else ""


def kernel_of(host: Host | Missing) -> str | None:
    """Return the release of the running kernel."""
    return known(host.kernel_release) if isinstance(host, Host) else None


def on_wsl(host: Host | Missing, device_nodes: DeviceNodes | Missing) -> bool:
    """Say whether this is WSL2, where the driver belongs to Windows and the GPU is not on the PCI bus."""
    by_host = isinstance(host, Host) and known(host.wsl) is True
    return by_host or "/dev/dxg" in node_paths(device_nodes)


def on_jetson(host: Host | Missing) -> bool:
    """Say whether this is a Jetson board, whose GPU is not on the PCI bus."""
    return isinstance(host, Host) and text_of(host.jetson_model) != ""


def owns_its_driver(host: Host | Missing, device_nodes: DeviceNodes | Missing) -> bool:
    """Say whether the driver would be installed in this very system: Linux, and no container, WSL2 or Jetson."""
    if system_of(host) not in ("Linux", ""):
        return False
    return not (container_of(host) or on_wsl(host, device_nodes) or on_jetson(host))


def node_paths(device_nodes: DeviceNodes | Missing) -> tuple[str, ...]:
    """Return the paths of the device nodes that exist."""
    return tuple(node.path for node in device_nodes.nodes) if isinstance(device_nodes, DeviceNodes) else ()


def driver_files(libraries: Libraries | Missing, soname: str = "") -> tuple[LibraryFile, ...]:
    """Return library files of a driver, on the search path or off it.

    Stubs of a toolkit and cuda-compat packages come without a driver, and images that were saved in a container keep
    empty files where the runtime had mounted real ones; none of these count.
    """
    if not isinstance(libraries, Libraries):
        return ()
    return tuple(
        file
        for file in libraries.files
        if file.soname.startswith(soname)
        and not is_stub(file.path, file.real_path)
        and not is_compat(file.path, file.real_path)
        and not (isinstance(file.release, Missing) and file.release.reason == EMPTY_FILE)
    )


def on_search_path(libraries: Libraries | Missing, soname: str) -> tuple[LibraryFile, ...]:
    """Return the files that the loader would try for a library, in its order; those off its path are left out."""
    if not isinstance(libraries, Libraries):
        return ()
    return tuple(f for f in libraries.files if f.soname.startswith(soname) and f.found_via != NOT_ON_SEARCH_PATH)


def is_stub(*paths: str | None) -> bool:
    """Say whether a path names a toolkit's stub library."""
    return any("stubs" in re.split(r"[/\\]", path) for path in paths if path)


def is_compat(*paths: str | None) -> bool:
    """Say whether a path names a library of a cuda-compat package (`/usr/local/cuda/compat/libcuda.so.1`)."""
    return any(part.startswith("compat") for path in paths if path for part in re.split(r"[/\\]", path))


def capabilities(
    driver: Driver | Missing, nvml: Nvml | Missing, pci: Pci | Missing
) -> tuple[tuple[str, tuple[int, int], Evidence], ...]:
    """Return (name, compute capability, evidence) of each GPU, as the best source that has any tells it."""
    devices: list[tuple[str, Fact[str]]] = []
    for source in (driver, nvml):
        if isinstance(source, (Driver, Nvml)) and source.devices and not devices:
            devices = [(known(d.name) or f"GPU {d.index}", d.compute_capability) for d in source.devices]
    if not any(isinstance(capability, Known) for _, capability in devices):
        devices = [(card_name(card), card.compute_capability) for card in cards(pci)]
    found = []
    for name, capability in devices:
        version = version_of(known(capability))
        if version is not None and len(version) >= 2:
            evidence = seen(f"compute capability of {name}", capability)[0]
            found.append((name, (version[0], version[1]), evidence))
    return tuple(found)


def driver_release(nvml: Nvml | Missing, loaded: Fact[str] | None) -> Fact[str]:
    """Return the driver release that NVML tells, or that of the loaded kernel module."""
    if isinstance(nvml, Nvml) and isinstance(nvml.driver_release, Known):
        return nvml.driver_release
    return loaded if loaded is not None else Missing("neither NVML nor the kernel module told a release")


def mapped_libcuda(driver: Driver | Missing, libraries: Libraries | Missing) -> tuple[str | None, Fact[str]]:
    """Return path and release of the libcuda that is loaded; where none was, of the first on the search path."""
    if isinstance(driver, Driver) and isinstance(driver.mapped_path, Known):
        return driver.mapped_path.value, driver.mapped_release
    for file in on_search_path(libraries, "libcuda"):
        return file.real_path or file.path, file.release
    return None, Missing("no libcuda was found")


def tried_device(ladder: Ladder | Missing, driver: Driver | Missing) -> DriverDevice | None:
    """Return the device on which the context was made and the kernel ran."""
    if not isinstance(driver, Driver) or not driver.devices:
        return None
    step = step_of(ladder, "context")
    return _device(driver, step.device if step is not None else None)


def device_of(step: Step, ladder: Ladder | Missing, driver: Driver | Missing) -> DriverDevice | None:
    """Return the device that a step was tried on."""
    if step.device is None or not isinstance(driver, Driver) or not driver.devices:
        return tried_device(ladder, driver)
    return _device(driver, step.device)


def _device(driver: Driver, index: int | None) -> DriverDevice:
    return next((device for device in driver.devices if device.index == index), driver.devices[0])


def tried_in_nvml(ladder: Ladder | Missing, driver: Driver | Missing, nvml: Nvml | Missing) -> NvmlDevice | None:
    """Return the tried device as NVML sees it; where there is one GPU alone, that one."""
    devices = nvml.devices if isinstance(nvml, Nvml) else ()
    tried = tried_device(ladder, driver)
    if tried is not None:
        for _, match in join((tried,), devices)[:1]:
            if match is not None:
                return match
    return devices[0] if len(devices) == 1 else None
