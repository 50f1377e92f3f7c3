"""# The framework wants CUDA libraries of another version than those installed

## What it checks
Whether the CUDA runtime and cuDNN that this release of TensorFlow loads, by names that carry a version, are on this
machine and where it looks for them; or whether a text names a CUDA library of an exact version that was not found, or
says that GPUs are skipped for want of libraries.

## Why it matters
The name of a CUDA library carries its version (libcudart.so.11.0, cudart64_101.dll). A program looks for the one that
it was built with; another version does not take its place, and TensorFlow then runs on the CPU.

## How to fix it
Install the toolkit and cuDNN that this release of the framework names, beside what is there; or a release of the
framework that brings its libraries.
With TensorFlow (tf):

```sh
python -m pip install --upgrade "tensorflow[and-cuda]"
```

With PyTorch (torch):

```sh
python -m pip install --upgrade --force-reinstall torch
```

With CuPy:

```sh
python -m pip install --upgrade "cupy-cuda12x[ctk]"
```

With JAX (jaxlib):

```sh
python -m pip install --upgrade "jax[cuda12]"
```

## Limits
Judged for TensorFlow's own wheels on Linux x86_64, and on Windows up to 2.10; builds of others (conda, NGC) may want
other versions, and nothing is said of them.
Which versions a release wants comes from a table.

## Sources
- <https://www.tensorflow.org/install/source#gpu>
Met by users in:
- <https://github.com/tensorflow/tensorflow/issues/38090>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.cuda_libraries import CudaLibraries
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.cuda_libraries.copies import copy_evidence
from cudadoctor.rules.cuda_libraries.wanted import Wanted, wanted_by_tensorflow, where_it_is
from cudadoctor.rules.reading import capabilities, version_of


@rule(
    id="toolkit-version-wrong-for-framework",
    title="The framework wants CUDA libraries of another version than those installed",
    severity=Severity.WARNING,
    shows={
        "lib-of-a-toolkit": 5,
        "tf lib-of-a-toolkit": 3,
        "tf-skips-gpu": 6,
        "lib:libcudart": 2,
        "lib:libcudnn": 3,
        "only-cpu-device": 4,
        "no-gpu-list": 3,
        "num-gpus-0": 3,
        "tf dll-missing": 4,
        "cupy lib-of-a-toolkit": -1,
        "library-of-another-toolkit dll-missing": 6,
        "library-of-another-toolkit lib-of-a-toolkit": 5,
        "library-of-another-toolkit": 2,
        "several-libraries-missing": 4,
        "toolkit-release-refused": 7,
        "libraries-of-two-majors dll-missing": 5,
    },
    confirm=Confirm(
        '/sbin/ldconfig -p | grep -E "libcudart|libcudnn|libcublas"; python -m pip list | grep -iE '
        '"tensorflow|torch|nvidia"',
        "other numbers in the names than the message asks for, or none",
    ),
    confirm_on_windows=Confirm(
        "where.exe cudart64_*.dll cudnn64_*.dll",
        "no file, or other numbers than the message names",
    ),
)
def toolkit_version_wrong_for_framework(
    cuda_libraries: CudaLibraries,
    packages: Packages,
    host: Host | Missing,
    environment: Environment | Missing,
    pci: Pci | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
) -> Iterator[Finding]:
    """Fire where TensorFlow finds no copy of a library that it names, though the machine has a GPU."""
    wanted = wanted_by_tensorflow(packages, host, environment)
    if wanted is None or not capabilities(driver, nvml, pci):
        return
    lacking = [name for name in wanted.names if where_it_is(cuda_libraries, name) != "found"]
    others = [file for file in cuda_libraries.files if file.base_name in ("libcudart", "libcudnn")]
    if not lacking or (wanted.windows and not _of_other_version(cuda_libraries, wanted)):
        return  # a DLL that is nowhere, or only off the path, is for the rule about DLLs
    off_path = [file for file in others if file.name in lacking]
    versions = ", ".join(dict.fromkeys(file.name for file in others if file.name not in lacking))
    if off_path:
        there = f"{off_path[0].name} is at {off_path[0].path}, where TensorFlow does not look"
    else:
        there = f"there is {versions}" if versions else "no CUDA library is on this machine"
    yield finding(
        toolkit_version_wrong_for_framework,
        summary=f"TensorFlow {wanted.release} was built with CUDA {wanted.cuda} and cuDNN {wanted.cudnn}; it finds no "
        f"{' and no '.join(lacking)}: {there}.",
        cause="TensorFlow asks for each CUDA library by a name that carries its version, and runs on the CPU where one "
        "is not found.",
        confidence="supported",
        evidence=(
            Evidence("tensorflow", wanted.release, packages.source),
            Evidence("built with", f"CUDA {wanted.cuda}, cuDNN {wanted.cudnn}", wanted.source),
            *(copy_evidence(file) for file in others[:6]),
        ),
        fix=_fix(wanted, off_path=bool(off_path)),
    )


def _of_other_version(cuda_libraries: CudaLibraries, wanted: Wanted) -> bool:
    copies = cuda_libraries.copies("libcudart")
    return bool(copies) and all(file.name not in wanted.names for file in copies)


def _fix(wanted: Wanted, *, off_path: bool) -> Fix:
    release = version_of(wanted.release) or (0, 0)
    if wanted.windows:
        return Fix(
            f"Install CUDA {wanted.cuda} and cuDNN {wanted.cudnn} beside what is there, and put both bin folders on "
            "PATH; or use TensorFlow in WSL2.",
            tuple(f"where.exe {name}" for name in wanted.names),
        )
    if release >= (2, 14):
        install = f'python -m pip install "tensorflow[and-cuda]=={release[0]}.{release[1]}.*"'
        return Fix("Install TensorFlow with its own CUDA libraries; no toolkit is needed then.", (install,))
    text = (
        "Install a newer TensorFlow, which brings its CUDA libraries; or CUDA "
        f"{wanted.cuda} and cuDNN {wanted.cudnn} beside what is there, from NVIDIA's archive of releases."
    )
    if off_path:
        text = f"Put the folder of the CUDA {wanted.cuda} libraries on the loader's search path. Or: {text}"
    return Fix(text, ('python -m pip install -U "tensorflow[and-cuda]"',))
