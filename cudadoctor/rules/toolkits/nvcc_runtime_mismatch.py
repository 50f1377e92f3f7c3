"""# nvcc is of another CUDA version than the framework

## What it checks
Whether the nvcc that a build would take (`CUDA_HOME`, `CUDA_PATH`, `PATH`, /usr/local/cuda) is of another major version
than the CUDA that PyTorch of this environment was built with; or whether a build says that they differ.

## Why it matters
Extensions are compiled by the nvcc that CUDA_HOME, CUDA_PATH or PATH leads to, and linked with the framework. Of
another major version they do not fit, and PyTorch refuses to build them.
It matters for builds only: an installed framework needs no nvcc.

## How to fix it
Point CUDA_HOME and PATH to a toolkit of the framework's version, or install the framework for the toolkit's.
For PyTorch, with the toolkit of its version installed:

```sh
version="$(python -c 'import torch; print(torch.version.cuda)')"
export CUDA_HOME="/usr/local/cuda-$version" PATH="/usr/local/cuda-$version/bin:$PATH"
nvcc --version
```

## Limits
A difference of the minor version alone is usually accepted with a warning, and is no finding.
It is a note unless `TORCH_CUDA_ARCH_LIST` shows that extensions are built here.

## Sources
- torch.utils.cpp_extension
Met by users in:
- <https://github.com/ghostpad/ghostpad/issues/9>
- <https://github.com/vllm-project/vllm/issues/1453>
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import seen, text_of, version_of

_RUNTIMES = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime-cu11")
_VARIABLES = ("CUDA_HOME", "CUDA_PATH")
_STANDARD_ROOT = re.compile(r"/usr/local/cuda-\d{1,2}\.\d{1,2}")


@rule(
    id="nvcc-runtime-mismatch",
    title="nvcc is of another CUDA version than the framework",
    severity=Severity.WARNING,
    shows={
        "torch-toolkit-mismatch": 10,
        "cuda-home": 2,
        "cuda-home conda": 2,
        "torch-parts-mismatch torch-toolkit-mismatch": -4,
        "torch-parts-mismatch": -3,
        "nvcc-of-another-release": 3,
        "nvcc-of-another-release cuda-home": 2,
        "toolkit-release-refused": -3,
        "cuda-undefined-reference": 3,
    },
    confirm=Confirm(
        'nvcc --version | grep release; python -c "import torch; print(torch.version.cuda)"; echo "$CUDA_HOME"',
        "two different major versions",
    ),
    confirm_on_windows=Confirm(
        'nvcc --version; python -c "import torch; print(torch.version.cuda)"; $env:CUDA_PATH',
        "two different major versions",
    ),
)
def nvcc_runtime_mismatch(
    toolkits: Toolkits, packages: Packages, environment: Environment | Missing
) -> Iterator[Finding]:
    """Fire where the major versions differ."""
    told = torch_cuda(packages)
    built_with = [kit for kit in toolkits.found if isinstance(kit.nvcc, Known) and kit.found_via != "CUDA wheels"]
    if told is None or not built_with:
        return
    wanted, evidence = told
    kit = next((kit for name in _VARIABLES for kit in built_with if _named_by(kit, name)), built_with[0])
    version = version_of(known(kit.version))
    if version is None or version[0] == wanted[0]:
        return
    dotted = ".".join(map(str, wanted[:2]))
    variables = environment.variables if isinstance(environment, Environment) else {}
    builds = "TORCH_CUDA_ARCH_LIST" in variables
    fitting = next((each for each in built_with if (version_of(known(each.version)) or (0,))[0] == wanted[0]), None)
    yield finding(
        nvcc_runtime_mismatch,
        severity=Severity.WARNING if builds else Severity.NOTE,
        summary=f"A build takes nvcc of CUDA {text_of(kit.version)} ({kit.root}), and PyTorch here is built with CUDA "
        f"{dotted}. This matters only for building extensions: PyTorch itself needs no nvcc.",
        cause="Extensions are compiled by the nvcc that CUDA_HOME, CUDA_PATH or PATH leads to, and PyTorch refuses one "
        "of another major version.",
        confidence="proven" if isinstance(kit.version, Known) else "supported",
        evidence=(
            evidence,
            *seen("version of nvcc's toolkit", kit.version),
            Evidence("toolkit", kit.root, kit.found_via),
            *(
                Evidence(name, variables[name], "environment")
                for name in (*_VARIABLES, "TORCH_CUDA_ARCH_LIST")
                if variables.get(name)
            ),
        ),
        fix=_fix(kit, fitting, dotted, in_conda=bool(variables.get("CONDA_PREFIX"))),
    )


def torch_cuda(packages: Packages) -> tuple[tuple[int, ...], Evidence] | None:
    """Return the CUDA version that PyTorch was built with: told by its version, else by the runtime beside it."""
    torch = packages.version_of("torch")
    if torch is None:
        return None
    ending = torch.partition("+")[2]
    match = re.fullmatch(r"cu(\d\d)(\d)", ending)
    if match is not None:
        return (int(match[1]), int(match[2])), Evidence("torch", torch, packages.source)
    found = [(name, version) for name in _RUNTIMES if (version := packages.version_of(name)) is not None]
    if ending or len(found) != 1:
        return None
    numbers = version_of(found[0][1])
    return (numbers, Evidence(found[0][0], found[0][1], packages.source)) if numbers and len(numbers) > 1 else None


def _named_by(kit: Toolkit, variable: str) -> bool:
    return variable in kit.found_via.replace(",", " ").split()


def _fix(kit: Toolkit, fitting: Toolkit | None, dotted: str, *, in_conda: bool) -> Fix:
    if fitting is not None and _STANDARD_ROOT.fullmatch(fitting.root):
        commands = (f"export CUDA_HOME={fitting.root} PATH={fitting.root}/bin:$PATH",)
        return Fix(f"For a build, point CUDA_HOME and PATH to {fitting.root}.", commands)
    unset = tuple(f"unset {name}" for name in _VARIABLES if _named_by(kit, name))
    install = (f"conda install -c nvidia cuda-nvcc={dotted}",) if in_conda else ()
    return Fix(
        f"For a build, install the toolkit of CUDA {dotted} beside this one and let CUDA_HOME name it; or install "
        "PyTorch for this toolkit.",
        (*unset, *install),
    )
