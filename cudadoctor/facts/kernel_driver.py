"""The NVIDIA kernel module: loaded or not, of which release, and which module files are on the disk."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing, Section


class ModuleFile(msgspec.Struct, frozen=True, kw_only=True):
    """One nvidia.ko under /lib/modules, and the kernel release that it was built for."""

    kernel_release: str
    path: str


class KernelDriver(Section, frozen=True, kw_only=True):
    """The kernel half of the driver.

    `loaded_release` is the driver *release* of the loaded module with all its components (580.159.04), not the
    driver's CUDA version. `flavour` is `open` or `proprietary`. `parameters` are options that the loaded module runs
    with, as it writes them (`EnableGpuFirmware: 18`; DeviceFileMode is decimal there).
    """

    loaded: Fact[bool]
    loaded_release: Fact[str]
    flavour: Fact[str]
    module_files: tuple[ModuleFile, ...]
    package_release: Fact[str]
    parameters: Fact[tuple[str, ...]] = Missing("these facts are of a version that did not read it")

    def parameter(self, name: str) -> str | None:
        """Return the value of a parameter of the loaded module, or None where it was not read."""
        lines = self.parameters.value if isinstance(self.parameters, Known) else ()
        return next((line.partition(": ")[2] for line in lines if line.partition(": ")[0] == name), None)
