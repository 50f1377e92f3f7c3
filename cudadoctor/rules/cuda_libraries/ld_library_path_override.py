"""# LD_LIBRARY_PATH makes a package load CUDA libraries of the system

## What it checks
Whether a folder of `LD_LIBRARY_PATH` holds an older copy, of the same name, of a CUDA library that a wheel brought for
PyTorch, JAX, TensorFlow or CuPy; or whether a text shows a symbol of a CUDA library that is missing at import.

## Why it matters
Wheels bring their CUDA libraries and expect exactly those.
They find each other by RUNPATH, which the loader tries only after `LD_LIBRARY_PATH`, so that an older libnvJitLink or
libcublasLt of the same name is loaded beside newer ones, and a symbol is missing.

## How to fix it
Take the CUDA folders out of LD_LIBRARY_PATH; libcuda does not need them.
To try, with your program in place of program.py:

```sh
env -u LD_LIBRARY_PATH python program.py
```

## Limits
A newer copy, one of the same version, and folders that only `/etc/ld.so.conf.d` names are no finding: the wheels' own
come before the loader's cache.
Whether a program fails depends on which library it loads first, so this is a possible cause until a program says it.
numba-cuda loads wheels by their full path, so nothing is said where no framework is installed.
Two versions of the wheels in one environment give the same symbol errors.

## Sources
- ld.so(8); PyTorch wheels with nvidia-*-cu12 dependencies.
Met by users in:
- <https://github.com/infiniflow/ragflow/issues/4466>
- <https://github.com/pytorch/pytorch/issues/103832>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.cuda_libraries import CudaLibraries
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.packages import Packages
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.cuda_libraries.copies import (
    WHERE_IT_IS_SET,
    WITHOUT_CUDA_FOLDERS,
    WITHOUT_VARIABLE,
    copy_evidence,
    framework_of,
    of_framework,
    order,
    shadows,
)
from cudadoctor.rules.reading import text_of


@rule(
    id="ld-library-path-override",
    title="LD_LIBRARY_PATH makes a package load CUDA libraries of the system",
    severity=Severity.WARNING,
    explains=("cudnn-mismatch",),
    shows={
        "wrong-nvlib": 9,
        "wrong-nvlib ld-path": 2,
        "ld-to-system": 3,
        "ld-path ld-to-system": 2,
        "cublas-failed": 4,
        "cublas-failed system-cublas": 5,
        "system-cublas": 3,
        "torch-load-deps lib-of-a-toolkit": 3,
        "no-ld-debug": 6,
        "no-ld-debug ld-path": 1,
        "device-assert": -5,
        "ld-path smi-fails-said": 6,
        "torch-symbol": 1,
        "nvrtc-builtins-missing": 4,
    },
    confirm=Confirm(
        'echo "$LD_LIBRARY_PATH"; python -m pip list | grep -E "nvidia-.*-cu1[0-9]|nvidia-cu"',
        "CUDA folders in the first line, and packages of NVIDIA below",
    ),
)
def ld_library_path_override(
    cuda_libraries: CudaLibraries, packages: Packages | Missing, environment: Environment | Missing
) -> Iterator[Finding]:
    """Fire where a variable puts an older copy before one that a framework brought; cuDNN has a rule of its own."""
    framework = framework_of(packages)
    if framework is None:
        return
    pairs = [
        (first, own)
        for own in of_framework(cuda_libraries)
        if own.base_name != "libcudnn"
        and (first := shadows(cuda_libraries, own)) is not None
        and order(first, own) == -1
    ]
    if not pairs:
        return
    first, own = pairs[0]
    folders = list(dict.fromkeys(file.path.rpartition("/")[0] for file, _ in pairs))
    named = all("cuda" in folder.lower() or "cudnn" in folder.lower() for folder in folders)
    more = f", and {len(pairs) - 1} more" if len(pairs) > 1 else ""
    variables = environment.variables if isinstance(environment, Environment) else {}
    value = variables.get(first.found_via)
    yield finding(
        ld_library_path_override,
        summary=f"{first.found_via} puts {first.name} {text_of(first.version)} of {folders[0]} before "
        f"{text_of(own.version)} of the wheel, which {framework} was installed with{more}.",
        cause="The wheels' libraries find each other by RUNPATH, which the loader tries only after the variable. An "
        "older one lacks symbols that the others ask for.",
        confidence="possible",
        evidence=(
            *((Evidence(first.found_via, value, "environment"),) if value else ()),
            *(copy_evidence(file) for pair in pairs[:4] for file in pair),
        ),
        fix=Fix(
            f"Take {' and '.join(folders[:4])} out of {first.found_via}, here and where it is set for good.",
            (WITHOUT_VARIABLE, *((WITHOUT_CUDA_FOLDERS,) if named else ()), WHERE_IT_IS_SET),
        ),
    )
