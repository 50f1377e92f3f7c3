"""# The toolkit's PTX is newer than the driver understands

## What it checks
Whether loading a kernel answers 222 (unsupported PTX version); or, before a kernel was tried, whether the toolkit is
of a newer minor release than the driver's CUDA version and has no nvJitLink.

## Why it matters
numba compiles to PTX, which the driver's own compiler turns into machine code, and that knows no PTX newer than
itself.
Minor-version compatibility does not cover PTX.
With nvJitLink the toolkit makes the machine code, and the same driver runs it.

## How to fix it
Update the driver, or use a toolkit no newer than the driver's CUDA version; with numba-cuda, the compiler wheels with
nvJitLink do it too.
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

With numba:

```sh
python -m pip install "numba-cuda[cu12]>=0.30,<0.31" "numpy>=2.2,<2.5"
```

## Limits
Nothing is said where a kernel ran, or where nvJitLink is there and nothing failed.

## Sources
CUDA_ERROR_UNSUPPORTED_PTX_VERSION (cuda.h); CUDA compatibility guide; NVIDIA/nvbandwidth issue 61.
Met by users in:
- <https://github.com/NVIDIA/nvbandwidth/issues/61>
- <https://github.com/xinzhuma/monodle/issues/23>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder, Step
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import NUMPY, install_compiler
from cudadoctor.rules.driver_commands import newer_driver
from cudadoctor.rules.reading import (
    cuda_error,
    driver_release,
    passed,
    said,
    seen,
    step_of,
    system_of_driver,
    text_of,
    version_of,
)
from cudadoctor.rules.toolkits.choice import fitting_extra, selected, toolkit_evidence
from cudadoctor.tables.drivers import minimum_driver


@rule(
    id="ptx-newer-than-driver",
    title="The toolkit's PTX is newer than the driver understands",
    severity=Severity.ERROR,
    explains=("driver-call-failed", "kernel-compile-failed", "race-lane-failed"),
    shows={
        "cuda:222": 9,
        "ptx-version": 9,
        "cuda:218": 4,
        "driver-older-ptx": 8,
    },
    commands_here=newer_driver,
    confirm=Confirm(
        "nvidia-smi | grep -i 'cuda.*version'; nvcc --version; python -m pip list | grep -iE 'cu1[1-9]|cuda'",
        "a compiler (nvcc, or the packages nvrtc and nvvm) newer than the driver's CUDA version",
    ),
    confirm_on_windows=Confirm(
        "nvidia-smi; nvcc --version; python -m pip list",
        "a compiler (nvcc, or the packages nvrtc and nvvm) newer than the driver's CUDA version",
    ),
)
def ptx_newer_than_driver(
    toolkits: Toolkits | Missing,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    pci: Pci | Missing,
    host: Host | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    """Fire on 222, or where it must come: a newer minor release without nvJitLink and no kernel tried."""
    if passed(ladder, "kernel-result"):
        return
    refused = _refused(ladder)
    toolkit = selected(toolkits)
    cuda = driver.cuda_version if isinstance(driver, Driver) else Missing("libcuda did not tell")
    wanted = version_of(known(toolkit.version)) if toolkit is not None else None
    has = version_of(known(cuda))
    linker = toolkit is not None and isinstance(toolkit.nvjitlink, Known)
    if refused is None:
        compile_step = step_of(ladder, "kernel-compile")
        if compile_step is not None and compile_step.state != "not reached":
            return
        if wanted is None or has is None or wanted[0] != has[0] or wanted[:2] <= has[:2] or linker:
            return
    version = known(toolkit.version) if toolkit is not None else None
    evidence: tuple[Evidence, ...] = (said(refused),) if refused else ()
    evidence += seen("driver CUDA version", cuda) + seen("driver release", driver_release(nvml, None))
    evidence += toolkit_evidence(toolkit)
    if toolkit is not None:
        jitlink = known(toolkit.nvjitlink)
        source = toolkit.nvjitlink.source if isinstance(toolkit.nvjitlink, Known) else "toolkit folders"
        evidence += (Evidence("nvJitLink", jitlink or "not found", source),)
    newer = f"The toolkit, CUDA {version}," if version else "The toolkit"
    older = f"CUDA {text_of(cuda)}, which is all that the driver knows" if has else "what the driver knows"
    code = " Loading the kernel failed with 222." if refused is not None and refused.code == 222 else ""
    extra = fitting_extra(driver, nvml, pci)
    corresponding = minimum_driver(version or "", system_of_driver(host))
    update = (
        f" Or update the driver to {corresponding.corresponding} or newer."
        if (corresponding is not None and corresponding.corresponding)
        else " Or update the driver."
    )
    if linker and has is not None:
        commands = (f'python -m pip install "cuda-toolkit=={has[0]}.{has[1] if len(has) > 1 else 0}.*" "{NUMPY}"',)
        text = "Use compiler wheels that are no newer than the driver."
    else:
        commands = (install_compiler(extra),)
        text = "Install the compiler wheels, which bring nvJitLink: it makes machine code that this driver runs."
    yield finding(
        ptx_newer_than_driver,
        summary=f"{newer} makes PTX newer than {older}.{code}",
        cause="The driver's compiler reads no PTX newer than itself. Minor-version compatibility does not cover PTX; "
        f"{'the kernel did not go through nvJitLink' if linker else 'nvJitLink, which would avoid it, is missing'}.",
        confidence="proven" if refused is not None else "supported",
        evidence=evidence,
        fix=Fix(text + update, commands),
    )


def _refused(ladder: Ladder | Missing) -> Step | None:
    """Return the step that was refused for its PTX: 222, or 218 with the words of ptxas about the version."""
    step = cuda_error(ladder, 222)
    if step is not None:
        return step
    for name in ("kernel-compile", "kernel-result"):
        other = step_of(ladder, name)
        if other is not None and other.state == "failed" and "Unsupported .version" in other.detail:
            return other
    return None
