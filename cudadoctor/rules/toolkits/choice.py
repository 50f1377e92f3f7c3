"""What rules about toolkits have in common: the selected toolkit as evidence, and the wheels that fit."""

from __future__ import annotations

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Evidence
from cudadoctor.rules.commands import compiler_extra
from cudadoctor.rules.reading import capabilities, seen, version_of


def selected(toolkits: Toolkits | Missing) -> Toolkit | None:
    """Return the toolkit that numba-cuda would use, or None."""
    return toolkits.selected() if isinstance(toolkits, Toolkits) else None


def in_use(toolkits: Toolkits | Missing) -> Toolkit | None:
    """Return the toolkit that numba-cuda would use; where it would load none, the one that programs are built with.

    That is the first with a compiler (CUDA_HOME, PATH, /usr/local/cuda), if all others are of its major release.
    """
    chosen = selected(toolkits)
    if chosen is not None or not isinstance(toolkits, Toolkits):
        return chosen
    built_with = [toolkit for toolkit in toolkits.found if isinstance(toolkit.nvcc, Known)]
    majors = {(version_of(known(toolkit.version)) or (None,))[0] for toolkit in toolkits.found}
    return built_with[0] if built_with and len(majors) == 1 else None


def toolkit_evidence(toolkit: Toolkit | None) -> tuple[Evidence, ...]:
    """Return a toolkit's version and place as evidence."""
    if toolkit is None:
        return ()
    return (*seen("toolkit version", toolkit.version), Evidence("toolkit", toolkit.root, toolkit.found_via))


def fitting_extra(driver: Driver | Missing, nvml: Nvml | Missing, pci: Pci | Missing) -> str:
    """Return the compiler wheels, `cu12` or `cu13`, that fit the driver and every card."""
    cuda = version_of(known(driver.cuda_version)) if isinstance(driver, Driver) else None
    if cuda is None and isinstance(nvml, Nvml):
        cuda = version_of(known(nvml.cuda_version))
    return compiler_extra(cuda, min((capability for _, capability, _ in capabilities(driver, nvml, pci)), default=None))
