"""# The program holds no code for this GPU

## What it checks
Whether a framework of this Python environment holds code for the compute capability of each card: by its own list of
architectures (`check --frameworks`), else by its files (TensorFlow's build_info), else by the table of PyTorch's
wheels, else by what the CUDA version of the build compiles for at all; and whether it failed for that when it was
asked.
In a text: whether it says that no kernel image fits the device (CUDA 209, 48 in old runtimes; 98 and 200 in some
cases), or that a framework does not support this compute capability.

## Why it matters
A binary holds machine code for some compute capabilities and perhaps PTX for newer ones.
A card that is newer than all of them without PTX, or older than the oldest, finds nothing to run; the driver is fine,
and a call such as is_available() still answers True.

## How to fix it
Install a build of the framework that was made for this compute capability: a newer one for a new card, an older one
for a card that was dropped (CUDA 13 builds hold nothing below 7.5; builds of CUDA 12.6 and before hold nothing for
12.0).
What you compile yourself: name the capability (`-arch=native`, `TORCH_CUDA_ARCH_LIST`, `CMAKE_CUDA_ARCHITECTURES`).
With PyTorch, Blackwell (sm_100, sm_120, 5070, 5080, 5090, B200):

```sh
python -m pip install --upgrade --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128
```

With PyTorch, Maxwell, Pascal, Volta (sm_50, sm_52, sm_60, sm_61, sm_70, 1080, P100, V100):

```sh
python -m pip install --upgrade --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126
```

## Limits
Machine code runs on later minor versions of its major one, PTX on everything later: both count as code for the card.
Extensions of a framework (flash-attn, xformers) have lists of their own, which are not read.
conda's builds are judged only where the framework was asked.
A text does not always name card and build; compare `torch.cuda.get_arch_list()` or `cuobjdump --list-elf` with the
compute capability.

## Sources
- CUDA_ERROR_NO_BINARY_FOR_GPU, cudaErrorNoKernelImageForDevice (cuda.h, driver_types.h).
- PyTorch's support matrix and build scripts (tables/torch_wheels.tsv names them row by row).
Met by users in:
- <https://github.com/Hellod035/LeggedLab/issues/26>
- <https://github.com/pytorch/pytorch/issues/30532>
- <https://github.com/mudler/LocalAI/issues/9948>
- <https://github.com/JuliaGPU/CUDA.jl/issues/3079>
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.host import Host
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.frameworks.installing import install_jax, install_torch
from cudadoctor.rules.frameworks.subject import (
    Subject,
    driver_cuda,
    lacks_code,
    processor_of,
    subjects,
    sureness,
)
from cudadoctor.rules.reading import capabilities, on_jetson, version_of

# Beside a card that is served, one that no current build serves is there for a display.
_OLDEST_WORTH_A_WORD = (5, 0)
_ASKED = Confirm("cudadoctor check --frameworks", "that the framework failed")


@rule(
    id="arch-not-in-binary",
    title="The program holds no code for this GPU",
    severity=Severity.ERROR,
    shows={
        "cuda:209": 9,
        "arch-unsupported": 9,
        "cuda:98": 6,
        "cuda:200": 5,
        "arch-flag": 2,
        "cuda:209 arch-unsupported": 2,
        "card-beyond-toolkit": 6,
        "card-before-toolkit": 4,
        "card-beyond-toolkit cuda:209": 2,
        "card-beyond-toolkit cublas-failed": 3,
        "card-before-toolkit no-gpu-devices": 1,
        "no-kernel-image": 8,
        "cuda:209 no-kernel-image": -7,
        "old-card cpu-used-said": 3,
        "old-card smi-works no-gpu-devices": 3,
        "symbol-not-in-module": 5,
        "cufft-failed": 4,
        "card-beyond-toolkit cufft-failed": 4,
    },
    confirm=Confirm(
        'python -c "import torch; print(torch.cuda.get_device_capability(), torch.cuda.get_arch_list())"',
        "a capability such as (12, 0) whose sm_120 is not in the list",
    ),
)
def arch_not_in_binary(
    packages: Packages | Missing,
    frameworks: Frameworks | Missing,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    pci: Pci | Missing,
    host: Host | Missing,
) -> Iterator[Finding]:
    """Fire once, for all frameworks without code for a card."""
    if isinstance(packages, Missing) and isinstance(frameworks, Missing):
        raise CannotJudgeError(f"the section packages is missing: {packages.reason}")
    found = capabilities(driver, nvml, pci)
    told = [each for subject in subjects(packages, frameworks) if (each := _judge(subject, found, host)) is not None]
    if told:
        yield _finding(told, version_of(known(driver_cuda(driver, nvml))), host)


class _Lack(msgspec.Struct, frozen=True, kw_only=True):
    """A framework without code for a card; `others` says that the other cards of this machine are served."""

    subject: Subject
    name: str = "the GPU"
    capability: tuple[int, int] | None = None
    shown: tuple[Evidence, ...] = ()
    others: bool = False


def _judge(
    subject: Subject, found: tuple[tuple[str, tuple[int, int], Evidence], ...], host: Host | Missing
) -> _Lack | None:
    """Return the first card that a framework holds no code for."""
    lacking = [(item, shown) for item in found if (shown := lacks_code(subject, item[1], host)) is not None]
    others = 0 < len(lacking) < len(found)
    if others:
        lacking = [(item, shown) for item, shown in lacking if item[1] >= _OLDEST_WORTH_A_WORD]
    if lacking:
        (name, capability, evidence), shown = lacking[0]
        return _Lack(subject=subject, name=name, capability=capability, shown=(evidence, shown), others=others)
    if not subject.said_no_image:
        return None
    if not found:
        return _Lack(subject=subject)
    name, capability, evidence = found[0]
    return _Lack(subject=subject, name=name, capability=capability, shown=(evidence,))


def _finding(told: list[_Lack], cuda: tuple[int, ...] | None, host: Host | Missing) -> Finding:
    """Tell all frameworks in one finding: it is one card that they were made without."""
    first = next((each for each in told if not each.others), told[0])
    names = " and ".join(each.subject.title for each in told)
    has = f" (compute capability {'.'.join(map(str, first.capability))})" if first.capability is not None else ""
    lists = first.shown[-1].name.startswith("architectures") if first.shown else False
    holds = f": it holds {first.shown[-1].value}" if lists and len(told) == 1 else ""
    beside = " Other GPUs of this machine are served." if first.others else ""
    sure = {sureness(each.subject, each.shown[-1]) if each.shown else "proven" for each in told}
    fixes = [_fix(each.subject, each.capability, cuda, host) for each in told]
    made = finding(
        arch_not_in_binary,
        summary=f"{names} {'hold' if len(told) > 1 else 'holds'} no code for {first.name}{has}{holds}.{beside}",
        cause="The build was made without this architecture, which is older or newer than all that it holds. The "
        "driver is fine: do not change it for this.",
        confidence="proven" if "proven" in sure else "supported" if "supported" in sure else "possible",
        severity=Severity.WARNING if first.others else Severity.ERROR,
        evidence=tuple(dict.fromkeys(item for each in told for item in each.subject.evidence + each.shown)),
        fix=Fix(
            " ".join(dict.fromkeys(fix.text for fix in fixes)),
            tuple(command for fix in fixes for command in fix.commands),
        ),
    )
    if made.confirm is None or any(each.subject.name == "torch" for each in told):
        return made
    return msgspec.structs.replace(made, confirm=_ASKED)  # the rule's own command asks PyTorch


def _fix(
    subject: Subject, capability: tuple[int, int] | None, cuda: tuple[int, ...] | None, host: Host | Missing
) -> Fix:
    old = capability is not None and capability < (7, 5)
    if on_jetson(host):
        return Fix("Install NVIDIA's build for this board and its JetPack release.")
    commands: tuple[str, ...] = ()
    if subject.build is not None and subject.build.build_string:
        return Fix("Install a build that was made for this compute capability; `conda search` lists the builds.")
    if subject.name == "torch":
        commands = install_torch(capability, cuda, processor_of(host))
    elif subject.name == "jax" and capability is not None and capability >= (5, 2):
        commands = install_jax("cu12" if old or (cuda is not None and cuda < (13,)) else "cu13")
    elif subject.name == "cupy" and capability is not None and capability >= (5, 0):
        wanted = "12x" if old or (cuda is not None and cuda < (13,)) else "13x"
        commands = (
            "python -m pip uninstall -y cupy cupy-cuda11x cupy-cuda12x cupy-cuda13x",
            f"python -m pip install cupy-cuda{wanted}",
        )
    elif subject.name == "tensorflow" and not old:
        commands = ('python -m pip install -U "tensorflow[and-cuda]"',)
    if commands:
        return Fix("Install a build that holds code for this card, and keep the driver as it is.", commands)
    return Fix("Use a release that still served this card, build it from source for this card, or use another card.")
