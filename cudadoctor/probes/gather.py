"""Gather all sections of one machine, in the order that answers soonest."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence, Set
from typing import TypeVar

import msgspec

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.cuda_libraries import CudaLibraries
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Step
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.gpu.worker import Worker
from cudadoctor.probes import (
    compilers,
    containers,
    cuda_libraries,
    device_nodes,
    environment,
    host,
    jit_cache,
    kernel_driver,
    kernel_log,
    ladder,
    libraries,
    macos,
    module_build,
    packages,
    pci,
    power,
    scheduler,
    services,
    toolkits,
    windows,
)
from cudadoctor.probes.drivers import CUDA_LIBRARY, NVML_LIBRARY, DriverContact, run_kernels, start_kernels
from cudadoctor.probes.root import Root

T = TypeVar("T")

_OPEN_LIMIT_S = 2.0
"""For one open(), which sets nothing in motion that would take time."""


def machine(
    *,
    areas: Set[str],
    left_out: str,
    sysroot: str | None,
    live: bool,
    device: int | None,
    limit_s: float,
    ask_frameworks: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
) -> Machine:
    """Gather the facts of one machine.

    Args:
        areas: Which of `cudadoctor.doctor.AREAS` to look at.
        left_out: The reason that stands in the sections of the others.
        sysroot: Folder to read files under, None for this machine's own root.
        live: Ask the driver in spite of `sysroot`.
        device: The driver API's index of the only device to try; all of them by default, the first one first.
        limit_s: Longest that one driver call may take.
        ask_frameworks: Let each installed framework use the GPU, after all else.
        meanwhile: What to do while the children ask drivers and compile, and nothing is left to read.
    """
    root = Root(sysroot)
    ours = sysroot is None or live
    asks = "driver" in areas and ours
    runs_kernels = "kernel" in areas and root.system != "Darwin"
    environ = os.environ if live else None
    # What takes longest begins first: this child imports numba, and asks no driver before it is told to.
    kernel = start_kernels(limit_s=limit_s) if asks and runs_kernels and has_node() else None

    def section(area: str, gather: Callable[[], T | Missing]) -> T | Missing:
        return gather() if area in areas else Missing(left_out)

    contact: DriverContact | None = None
    try:
        # NVML wakes a card that sleeps: its power state is read before anything asks for the card.
        found_pci: Pci | Missing = section("pci", lambda: pci.gather(root))
        addresses = tuple(c.address for c in found_pci.devices if c.address) if isinstance(found_pci, Pci) else ()
        found_power = section("pci", lambda: power.gather(root, addresses))
        found_libraries = section("driver", lambda: libraries.gather(root, environ))
        if asks:
            # A library that only another machine's files lack is none that this machine lacks.
            absent = _absent(found_libraries) if sysroot is None else frozenset[str]()
            if root.system == "Darwin":
                # NVML was never made for macOS, and CUDA only for some.
                absent = frozenset({NVML_LIBRARY} if macos.may_have_driver(root) else {NVML_LIBRARY, CUDA_LIBRARY})
            contact = DriverContact(limit_s=limit_s, device=device, absent=absent)
        # Files are read while the children import and call.
        found_host = section("host", lambda: host.gather(root, environ))
        found_macos = section("driver", lambda: macos.gather(root, found_host))
        found_windows = section("driver", lambda: windows.gather(root, environ))
        if root.system == "Darwin":
            found_pci = section("pci", lambda: macos.bus(found_macos))
        elif root.system == "Windows":
            found_pci = section("pci", lambda: windows.bus(found_windows))
        if kernel is None and asks and runs_kernels and isinstance(found_pci, Pci) and found_pci.devices:
            kernel = start_kernels(limit_s=limit_s)
        found_environment = environment.gather(root, environ)
        found_containers = section("host", lambda: containers.gather(root, found_host, environ))
        found_job = section("host", lambda: scheduler.gather(root, environ))
        found_services = section("driver", lambda: services.gather(root, found_host, environ))
        found_kernel_driver = section("driver", lambda: kernel_driver.gather(root))
        found_nodes = section("driver", lambda: device_nodes.gather(root, open_in_child))
        found_builds = section("driver", lambda: module_build.gather(root, found_host, found_kernel_driver))
        found_log: KernelLog | Missing = Missing("there is no NVIDIA card and no trace of a driver to look for in it")
        if addresses or _has_trace(found_kernel_driver, found_libraries):
            found_log = section("driver", lambda: kernel_log.gather(root, frozenset(addresses)))
        found_toolkits = section("toolkit", lambda: toolkits.gather(root, environ))
        found_packages = section("python", lambda: packages.gather(root, sys.path if live else None))
        found_copies = section("toolkit", lambda: cuda_libraries.gather(root, found_toolkits, environ))
        found_compilers = section("toolkit", lambda: compilers.gather(root, found_toolkits, environ))
        found_cache = section("toolkit", lambda: jit_cache.gather(root, environ))
        why_not = left_out if "driver" not in areas else "--sysroot: the driver of this machine is not asked"
        nvml: Nvml | Missing = Missing(why_not)
        driver: Driver | Missing = Missing(why_not)
        asked: dict[str, Step] = {}
        further: tuple[Step, ...] = ()
        if contact is not None:
            meanwhile()
            nvml, steps = contact.nvml()
            asked.update(steps)
            driver, steps = contact.driver()
            asked.update(steps)
        if contact is not None and _passed(asked, "context"):
            if runs_kernels:
                kernel = kernel or start_kernels(limit_s=limit_s)
                run = run_kernels(kernel, _to_try(device, driver), limit_s=limit_s)
                asked.update(run.steps)
                further = run.further
                found_toolkits = toolkits.as_mapped(found_toolkits, run.mapped)
                if isinstance(found_copies, CudaLibraries):
                    found_copies = msgspec.structs.replace(found_copies, mapped=run.mapped)
            else:
                why_not = left_out if "kernel" not in areas else macos.NO_NUMBA
        if root.system == "Darwin":
            asked = macos.steps(found_macos, asked)
    finally:
        for child in (contact, kernel):
            if child is not None:
                child.kill()
    road = ladder.build(
        pci=found_pci,
        kernel_driver=found_kernel_driver,
        device_nodes=found_nodes,
        asked=asked,
        not_asked=why_not,
        further=further,
    )
    found = Machine(
        host=found_host,
        environment=found_environment,
        pci=found_pci,
        kernel_driver=found_kernel_driver,
        module_build=found_builds,
        kernel_log=found_log,
        power=found_power,
        macos=found_macos,
        windows=found_windows,
        device_nodes=found_nodes,
        libraries=found_libraries,
        nvml=nvml,
        driver=driver,
        ladder=road,
        toolkits=found_toolkits,
        cuda_libraries=found_copies,
        compilers=found_compilers,
        jit_cache=found_cache,
        packages=found_packages,
        containers=found_containers,
        scheduler=found_job,
        services=found_services,
    )
    if not ask_frameworks:
        return found
    # Imported here alone: nobody else asks them. And one at a time, after the children above have gone: a GPU in
    # exclusive mode takes one process.
    from cudadoctor.probes import frameworks

    told = frameworks.gather(road, device=device, limit_s=limit_s) if ours else Missing(why_not)
    return msgspec.structs.replace(found, frameworks=told)


def _absent(found: Libraries | Missing) -> frozenset[str]:
    """Return the driver libraries of which no file was found, on the loader's search path or off it.

    Only where the loader's cache was there to be read: another C library than glibc may look elsewhere.
    """
    if isinstance(found, Missing) or not os.path.exists("/etc/ld.so.cache") or "NUMBA_CUDA_DRIVER" in os.environ:
        return frozenset()
    there = {file.soname for file in found.files}
    return frozenset(name for name in (NVML_LIBRARY, CUDA_LIBRARY) if name not in there)


def _has_trace(kernel_driver: KernelDriver | Missing, libraries: Libraries | Missing) -> bool:
    """Say whether anything of a driver is here, so that the kernel may have had something to say of it."""
    if isinstance(libraries, Libraries) and libraries.files:
        return True
    return isinstance(kernel_driver, KernelDriver) and (
        bool(kernel_driver.module_files) or known(kernel_driver.loaded) is True
    )


def has_node() -> bool:
    """Say whether there is a device node of a driver, where the PCI bus may be hidden (containers, WSL2)."""
    return os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/dxg")


def open_in_child(paths: Sequence[str]) -> dict[str, str | None]:
    """Open device nodes in a child process: on a card that fell off the bus an open may never return."""
    task = "cudadoctor.probes.device_nodes:work"
    with Worker(task, {"paths": list(paths)}, limit_s=_OPEN_LIMIT_S, hooks=False) as worker:
        return {message["path"]: message["error"] for message in worker if message["kind"] == "opened"}


def _to_try(device: int | None, driver: Driver | Missing) -> tuple[int, ...]:
    """Return the devices on which kernels are to run: the one that was asked for, or all."""
    if device is not None:
        return (device,)
    count = known(driver.device_count) if isinstance(driver, Driver) else None
    return tuple(range(count or 1))


def _passed(steps: dict[str, Step], name: str) -> bool:
    return name in steps and steps[name].state == "passed"


def gpu_index(machine: Machine, wanted: str) -> int | None:
    """Find the driver API's index of a GPU named by index or by UUID, or the beginning of one; None for none."""
    if isinstance(machine.driver, Missing):
        return None
    for device in machine.driver.devices:
        uuid = device.uuid.value.lower() if isinstance(device.uuid, Known) else ""
        if wanted == str(device.index) or (wanted.lower().startswith("gpu-") and uuid.startswith(wanted.lower())):
            return device.index
    return None
