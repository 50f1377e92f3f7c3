"""# The toolkit cannot compile for this card

## What it checks
Whether the toolkit that numba-cuda would use (NVVM and NVRTC) compiles for the compute capability of each card.

## Why it matters
CUDA 13 dropped Maxwell, Pascal and Volta: everything below 7.5.
Driver 580 still drives those cards, so `nvidia-smi` looks healthy and says CUDA 13.0, yet no kernel compiles.
The driver is fine; the toolkit is too new.
The other way round, a card can be newer than the toolkit; then the code of an older architecture may still run
through the driver's compiler, or not.

## How to fix it
Below 7.5: use the CUDA 12 compiler wheels, and leave the driver alone.
PyTorch serves these cards in its builds for CUDA 12.6 alone, which are to end after 2.14.
A card newer than the toolkit: use a newer toolkit.
Below 7.5:

```sh
python -m pip install "numba-cuda[cu12]>=0.30,<0.31" "numpy>=2.2,<2.5"
```

## Limits
Architectures are those that the toolkit itself names; only where it does not, a table measured from NVIDIA's wheels
tells.
Nothing is said of the card on which a kernel ran.
Before a kernel was tried, a card that is too new is only a warning.

## Sources
`ptxas --help` of the toolkits (tables/architectures.tsv); CUDA 13.0 release notes; PyTorch's support
matrix and its end: pytorch/pytorch issues 172352 and 190385.
Met by users in:
- <https://github.com/Hellod035/LeggedLab/issues/26>
- <https://github.com/pytorch/pytorch/issues/30532>
- <https://github.com/mudler/LocalAI/issues/9948>
- <https://github.com/JuliaGPU/CUDA.jl/issues/3079>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.ladder import Ladder, Step
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Confidence, Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.commands import install_compiler
from cudadoctor.rules.reading import capabilities, cuda_error, passed, said, step_of, tried_device, version_of
from cudadoctor.rules.toolkits.choice import in_use, toolkit_evidence
from cudadoctor.tables.old_cards import last_versions
from cudadoctor.tables.support import architectures_of

_OLDEST_COMPILED = (5, 0)


@rule(
    id="toolkit-arch-unsupported",
    title="The toolkit cannot compile for this card",
    severity=Severity.ERROR,
    explains=(
        "driver-too-old",
        "ptx-newer-than-driver",
        "nvvm-not-found",
        "driver-call-failed",
        "kernel-compile-failed",
        "race-lane-failed",
    ),
    shows={
        "arch-flag": 9,
        "arch-flag arch-unsupported": 1,
        "card-before-toolkit arch-flag": 2,
    },
    confirm=Confirm(
        "nvidia-smi --query-gpu=name,compute_cap --format=csv; nvcc --list-gpu-arch",
        "a compute capability that is not in the list",
    ),
)
def toolkit_arch_unsupported(
    toolkits: Toolkits,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    pci: Pci | Missing,
    ladder: Ladder | Missing,
) -> Iterator[Finding]:
    """Fire for the worst card: one below the toolkit's architectures, or above them."""
    toolkit = in_use(toolkits)
    if toolkit is None:
        return
    listed = _architectures(toolkit)
    if listed is None:
        raise CannotJudgeError("the architectures of the selected toolkit are not known")
    supported, source = listed
    found = capabilities(driver, nvml, pci)
    below = [item for item in found if item[1] < supported[0]]
    # Machine code of a capability runs on later ones of the same major number (8.6 on 8.9), and on no other.
    above = [
        item
        for item in found
        if item not in below and not any(major == item[1][0] and minor <= item[1][1] for major, minor in supported)
    ]
    failed = _failure(ladder)
    others_served = failed is None and len(below) + len(above) < len(found)
    if passed(ladder, "kernel-result"):
        device = tried_device(ladder, driver)
        ran = version_of(known(device.compute_capability)) if device is not None else None
        if ran is None:
            return
        below, above = ([item for item in group if item[1] != ran[:2]] for group in (below, above))
    if others_served:
        # Beside a card that is served, one that no toolkit serves any more is there for a display.
        below = [item for item in below if item[1] >= _OLDEST_COMPILED]
    if not below and not above:
        return
    name, capability, evidence = (below or above)[0]
    dotted = ".".join(map(str, capability))
    version = known(toolkit.version)
    proof = (evidence, *toolkit_evidence(toolkit))
    proof += (Evidence("architectures of the toolkit", ", ".join(f"{a}.{b}" for a, b in supported), source),)
    proof += (said(failed),) if failed is not None else ()
    others = " Other GPUs of this machine are served." if others_served else ""
    if below:
        lowest = ".".join(map(str, supported[0]))
        yield finding(
            toolkit_arch_unsupported,
            severity=Severity.WARNING if others_served else Severity.ERROR,
            summary=f"{name} has compute capability {dotted}, and the toolkit, CUDA {version}, compiles for {lowest} "
            f"and above only.{others}",
            cause="The toolkit dropped this architecture. The driver still serves the card: do not change it for this.",
            confidence="proven" if failed is not None else "supported",
            evidence=proof,
            fix=_older_toolkit(capability),
        )
        return
    span = " to ".join(".".join(map(str, end)) for end in (supported[0], supported[-1]))
    severity = Severity.ERROR if failed is not None else Severity.WARNING
    confidence: Confidence = "supported" if failed is not None else "possible"
    yield finding(
        toolkit_arch_unsupported,
        severity=severity,
        summary=f"{name} has compute capability {dotted}, and the toolkit, CUDA {version}, is older: it compiles for "
        f"{span}.{others}",
        cause="The toolkit was made before the card. Code for an older architecture may still run through the driver's "
        "compiler, but linking for this card fails.",
        confidence=confidence,
        evidence=proof,
        fix=Fix("Use newer compiler wheels.", (install_compiler(_newer(driver)),)),
    )


def _architectures(toolkit: Toolkit) -> tuple[list[tuple[int, int]], str] | None:
    """Return the capabilities that the toolkit compiles for, ascending, and who says so; None if nobody does."""
    texts: tuple[str, ...]
    if isinstance(toolkit.architectures, Known):
        texts, source = toolkit.architectures.value, toolkit.architectures.source
    else:
        listed = architectures_of(known(toolkit.version) or "")
        if listed is None:
            return None
        texts, source = listed.capabilities, listed.source
    numbers = sorted((v[0], v[1]) for text in texts if (v := version_of(text)) is not None and len(v) >= 2)
    return (numbers, source) if numbers else None


def _failure(ladder: Ladder | Missing) -> Step | None:
    """Return the step that failed because of the architecture: numba's own words, or 209 and 218 from the driver."""
    step = step_of(ladder, "kernel-compile")
    if step is not None and step.state == "failed":
        detail = step.detail.lower()
        if "compute capability" in detail or "gpu-architecture" in detail or "ccsupport" in detail:
            return step
    return cuda_error(ladder, 209, 218)


def _older_toolkit(capability: tuple[int, int]) -> Fix:
    last = last_versions(".".join(map(str, capability)))
    if capability < _OLDEST_COMPILED:
        kept = f" CUDA {last.cuda} was the last for it." if last is not None else ""
        return Fix(
            "CUDA 12 starts at 5.0, so no toolkit that numba-cuda takes compiles for this card. Use a newer card."
            f"{kept}"
        )
    pytorch = (
        f" The same holds for PyTorch: take its builds for CUDA 12.6, which are to end with {last.pytorch}."
        if last is not None and last.pytorch
        else ""
    )
    return Fix(
        f"Use the CUDA 12 compiler wheels (NVVM 12.9 compiles from 5.0), and keep the driver as it is.{pytorch}",
        ("python -m pip uninstall -y nvidia-nvvm nvidia-nvjitlink", install_compiler("cu12")),
    )


def _newer(driver: Driver | Missing) -> str:
    cuda = version_of(known(driver.cuda_version)) if isinstance(driver, Driver) else None
    return "cu13" if cuda is not None and cuda >= (13,) else "cu12"
