"""# A newer libcuda was loaded on a card that does not allow it

## What it checks
Whether the driver API answers 804 (forward compatibility was attempted on unsupported hardware).

## Why it matters
cuda-compat packages let a newer libcuda run on an older kernel driver, but only on data-centre cards and some
workstation cards.
On a GeForce card the driver refuses, although NVML works and shows a CUDA version that is too high for its branch.

## How to fix it
Take the compat libcuda off the search path, or install a driver that is as new as the compat package.
In a container, use an image that needs no newer CUDA than the host's driver has.

```sh
ldconfig -p | grep libcuda; grep -rn -e compat -e stubs /etc/ld.so.conf.d
export LD_LIBRARY_PATH="$(echo "$LD_LIBRARY_PATH" | sed -E 's#[^:]*/(compat|stubs)[^:]*:?##g')"
```

## Limits
On bare metal without any compat package the same code means that the driver was updated and the machine not rebooted:
that is reported as driver-library-mismatch where the releases show it.

## Sources
CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE (cuda.h);
docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html.
Met by users in:
- <https://github.com/SYSTRAN/faster-whisper/issues/653>
- <https://github.com/DeepVAC/TorchPod/issues/43>
- <https://github.com/rapidsai/cusignal/issues/398>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.libraries.foreign import WITHOUT_COMPAT, foreign_evidence
from cudadoctor.rules.libraries.pairing import mismatch
from cudadoctor.rules.reading import (
    card_evidence,
    cards,
    cuda_error,
    driver_release,
    is_compat,
    mapped_libcuda,
    said,
    seen,
    version_of,
)


@rule(
    id="forward-compat-unsupported-gpu",
    title="A newer libcuda was loaded on a card that does not allow it",
    severity=Severity.ERROR,
    explains=("driver-too-old", "ptx-newer-than-driver", "mig-without-instance", "driver-call-failed"),
    shows={
        "cuda:804": 9,
        "smi-cuda-too-new": 4,
        "cuda:804 smi-cuda-too-new": 2,
        "compat cuda:804": 2,
        "cuda:804 smi-two-releases": 2,
    },
    confirm=Confirm(
        'nvidia-smi -L; /sbin/ldconfig -p | grep libcuda.so.1; echo "$LD_LIBRARY_PATH"',
        'a card that is no data-centre card, and a "compat" folder',
    ),
)
def forward_compat_unsupported_gpu(
    ladder: Ladder,
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
    libraries: Libraries | Missing,
    environment: Environment | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    pci: Pci | Missing,
) -> Iterator[Finding]:
    """Fire on 804, unless the driver's own halves differ."""
    step = cuda_error(ladder, 804)
    if step is None or mismatch(host, kernel_driver, libraries, nvml, driver, ladder) is not None:
        return
    path, release = mapped_libcuda(driver, libraries)
    loaded = kernel_driver.loaded_release if isinstance(kernel_driver, KernelDriver) else None
    kernel, library = known(driver_release(nvml, loaded)), known(release) or path
    evidence = (said(step), *foreign_evidence(path, release, nvml, loaded, environment))
    if isinstance(nvml, Nvml) and nvml.devices:
        names = tuple(item for device in nvml.devices[:4] for item in seen(f"GPU {device.index}", device.name))
    else:
        names = tuple(card_evidence(card) for card in cards(pci)[:4])
    theirs, ours = version_of(known(release)), version_of(kernel)
    verb = "is newer than" if theirs is not None and ours is not None and theirs > ours else "was loaded on"
    same = theirs is not None and theirs == ours and not is_compat(path)
    yield finding(
        forward_compat_unsupported_gpu,
        summary=f"cuInit answers 804, although libcuda and the kernel driver are both of {kernel}."
        if same
        else f"libcuda{f' ({library})' if library else ''} {verb} "
        f"{f'driver {kernel}' if kernel else 'the kernel driver'}, and this card does not allow that: error 804.",
        cause="The answer stands for a cuda-compat libcuda on a card without forward compatibility. None is loaded; "
        "it also comes after a driver update, before the reboot."
        if same
        else "A cuda-compat libcuda is loaded in place of the driver's own; forward compatibility exists only for "
        "data-centre cards and some workstation cards.",
        confidence="possible" if same else "proven" if is_compat(path) else "supported",
        evidence=evidence + names,
        fix=Fix(
            "Take the compat libcuda off the search path, or update the host's driver to the release of that libcuda. "
            "If no compat package is there and the driver was just updated, reboot.",
            WITHOUT_COMPAT,
        ),
    )
