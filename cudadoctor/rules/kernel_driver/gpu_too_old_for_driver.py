"""# No current driver serves this card

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
Run on the CPU, or use a newer card; or stay with the software of the card's own days:

- Tesla (8800 GTX, GTX 280): driver branch 340, CUDA 6.5 (6.0 for 1.0); numba and PyTorch never served it
- Fermi (GTX 480, GTX 580): driver branch 390, CUDA 8.0, numba 0.49
- Kepler 3.0 (GTX 680, GT 750M): driver branch 470, CUDA 10.2, numba 0.55, PyTorch 0.3.0
- Kepler 3.5 (K20, K40, GTX 780): driver branch 470, CUDA 11.4, numba 0.62, PyTorch 1.2
- Kepler 3.7 (K80): driver branch 470, CUDA 11.4, numba 0.62
- Maxwell, Pascal, Volta: driver branch 580, CUDA 12.9, numba-cuda with `cu12`, PyTorch to 2.14 in builds for CUDA 12.6

CUDA 11.8 still compiles for 3.5 and 3.7, but driver branch 470 understands the PTX of 11.4 at most.
On Ubuntu, Maxwell, Pascal and Volta:

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
- Last driver branch and toolkit: NVIDIA's CUDA toolkit, driver and architecture matrix
  (<https://docs.nvidia.com/datacenter/tesla/drivers/cuda-toolkit-driver-and-architecture-matrix.html>), branch 340 by
  <https://archlinux.org/news/nvidia-340xx-and-nvidia/>; all in tables/capabilities.tsv
- Last numba and PyTorch: tables/old_cards.tsv, each row with its source
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.windows import Windows
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.driver_commands import driver_source, install_driver, update_driver
from cudadoctor.rules.reading import (
    capabilities,
    card_evidence,
    driver_release,
    names_of,
    passed,
    seen,
    sign_of_driver,
    system_of,
    text_of,
    version_of,
)
from cudadoctor.tables.old_cards import LastVersions, last_versions
from cudadoctor.tables.support import Support, capability_support

_OLDEST_COMPILED = (5, 0)
"""NVVM 12.9, the last that compiles for old cards, starts at compute capability 5.0 (tables/architectures.tsv)."""


@rule(
    id="gpu-too-old-for-driver",
    title="No current driver serves this card",
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
        "legacy-driver": 11,
        "card-newer-than-driver": -20,
        "module-no-device": 4,
        "module-refused": 4,
        "cuda:35": 2,
        "smi-no-driver": 1,
        "driver-beyond-card": 6,
        "old-card smi-no-driver": 4,
        "old-card": 2,
        "old-card cuda:35": 4,
        "old-card container-cli-requirement": 4,
        "old-card no-nvidia-driver": 3,
        "old-card module-refused": 3,
        "old-card insufficient-driver": 4,
        "legacy-driver container-cli-requirement": 3,
        "old-card cpu-used-said": 2,
        "old-card too-old-driver": 5,
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
    windows: Windows | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    """Fire where every card has been dropped, by all drivers or by the one that is installed."""
    supports = tuple(capability_support(known(card.compute_capability) or "") for card in pci.devices)
    ended = tuple(support for support in supports if support is not None and support.last_driver_branch is not None)
    if not ended or len(ended) < len(pci.devices) or passed(ladder, "kernel-result"):
        return
    if system_of(host) == "Darwin":
        return  # what drives the cards of a Mac is judged by rules of its own
    seen_newer = any(capability >= _OLDEST_COMPILED for _, capability, _ in capabilities(driver, nvml, Missing("")))
    evidence = tuple(card_evidence(card) for card in pci.devices)
    evidence += tuple(
        Evidence(f"last driver branch of {support.architecture}", support.last_driver_branch, support.source)
        for support in {support.architecture: support for support in ended}.values()
    )
    release = _installed_release(kernel_driver, windows)
    if all((version_of(support.compute_capability) or (9, 9)) < _OLDEST_COMPILED for support in ended):
        if not seen_newer:
            newest = max(ended, key=lambda support: version_of(support.compute_capability) or (0,))
            works = driver_release(nvml, release) if passed(ladder, "context") else Missing("no context was made")
            yield _no_way(pci, newest, evidence + seen("driver release", works), text_of(works))
        return
    version = version_of(known(release))
    branch = min(support.last_driver_branch or 0 for support in ended)
    if version is None or version[0] <= branch or sign_of_driver(ladder, nvml, driver) is not None:
        return
    commands = install_driver(host, branch)
    yield finding(
        gpu_too_old_for_driver,
        summary=f"{names_of(pci.devices)} ({ended[0].architecture}, compute capability {ended[0].compute_capability}) "
        f"was dropped after driver branch {branch}, and the driver here is {text_of(release)}.",
        cause="A driver of a newer branch loads, finds no card that it serves, and leaves it alone.",
        confidence="supported",
        evidence=evidence + seen("driver release", release),
        fix=Fix(
            f"In place of it install driver branch {branch}{driver_source(host)}. Keep it there, with CUDA 12.",
            commands,
        ),
    )


def _no_way(pci: Pci, support: Support, evidence: tuple[Evidence, ...], works: str) -> Finding:
    last = last_versions(support.compute_capability)
    newest = (version_of(works) or (0,))[0] == support.last_driver_branch
    fine = f" The driver here, {works}, is {'of that branch: leave it as it is' if newest else 'older, and works'}."
    return finding(
        gpu_too_old_for_driver,
        summary=f"{names_of(pci.devices)} ({support.architecture}, compute capability {support.compute_capability}) "
        f"is too old for numba-cuda: driver branch {support.last_driver_branch} was its last, and no current toolkit "
        f"compiles for it.{fine if works else ''}",
        cause="numba-cuda needs CUDA 12, which starts at compute capability 5.0 and at driver branch 525.",
        confidence="proven",
        evidence=evidence + ((Evidence("last software for it", _spoken(last), last.source),) if last else ()),
        fix=Fix(
            "No driver update helps: run on the CPU, or use a newer card."
            + (f" What still computes on this one is the software of its days: {_spoken(last)}." if last else "")
        ),
    )


def _spoken(last: LastVersions) -> str:
    parts = [f"driver branch {last.driver_branch}", f"CUDA {last.cuda}"]
    parts += [f"numba {last.numba} (Python {last.python} at most)"] if last.numba else ["which numba never served"]
    parts += [f"binaries of PyTorch {last.pytorch}"] if last.pytorch else []
    return ", ".join(parts)


def _installed_release(kernel_driver: KernelDriver | Missing, windows: Windows | Missing) -> Fact[str]:
    if isinstance(windows, Windows):
        return windows.nvcuda_release
    if isinstance(kernel_driver, Missing):
        return kernel_driver
    loaded = kernel_driver.loaded_release
    return loaded if isinstance(loaded, Known) else kernel_driver.package_release
