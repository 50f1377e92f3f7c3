"""# The card is too old for the driver

## What it checks
Whether the driver branches that serve this card have ended: Tesla 340, Fermi 390, Kepler 470 for good, and Maxwell,
Pascal and Volta at 580 if a newer driver is installed.

## Why it matters
A newer driver loads, looks at the card and leaves it alone, so every tool reports "no device", which looks like a
missing driver.
Cards below compute capability 5.0 also have no compiler any more: numba-cuda's toolkits start at 5.0.

## How to fix it
Maxwell, Pascal and Volta: install driver branch 580 and stay there, with CUDA 12.
Kepler and older: no driver that is still maintained serves the card, and no current toolkit compiles for it.
Run on the CPU, or use a newer card.
On Ubuntu, for the first three:

```sh
sudo apt-get update
sudo apt-get install -y ubuntu-drivers-common
sudo ubuntu-drivers install nvidia:580
sudo reboot
```

## Limits
The compute capability comes from a table of PCI ids where no driver tells it.
A machine in which another GPU works is left alone.

## Sources
Last driver branch of each architecture: tables/capabilities.tsv (branch 340 is without a first-hand source); NVIDIA's
CUDA toolkit, driver and architecture matrix.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import install_driver, update_driver
from cudadoctor.rules.reading import (
    capabilities,
    card_evidence,
    names_of,
    passed,
    seen,
    sign_of_driver,
    text_of,
    version_of,
)
from cudadoctor.tables.support import Support, capability_support

_OLDEST_COMPILED = (5, 0)
"""NVVM 12.9, the last that compiles for old cards, starts at compute capability 5.0 (tables/architectures.tsv)."""


@rule(
    id="gpu-too-old-for-driver",
    title="The card is too old for the driver",
    severity=Severity.ERROR,
    explains=(
        "other-driver-bound",
        "container-no-gpu-flag",
        "no-driver-installed",
        "kernel-module-missing",
        "kernel-module-not-loaded",
        "driver-too-old",
        "toolkit-arch-unsupported",
        "ptx-newer-than-driver",
        "nvvm-not-found",
        "libcuda-missing",
        "driver-call-failed",
        "kernel-compile-failed",
    ),
    shows={
        "legacy-driver": 10,
        "module-no-device": 4,
        "module-refused": 4,
        "cuda:35": 2,
        "smi-no-driver": 1,
    },
    commands_here=update_driver,
    confirm=Confirm(
        "lspci -nn -d 10de:; journalctl -k -b | grep -A1 'NVRM: The NVIDIA'",
        '"legacy drivers" or "not supported" below the name of the card',
    ),
)
def gpu_too_old_for_driver(
    pci: Pci,
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    """Fire where every card has been dropped, by all drivers or by the one that is installed."""
    supports = tuple(capability_support(known(card.compute_capability) or "") for card in pci.devices)
    ended = tuple(support for support in supports if support is not None and support.last_driver_branch is not None)
    if not ended or len(ended) < len(pci.devices) or passed(ladder, "kernel-result"):
        return
    seen_newer = any(capability >= _OLDEST_COMPILED for _, capability, _ in capabilities(driver, nvml, Missing("")))
    evidence = tuple(card_evidence(card) for card in pci.devices)
    evidence += tuple(
        Evidence(f"last driver branch of {support.architecture}", support.last_driver_branch, support.source)
        for support in dict.fromkeys(ended)
    )
    if all((version_of(support.compute_capability) or (9, 9)) < _OLDEST_COMPILED for support in ended):
        if not seen_newer:
            yield _no_way(pci, ended[0], evidence)
        return
    release = _installed_release(kernel_driver)
    version = version_of(known(release))
    branch = min(support.last_driver_branch or 0 for support in ended)
    if version is None or version[0] <= branch or sign_of_driver(ladder, nvml, driver) is not None:
        return
    yield finding(
        gpu_too_old_for_driver,
        summary=f"{names_of(pci.devices)} ({ended[0].architecture}, compute capability {ended[0].compute_capability}) "
        f"was dropped after driver branch {branch}, and the driver here is {text_of(release)}.",
        cause="A driver of a newer branch loads, finds no card that it serves, and leaves it alone.",
        confidence="supported",
        evidence=evidence + seen("driver release", release),
        fix=Fix(
            f"Install driver branch {branch} in place of the newer one, and keep it there. Use CUDA 12 with it.",
            install_driver(host, branch),
        ),
    )


def _no_way(pci: Pci, support: Support, evidence: tuple[Evidence, ...]) -> Finding:
    return finding(
        gpu_too_old_for_driver,
        summary=f"{names_of(pci.devices)} ({support.architecture}, compute capability {support.compute_capability}) "
        f"is too old: driver branch {support.last_driver_branch} was its last, and no current toolkit compiles for it.",
        cause=f"Branch {support.last_driver_branch} is no longer maintained, and CUDA {support.last_toolkit} was the "
        "last toolkit for this card; numba-cuda needs CUDA 12, which starts at compute capability 5.0.",
        confidence="proven",
        evidence=evidence,
        fix=Fix("No driver update helps this card. Run on the CPU, or use a card of the last ten years."),
    )


def _installed_release(kernel_driver: KernelDriver | Missing) -> Known[str] | Missing:
    if isinstance(kernel_driver, Missing):
        return kernel_driver
    loaded = kernel_driver.loaded_release
    return loaded if isinstance(loaded, Known) else kernel_driver.package_release
