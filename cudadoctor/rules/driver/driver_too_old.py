"""# The driver is too old for the CUDA toolkit

## What it checks
Whether the toolkit that numba-cuda would use (or, where it would load none, the one that programs are built with) is of
a later major release than the driver's CUDA version, or the driver's release is below the oldest that runs this major
release; or whether a call answers 35 or 36.
Likewise for the CUDA version that each framework of this Python environment was built with.

## Why it matters
A toolkit needs a driver of its own major release.
Within 11.x, 12.x and 13.x any driver of the family runs programs of a newer minor release (minor-version
compatibility), so `nvidia-smi`'s CUDA version is not a ceiling there.

## How to fix it
Update the driver, or use a toolkit of the driver's own major release, which needs no administrator.
On Ubuntu:

```sh
sudo apt-get update
sudo apt-get install -y ubuntu-drivers-common
sudo ubuntu-drivers install
sudo reboot
```

On Windows:

```powershell
start https://www.nvidia.com/drivers
```

## Limits
Nothing is said of the toolkit where a kernel was compiled and ran, and nothing of a framework that was asked
(`check --frameworks`) and used the GPU.
A framework without code for the card is left to arch-not-in-binary: no driver would help it.
PTX is not covered by minor-version compatibility: see ptx-newer-than-driver.
"Insufficient driver" (35) from a CUDA runtime can also mean that libcuda is missing, or that the card is too old for
any update.

## Sources
CUDA compatibility guide, minor-version compatibility; driver table of the CUDA release notes (tables/drivers.tsv).
Met by users in:
- <https://github.com/pytorch/pytorch/issues/25581>
- <https://github.com/guo-pu/NanoDet-PyTorch/issues/4>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import install_compiler
from cudadoctor.rules.driver_commands import debian_note, driver_source, install_driver, newer_driver
from cudadoctor.rules.frameworks.installing import install_jax, install_torch
from cudadoctor.rules.frameworks.subject import (
    Subject,
    driver_cuda,
    lacks_code,
    needs_newer_driver,
    processor_of,
    subjects,
)
from cudadoctor.rules.macos.road import ARCHIVE
from cudadoctor.rules.reading import (
    capabilities,
    cuda_error,
    driver_release,
    passed,
    said,
    seen,
    system_of,
    system_of_driver,
    text_of,
    version_of,
)
from cudadoctor.rules.toolkits.choice import in_use
from cudadoctor.tables.drivers import DriverMinimum, minimum_driver


@rule(
    id="driver-too-old",
    title="The driver is too old for the CUDA toolkit",
    severity=Severity.ERROR,
    explains=("ptx-newer-than-driver", "driver-call-failed", "kernel-compile-failed", "race-lane-failed"),
    shows={
        "too-old-driver": 9,
        "not-available": 2,
        "cuda:35": 8,
        "container-cli-requirement": 9,
        "cuda:36": 7,
        "stub": -3,
        "vgpu-host-driver": -3,
        "nvenc-version": 10,
        "driver-below-toolkit": 4,
        "smi-old-zero": -6,
        "video-lib": -6,
        "insufficient-driver": 8,
        "old-libcuda": 9,
        "driver-older-ptx": 5,
        "singularity cuda:35": -2,
        "no-nvidia-driver driver-told": 4,
        "driver-below-toolkit not-available": 4,
        "driver-below-toolkit no-gpu-devices": 4,
        "ngc-driver-release": 14,
    },
    commands_here=newer_driver,
    confirm=Confirm(
        "nvidia-smi | grep -i 'cuda.*version'; nvcc --version; python -m pip list | grep -iE 'cu1[1-9]|cuda'",
        "a toolkit, or packages (-cu12, -cu13), of a later major release than the driver's",
    ),
    confirm_on_windows=Confirm(
        "nvidia-smi; nvcc --version; python -m pip list",
        "a toolkit, or packages (-cu12, -cu13), of a later major release than the driver's CUDA version",
    ),
)
def driver_too_old(
    toolkits: Toolkits | Missing,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    kernel_driver: KernelDriver | Missing,
    pci: Pci | Missing,
    host: Host | Missing,
    ladder: Ladder | Missing,
    packages: Packages | Missing,
    frameworks: Frameworks | Missing,
) -> Iterator[Finding]:
    """Fire across a major release, below the family's minimum, or on 35 and 36, unless a kernel or framework ran."""
    if not passed(ladder, "kernel-result"):
        yield from _for_toolkit(toolkits, driver, nvml, kernel_driver, pci, host, ladder)
    yield from _for_frameworks(subjects(packages, frameworks), driver, nvml, kernel_driver, pci, host)


def _for_frameworks(
    installed: tuple[Subject, ...],
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    kernel_driver: KernelDriver | Missing,
    pci: Pci | Missing,
    host: Host | Missing,
) -> Iterator[Finding]:
    """Tell in one finding all frameworks that were built with a later CUDA than the driver runs."""
    cuda = driver_cuda(driver, nvml)
    has = version_of(known(cuda))
    found = capabilities(driver, nvml, pci)
    release = driver_release(nvml, kernel_driver.loaded_release if isinstance(kernel_driver, KernelDriver) else None)
    refused: list[Subject] = []
    minimum: DriverMinimum | None = None
    for subject in installed:
        served = not found or any(lacks_code(subject, capability, host) is None for _, capability, _ in found)
        needs = minimum_driver(known(subject.cuda) or "", system_of(host) or "Linux")
        below = needs is not None and (version_of(known(release)) or (9999,)) < (version_of(needs.run) or ())
        too_old = needs_newer_driver(known(subject.cuda), has) or below or subject.said_old_driver
        if too_old and served and not subject.works:
            refused.append(subject)
            minimum = minimum or needs
    if not refused:
        return
    names = " and ".join(f"{subject.title} (CUDA {text_of(subject.cuda) or 'unknown'})" for subject in refused)
    driver_is = f"driver {text_of(release) or 'here'}" + (f" (driver CUDA version {text_of(cuda)})" if has else "")
    evidence = seen("driver CUDA version", cuda) + seen("driver release", release)
    if minimum is not None:
        evidence += (Evidence(f"oldest driver for CUDA {minimum.toolkit}", minimum.run, minimum.source),)
    lowest = min((capability for _, capability, _ in found), default=None)
    # PyTorch and JAX have builds for each CUDA release that a driver may have.
    older = install_torch(lowest, has, processor_of(host)) if has and refused[0].name == "torch" else ()
    if refused[0].name == "jax" and has is not None and has >= (12,):
        older = install_jax("cu12")
    update = _fix(host, None, lowest, minimum)
    either = f"Install a build for CUDA {has[0]}, which needs no administrator; or " if older and has else ""
    text = f"{either}{update.text[0].lower()}{update.text[1:]}" if either else update.text
    yield finding(
        driver_too_old,
        summary=f"{names} cannot run on {driver_is}.",
        cause="A program needs a driver of the major CUDA release that it was built with, or of a later one.",
        confidence="proven" if any(subject.said_old_driver for subject in refused) else "supported",
        evidence=tuple(item for subject in refused for item in subject.evidence) + evidence,
        fix=Fix(text, older + update.commands),
    )


def _for_toolkit(
    toolkits: Toolkits | Missing,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    kernel_driver: KernelDriver | Missing,
    pci: Pci | Missing,
    host: Host | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    refused = cuda_error(ladder, 35, 36)
    toolkit = in_use(toolkits)
    cuda = driver.cuda_version if isinstance(driver, Driver) else Missing("libcuda did not tell")
    if isinstance(cuda, Missing) and isinstance(nvml, Nvml):
        cuda = nvml.cuda_version
    release = driver_release(nvml, kernel_driver.loaded_release if isinstance(kernel_driver, KernelDriver) else None)
    wanted = version_of(known(toolkit.version)) if toolkit is not None else None
    has, runs = version_of(known(cuda)), version_of(known(release))
    minimum = minimum_driver(known(toolkit.version) or "", system_of_driver(host)) if toolkit is not None else None
    needs = version_of(minimum.run) if minimum is not None else None
    across = toolkit is not None and needs_newer_driver(known(toolkit.version), has)
    below = needs is not None and runs is not None and runs < needs
    if refused is None and not across and not below:
        return
    evidence: tuple[Evidence, ...] = (said(refused),) if refused else ()
    evidence += seen("driver CUDA version", cuda) + seen("driver release", release)
    if toolkit is not None:
        evidence += (*seen("toolkit version", toolkit.version), Evidence("toolkit", toolkit.root, toolkit.found_via))
    if minimum is not None:
        evidence += (Evidence(f"oldest driver for CUDA {minimum.toolkit}", minimum.run, minimum.source),)
    driver_is = f"driver {text_of(release) or 'here'}" + (f" (driver CUDA version {text_of(cuda)})" if has else "")
    if wanted is not None and (across or below):
        told = f"The toolkit is CUDA {text_of(toolkit.version) if toolkit else ''}, but {driver_is} is too old for it."
    else:
        told = f"A call needs a newer driver than {driver_is}."
    if minimum is not None:
        told += f" CUDA {minimum.toolkit} needs driver {minimum.run} or newer."
    lowest = min((capability for _, capability, _ in capabilities(driver, nvml, pci)), default=None)
    yield finding(
        driver_too_old,
        summary=told,
        cause="A CUDA toolkit runs on drivers of its own major release and newer ones, not on those of an earlier "
        "major release.",
        confidence="proven" if refused is not None or _compile_failed(ladder) else "supported",
        evidence=evidence,
        fix=_fix(host, has, lowest, minimum),
    )


def _compile_failed(ladder: Ladder | Missing) -> bool:
    step = ladder.step("kernel-compile") if isinstance(ladder, Ladder) else None
    return step is not None and step.state == "failed"


def _fix(
    host: Host | Missing,
    has: tuple[int, ...] | None,
    lowest: tuple[int, int] | None,
    minimum: DriverMinimum | None,
) -> Fix:
    legacy = lowest is not None and lowest < (7, 5)
    needs = version_of(minimum.run) if minimum is not None else None
    update = install_driver(host, 580 if legacy else None, needs[0] if needs else None)
    which = "driver branch 580, the last that serves this card" if legacy else "a current driver"
    if system_of(host) == "Darwin":
        return Fix(
            f"Install the newest CUDA driver{driver_source(host)}.", (f"open {ARCHIVE}", "kextstat | grep -i cuda")
        )
    which += driver_source(host)
    note = debian_note(update)
    if has is not None and has >= (12,):
        return Fix(
            f"Use the CUDA {has[0]} compiler wheels, which this driver runs and which need no administrator; or "
            f"install {which}.{note}",
            (install_compiler("cu12"), *update),
        )
    return Fix(f"Install {which}.{note}", update or ("nvidia-smi",))
