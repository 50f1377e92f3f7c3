"""# The two halves of the driver are of different releases

## What it checks
Whether the loaded kernel module and the driver libraries are of one release, all three components of it (570.124.04
and 570.124.06 do not fit), and whether NVML (code 18) or the driver API (803, 804) refuses the pair.

## Why it matters
A driver has a kernel half and a user-space half that must be of exactly one release.
After an update of the packages the old kernel module stays loaded until a reboot, and every GPU program fails until
then.

## How to fix it
If the update installed both halves: reboot.
If the mismatch survives a reboot, two installations are mixed (a `.run` installer beside packages, or a module that
was not rebuilt): install both halves again from one source.
If a library of the right release is there and another comes before it (`LD_LIBRARY_PATH`, a folder of the loader's
cache), take that other one away.
In a container the libraries come from the host: create the container anew.

```sh
sudo reboot
```

## Limits
Where the kernel's release cannot be read (`/proc/driver/nvidia/version`), only NVML's own answer is the proof.

## Sources
NVML return code 18, NVML_ERROR_LIB_RM_VERSION_MISMATCH (nvml.h).
Met by users in:
- <https://github.com/mozilla/translations/issues/1167>
- <https://github.com/rapidsai/cusignal/issues/398>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import REBOOT
from cudadoctor.rules.driver_commands import install_driver
from cudadoctor.rules.kernel_log.events import of_kind, shown
from cudadoctor.rules.libraries.foreign import WITHOUT_DRIVER_FOLDERS, by_variable, hides_the_right_one
from cudadoctor.rules.libraries.pairing import Pairing, mismatch
from cudadoctor.rules.reading import container_of, driver_files, said, seen, version_of


@rule(
    id="driver-library-mismatch",
    title="The two halves of the driver are of different releases",
    severity=Severity.ERROR,
    explains=(
        "compat-libs-mismatch",
        "forward-compat-unsupported-gpu",
        "driver-too-old",
        "ptx-newer-than-driver",
        "uvm-node-missing",
        "mig-without-instance",
        "driver-call-failed",
    ),
    shows={
        "nvml:18": 10,
        "nvml-library-version": 2,
        "cuda:803 !nvml:18": 4,
        "cuda:803 smi-works !compat !container": 3,
        "cuda:804 !container !compat !nvml:18": 4,
        "smi-two-releases": 2,
        "dso-mismatch": 10,
        "upgraded smi-no-driver": 2,
        "upgraded not-rebooted": 3,
        "nvidia-version-mismatch": 8,
        "nvidia-version-mismatch nvml:18": -6,
        "cuda:803 upgraded": 5,
    },
    confirm=Confirm(
        "cat /proc/driver/nvidia/version; /sbin/ldconfig -p | grep -o '/.*libcuda.so.1$' | xargs -r readlink -f",
        "two different releases",
    ),
)
def driver_library_mismatch(
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
    libraries: Libraries | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
    kernel_log: KernelLog | Missing,
) -> Iterator[Finding]:
    """Fire where the halves differ and something refuses them, or where files alone show it and nothing was asked."""
    pair = mismatch(host, kernel_driver, libraries, nvml, driver, ladder)
    if pair is None:
        return
    kernel, library = known(pair.kernel), known(pair.user_space)
    if kernel and library:
        told = f"The kernel runs driver {kernel}, but the libraries are of driver {library}: they do not work together."
    elif kernel:
        told = f"The kernel runs driver {kernel}, and the libraries are of another release: they do not work together."
    elif library:
        told = f"The libraries are of driver {library}, and the kernel runs another release: they do not work together."
    else:
        told = "The kernel module and the libraries of the driver are of different releases."
    evidence: tuple[Evidence, ...] = (said(pair.step),) if pair.step is not None else ()
    evidence += seen("release of the loaded kernel module", pair.kernel)
    evidence += seen("release of the driver library", pair.user_space)
    evidence += (Evidence("driver library", pair.mapped_path, "loader"),) if pair.mapped_path else ()
    package = kernel_driver.package_release if isinstance(kernel_driver, KernelDriver) else Missing("")
    evidence += seen("driver package", package)
    evidence += shown(of_kind(kernel_log, "version-mismatch"), kernel_log)
    releases = {known(file.release) for file in driver_files(libraries)} - {None}
    if len(releases) > 1:
        evidence += tuple(
            Evidence("library on the search path", file.real_path or file.path, file.found_via)
            for file in driver_files(libraries)[:6]
        )
    by_number = pair.step is not None and pair.step.code == 18
    yield finding(
        driver_library_mismatch,
        summary=told,
        cause="The driver was updated while the old kernel module stayed loaded, or two installations are mixed.",
        confidence="proven" if by_number or (kernel and library and pair.step is not None) else "supported",
        evidence=evidence,
        fix=_fix(host, pair, package, libraries),
    )


def _fix(host: Host | Missing, pair: Pairing, package: Known[str] | Missing, libraries: Libraries | Missing) -> Fix:
    if container_of(host):
        return Fix(
            "The libraries of a container are mounted when it is created. Make sure that nvidia-smi works on the host "
            "(reboot it if not), then create the container anew; an image must not carry driver libraries of its own.",
            ("ls -l /proc/driver/nvidia/version && ldconfig -p | grep -E 'libcuda|libnvidia-ml'",),
        )
    kernel = known(pair.kernel)
    soname = "libcuda" if "libcuda" in pair.mapped_path else "libnvidia-ml"
    hidden = hides_the_right_one(libraries, soname, kernel)
    if hidden is not None:
        first, fitting = hidden
        text = f"{fitting.real_path} fits the kernel's driver, but the loader comes to {first.real_path} before it, "
        text += f"by {first.found_via}: a reboot changes nothing. "
        if by_variable(first, fitting):
            return Fix(
                f"{text}Take that folder out of the variable, here and where it is set.", (WITHOUT_DRIVER_FOLDERS,)
            )
        return Fix(
            f"{text}Remove the installation that it belongs to.",
            (*_remove_run_file(), "sudo ldconfig", "ldconfig -p | grep -E 'libcuda|libnvidia-ml'"),
        )
    if isinstance(package, Known) and package.value.split("-")[0] == kernel:
        text = "The driver package is the one that the kernel runs, so the libraries are left over from another "
        text += "installation: remove that one, and install the driver again."
        return Fix(text, (*_remove_run_file(), *install_driver(host, _branch(kernel))))
    return Fix(
        "Reboot, so that the module of the installed release is loaded. If the two still differ afterwards, install "
        "both halves again from one source.",
        (REBOOT, "cat /proc/driver/nvidia/version; ldconfig -p | grep libnvidia-ml"),
    )


def _remove_run_file() -> tuple[str, ...]:
    return ("if command -v nvidia-uninstall; then sudo nvidia-uninstall; fi",)


def _branch(release: str | None) -> int | None:
    """Return the last branch of legacy cards if that is what is installed, so that the fix does not change it."""
    version = version_of(release)
    return version[0] if version and version[0] in (470, 580) else None
