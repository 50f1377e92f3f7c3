"""# Packages that overwrite each other are installed together

## What it checks
Whether more than one distribution brings the same files into this Python environment: CuPy (`cupy`, `cupy-cuda11x`,
`cupy-cuda12x`, `cupy-cuda13x`), TensorFlow, ONNX Runtime with and without GPU, and NVIDIA's CUDA wheels of two CUDA
releases for one library and one file name (`nvidia-cudnn-cu11` beside `nvidia-cudnn-cu12`).

## Why it matters
All of them bring the same folder, and the one that was installed last has overwritten parts of the others.
Which CUDA libraries are then loaded is a matter of chance.

## How to fix it
Remove all of them, then install the one that fits the driver.
For a driver of CUDA 12:

```sh
python -m pip uninstall -y cupy cupy-cuda11x cupy-cuda12x cupy-cuda13x
python -m pip install cupy-cuda12x
```

## Limits
Only packages of this environment are seen, and wheels of two CUDA versions that keep apart are no finding: those of
CUDA 13 have a folder of their own but for cuDNN, NCCL and a few others, and libcublas.so.11 lies beside
libcublas.so.12.
A file name is taken for the same where both wheels have the same first number in their version, which it bears.

## Sources
CuPy's own warning at import; the folders in which PyTorch's build script looks for the libraries of the wheels
(.ci/manywheel/build_cuda.sh).
Met by users in:
- <https://github.com/gpustack/gpustack/issues/5459>
- <https://github.com/cupy/cupy/issues/7573>
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Package, Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.toolkits.choice import fitting_extra
from cudadoctor.tables.reader import numbers

_OWNERS = (
    ("CuPy", re.compile(r"cupy(-(cuda|rocm)[a-z0-9-]*)?"), "cupy-cuda{major}x"),
    ("TensorFlow", re.compile(r"tensorflow(-cpu|-gpu)?|tf-nightly(-cpu|-gpu)?"), '"tensorflow[and-cuda]"'),
    ("ONNX Runtime", re.compile(r"onnxruntime(-gpu)?"), "onnxruntime-gpu"),
)
_WHEEL = re.compile(r"(nvidia-[a-z0-9-]+?)-cu(\d\d)")


@rule(
    id="mixed-cuda-packages",
    title="Packages that overwrite each other are installed together",
    severity=Severity.WARNING,
    shows={
        "several-cupy": 7,
        "cupy-of-two-majors": 8,
        "wheels-of-two-majors": 5,
        "cupy lib-of-a-toolkit": 7,
        "cupy nvrtc-missing": 2,
        "cupy dll-missing": 5,
        "libraries-of-two-majors": 5,
        "libraries-of-two-majors nvrtc-missing": 3,
        "jax-lib-versions": 12,
        "torch-parts-mismatch": 10,
        "torch-parts-of-others": 3,
        "nvrtc-builtins-missing": 4,
    },
    confirm=Confirm(
        "python -m pip list | grep -iE '^cupy|-cu1[0-9]'",
        "two packages of CuPy, or packages of two CUDA versions (-cu11, -cu12)",
    ),
    confirm_on_windows=Confirm(
        "python -m pip list",
        "two packages of CuPy, or packages of two CUDA versions (-cu11, -cu12)",
    ),
)
def mixed_cuda_packages(
    packages: Packages,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    pci: Pci | Missing,
    frameworks: Frameworks | Missing,
) -> Iterator[Finding]:
    """Fire on distributions that own one import package, and on CUDA wheels that own one file."""
    major = fitting_extra(driver, nvml, pci).removeprefix("cu")
    for title, pattern, fitting in _OWNERS:
        found = [package for package in packages.installed if pattern.fullmatch(package.name)]
        if len(found) < 2:
            continue
        yield finding(
            mixed_cuda_packages,
            summary=f"{len(found)} packages bring {title} into this Python environment: {_listed(found)}.",
            cause="They own the same folder, so each has overwritten parts of the other.",
            confidence="proven",
            evidence=_evidence(found, packages),
            fix=Fix(
                "Remove all of them, then install the one that fits the driver.",
                (_uninstall(found), f"python -m pip install {fitting.format(major=major)}"),
            ),
        )
    overwritten = [package for group in _same_files(packages) for package in group]
    if overwritten:
        works = isinstance(frameworks, Frameworks) and any(framework.works for framework in frameworks.asked)
        yield finding(
            mixed_cuda_packages,
            summary=f"CUDA wheels of two CUDA releases bring the same files: {_listed(overwritten)}.",
            cause="The wheels of one library share a folder and, here, the name of the file too, so the one that was "
            "installed last has overwritten the other; pip takes both for installed.",
            confidence="supported",
            severity=Severity.NOTE if works else Severity.WARNING,
            evidence=_evidence(overwritten, packages),
            fix=Fix(
                "Keep the wheels of one CUDA release in an environment: remove these, then install the frameworks "
                "again, and give each framework of another CUDA release an environment of its own.",
                (_uninstall(overwritten),),
            ),
        )


def _same_files(packages: Packages) -> list[list[Package]]:
    """Return groups of CUDA wheels of one library whose files have the same names."""
    groups: dict[tuple[str, int], list[Package]] = {}
    for package in packages.installed:
        match = _WHEEL.fullmatch(package.name)
        if match is None:
            continue
        first = next(iter(numbers(package.version)), 0)
        groups.setdefault((match[1], first), []).append(package)
    return [group for group in groups.values() if len(group) > 1]


def _listed(found: list[Package]) -> str:
    return ", ".join(f"{package.name} {package.version}" for package in found)


def _evidence(found: list[Package], packages: Packages) -> tuple[Evidence, ...]:
    return tuple(Evidence(package.name, package.version, packages.source) for package in found)


def _uninstall(found: list[Package]) -> str:
    return f"python -m pip uninstall -y {' '.join(package.name for package in found)}"
