"""What of a driver is on the disk, and whether a module is there for the kernel that runs."""

from __future__ import annotations

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver, ModuleFile
from cudadoctor.facts.libraries import Libraries
from cudadoctor.rules.reading import driver_files, kernel_of


def module_for_running_kernel(kernel_driver: KernelDriver | Missing, host: Host | Missing) -> ModuleFile | None:
    """Return the nvidia.ko that was built for the running kernel, or None."""
    kernel = kernel_of(host)
    if not isinstance(kernel_driver, KernelDriver) or kernel is None:
        return None
    return next((file for file in kernel_driver.module_files if file.kernel_release == kernel), None)


def driver_is_installed(kernel_driver: KernelDriver | Missing, libraries: Libraries | Missing) -> bool:
    """Say whether any part of a driver is on the disk: a module for some kernel, a package, a library."""
    if isinstance(kernel_driver, KernelDriver) and (
        kernel_driver.module_files or isinstance(kernel_driver.package_release, Known)
    ):
        return True
    return bool(driver_files(libraries))
