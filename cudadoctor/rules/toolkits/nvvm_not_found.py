"""# No CUDA compiler was found

## What it checks
Whether compiling a kernel failed because numba-cuda found no NVVM, libdevice, NVRTC or nvJitLink, or could not be
imported because nothing led cuda-bindings to a CUDA runtime (libcudart), whose version numba-cuda asks for.

## Why it matters
The driver runs kernels but does not compile Python. numba-cuda needs a CUDA toolkit, or the compiler wheels, for
that; programs that bring compiled code along (PyTorch) do not, and work without.

## How to fix it
Install numba-cuda with the compiler wheels that fit the driver and the card: `cu13` for a driver of CUDA 13 and
compute capability 7.5 and above, else `cu12`. Where a toolkit that fits is installed and nothing leads numba-cuda to
it, `CUDA_HOME` does.
With numba:

```sh
python -m pip install "numba-cuda[cu12]>=0.30,<0.31" "numpy>=2.2,<2.5"
```

With TensorFlow (tf):

```sh
python -m pip install nvidia-cuda-nvcc-cu12
export XLA_FLAGS="--xla_gpu_cuda_data_dir=$(python -c 'import nvidia.cuda_nvcc as m; print(m.__path__[0])')"
```

With JAX (jaxlib):

```sh
python -m pip install -U "jax[cuda12]"
```

With CuPy:

```sh
python -m pip install -U "cupy-cuda12x[ctk]"
```

## Limits
Nothing is said before a kernel was tried: a machine that only runs compiled programs lacks nothing.

## Sources
numba-cuda documentation, installation; cuda-pathfinder's search order.
Met by users in:
- <https://github.com/NVIDIA/cudf/issues/1992>
- <https://github.com/jax-ml/jax/issues/4452>
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import install_compiler
from cudadoctor.rules.reading import capabilities, said, seen, step_of, text_of, version_of
from cudadoctor.rules.toolkits.choice import fitting_extra, selected, toolkit_evidence

_COMPILER = re.compile(r"nvvm|libdevice|nvrtc|nvjitlink|libcudart", re.IGNORECASE)
_NOT_THERE = re.compile(
    r"NvvmSupportError|NvrtcSupportError|DynamicLibNotFound|not (be )?found|cannot (be found|open)|missing"
    r"|not available|unable to find|no such file|could not find|failed to load",
    re.IGNORECASE,
)
_STANDARD_ROOT = re.compile(r"/usr/local/cuda(-\d{1,2}\.\d{1,2})?")
_PATH_VARIABLES = ("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT")


@rule(
    id="nvvm-not-found",
    title="No CUDA compiler was found",
    severity=Severity.ERROR,
    explains=("driver-call-failed", "kernel-compile-failed", "race-lane-failed"),
    shows={
        "libnvvm-missing": 8,
        "libdevice-missing": 9,
        "nvrtc-missing": 7,
        "nvvm-path-missing": 3,
        "lib:libnvvm": 4,
        "lib:libnvrtc": 4,
        "nvvm-path-missing libnvvm-missing": -5,
        "several-libraries-missing": -4,
        "library-of-another-toolkit lib:libnvrtc": -5,
        "ptxas-missing": 5,
    },
    confirm=Confirm(
        'python -c "from numba.cuda.cudadrv.libs import test; test()"; find / -name libdevice.10.bc 2>/dev/null',
        "an error for nvvm, nvrtc or libdevice, and no file of a toolkit",
    ),
    confirm_on_windows=Confirm(
        'python -c "from numba.cuda.cudadrv.libs import test; test()"',
        "an error for nvvm, nvrtc or libdevice",
    ),
)
def nvvm_not_found(
    ladder: Ladder,
    toolkits: Toolkits | Missing,
    environment: Environment | Missing,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    pci: Pci | Missing,
) -> Iterator[Finding]:
    """Fire where kernel-compile failed for want of a compiler part."""
    step = step_of(ladder, "kernel-compile")
    if step is None or step.state != "failed":
        return
    worded = _COMPILER.search(step.detail) is not None and _NOT_THERE.search(step.detail) is not None
    if not worded or "compute capability" in step.detail.lower():
        return
    toolkit = selected(toolkits)
    evidence = (said(step), *toolkit_evidence(toolkit))
    idle = _with_nvvm(toolkits) if toolkit is None else ()
    lacking = []
    if toolkit is not None:
        for name, fact in (("libnvvm", toolkit.libnvvm), ("libdevice", toolkit.libdevice), ("NVRTC", toolkit.nvrtc)):
            evidence += seen(name, fact)
            if isinstance(fact, Missing):
                lacking.append(name)
                evidence += (Evidence(name, "not found", fact.reason),)
        where = (
            f"The toolkit at {toolkit.root} lacks {', '.join(lacking)}" if lacking else "The toolkit could not be used"
        )
    elif idle:
        where = f"numba-cuda looks at none of the toolkits here ({', '.join(kit.root for kit in idle[:4])})"
        evidence += tuple(Evidence(f"toolkit {text_of(kit.version)}", kit.root, kit.found_via) for kit in idle[:4])
    else:
        where = "There is no CUDA toolkit here"
    if isinstance(toolkits, Toolkits) and isinstance(toolkits.selected_root, Missing):
        evidence += (Evidence("what numba-cuda would load", "nothing", toolkits.selected_root.reason),)
    variables = environment.variables if isinstance(environment, Environment) else {}
    named = [(name, variables[name]) for name in _PATH_VARIABLES if variables.get(name)]
    evidence += tuple(Evidence(name, value, "environment") for name, value in named)
    roots = {each.root.rstrip("/\\") for each in toolkits.found} if isinstance(toolkits, Toolkits) else set()
    stale = next((name for name, value in named if value.rstrip("/\\") not in roots), None)
    extra = fitting_extra(driver, nvml, pci)
    usable = _usable(idle, driver, nvml, pci)
    cuda = known(driver.cuda_version) if isinstance(driver, Driver) else None
    fits = f"fit this machine (driver CUDA version {cuda})" if cuda else "fit this machine"
    yield finding(
        nvvm_not_found,
        summary=f"{where}, so numba-cuda cannot compile a kernel.",
        cause=f"{stale} names a folder that holds no toolkit."
        if stale
        else "numba-cuda comes without a compiler; it takes one from the compiler wheels, conda or an installed "
        "toolkit.",
        confidence="proven",
        evidence=evidence,
        fix=Fix(
            f"Install the compiler wheels {extra}, which {fits}.{f' Unset {stale}.' if stale else ''}"
            + (f" Or let CUDA_HOME name {usable}." if usable else ""),
            (
                *((f"unset {stale}",) if stale else ()),
                install_compiler(extra),
                *((f"export CUDA_HOME={usable}",) if usable else ()),
            ),
        ),
    )


def _with_nvvm(toolkits: Toolkits | Missing) -> tuple[Toolkit, ...]:
    """Return the installed toolkits that could compile, if numba-cuda looked at them."""
    found = toolkits.found if isinstance(toolkits, Toolkits) else ()
    return tuple(kit for kit in found if isinstance(kit.libnvvm, Known) and isinstance(kit.nvrtc, Known))


def _usable(
    idle: tuple[Toolkit, ...], driver: Driver | Missing, nvml: Nvml | Missing, pci: Pci | Missing
) -> str | None:
    """Return the usual folder of a toolkit that is no newer than the driver and compiles for every card."""
    newest = version_of(known(driver.cuda_version)) if isinstance(driver, Driver) else None
    for kit in idle:
        version, listed = version_of(known(kit.version)), known(kit.architectures)
        if version is None or newest is None or version > newest or listed is None:
            continue
        lowest = min((number for text in listed if (number := version_of(text)) is not None), default=(99,))
        serves = all(capability >= lowest for _, capability, _ in capabilities(driver, nvml, pci))
        if serves and _STANDARD_ROOT.fullmatch(kit.root):
            return kit.root
    return None
