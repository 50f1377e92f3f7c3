"""# The loaded libcuda does not pair with the kernel driver

## What it checks
Whether the driver API answers 803 (system has an unsupported display driver / CUDA driver combination).

## Why it matters
A libcuda of another release than the kernel driver was loaded: mostly one that an image or a cuda-compat package
brought along.
Such a pair is supported only for some combinations, and this is none of them.

## How to fix it
Take the foreign libcuda off the search path (`LD_LIBRARY_PATH`, `ld.so.conf.d`), or use a driver that the compat
package supports.

```sh
ldconfig -p | grep libcuda; grep -rn -e compat -e stubs /etc/ld.so.conf.d
export LD_LIBRARY_PATH="$(echo "$LD_LIBRARY_PATH" | sed -E 's#[^:]*/(compat|stubs)[^:]*:?##g')"
```

## Limits
If NVML is refused as well (18), the driver's own halves differ, and driver-library-mismatch is reported instead.

## Sources
CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (cuda.h); docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html.
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
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.libraries.foreign import (
    WITHOUT_COMPAT,
    WITHOUT_DRIVER_FOLDERS,
    by_variable,
    foreign_evidence,
    hides_the_right_one,
)
from cudadoctor.rules.libraries.pairing import mismatch
from cudadoctor.rules.reading import cuda_error, driver_release, is_compat, is_stub, mapped_libcuda, said


@rule(
    id="compat-libs-mismatch",
    title="The loaded libcuda does not pair with the kernel driver",
    severity=Severity.ERROR,
    explains=("driver-too-old", "ptx-newer-than-driver", "mig-without-instance", "driver-call-failed"),
    shows={
        "cuda:803": 7,
        "compat cuda:803": 3,
        "compat cuda:804": 3,
        "container cuda:803": 2,
        "smi-cuda-too-new": 3,
        "nvml:18": -4,
    },
    confirm=Confirm(
        'cat /proc/driver/nvidia/version; /sbin/ldconfig -p | grep libcuda.so.1; echo "$LD_LIBRARY_PATH"',
        'a "compat" folder, or a libcuda that is not of the release in the first line',
    ),
)
def compat_libs_mismatch(
    ladder: Ladder,
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
    libraries: Libraries | Missing,
    environment: Environment | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
) -> Iterator[Finding]:
    """Fire on 803, unless the driver's own halves differ."""
    step = cuda_error(ladder, 803)
    if step is None or mismatch(host, kernel_driver, libraries, nvml, driver, ladder) is not None:
        return
    path, release = mapped_libcuda(driver, libraries)
    loaded = kernel_driver.loaded_release if isinstance(kernel_driver, KernelDriver) else None
    kernel = known(driver_release(nvml, loaded))
    library = known(release) or path
    hidden = None if is_compat(path) or is_stub(path) else hides_the_right_one(libraries, "libcuda", kernel)
    fix = Fix(
        "Take the foreign libcuda off the search path, so that the driver's own is found. Inside a container, use "
        "an image without cuda-compat, or a host driver that it supports.",
        WITHOUT_COMPAT,
    )
    if hidden is not None:
        first, fitting = hidden
        fix = Fix(
            f"Take {first.path} off the search path (it is found by {first.found_via}), so that {fitting.path}, the "
            "driver's own, comes first.",
            (WITHOUT_DRIVER_FOLDERS if by_variable(first, fitting) else WITHOUT_COMPAT[0],),
        )
    yield finding(
        compat_libs_mismatch,
        summary=f"{step.call} refuses libcuda{f' ({library})' if library else ''} on "
        f"{f'driver {kernel}' if kernel else 'the loaded kernel driver'} with error 803.",
        cause="libcuda does not come from the driver that is loaded, but from a cuda-compat package or an image, and "
        "this pair is not a supported one.",
        confidence="proven" if is_compat(path) else "supported",
        evidence=(said(step), *foreign_evidence(path, release, nvml, loaded, environment)),
        fix=fix,
    )
