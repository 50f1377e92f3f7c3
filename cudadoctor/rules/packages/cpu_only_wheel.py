"""# A framework was installed without CUDA

## What it checks
Whether this Python environment has a build of PyTorch or TensorFlow for processors alone (version `+cpu`, package
`tensorflow-cpu`, TensorFlow 2.11 or newer on Windows), or JAX without a CUDA plugin, on a machine with an NVIDIA GPU.

## Why it matters
The framework says that no GPU is available, which looks like a broken driver; nothing on the machine is wrong.

## How to fix it
Install the build with CUDA; TensorFlow has none for Windows after 2.10, so use WSL2 there.
With PyTorch (torch):

```sh
python -m pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126
```

With TensorFlow (tf):

```sh
python -m pip uninstall -y tensorflow-cpu
python -m pip install "tensorflow[and-cuda]"
```

With JAX (jaxlib):

```sh
python -m pip install -U "jax[cuda12]"
```

## Limits
Only versions and names are read; packages of conda that carry the build in another place are not.
JAX without its plugin is a note: many programs install it without meaning to compute on a GPU.

## Sources
Installation pages of PyTorch, TensorFlow and JAX.
Met by users in:
- <https://github.com/JeffSHF/ColabDock/issues/28>
- <https://github.com/tensorflow/tensorflow/issues/60156>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import compiler_extra
from cudadoctor.rules.reading import capabilities, system_of, text_of, version_of

_PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin")


@rule(
    id="cpu-only-wheel",
    title="A framework was installed without CUDA",
    severity=Severity.WARNING,
    shows={
        "not-compiled-with-cuda": 9,
        "cpu-build": 7,
        "jax-cpu-build": 9,
        "jax-fallback": 3,
        "conda-override": 5,
        "only-cpu-device": 5,
        "no-gpu-list": 4,
        "num-gpus-0": 4,
        "tf-native-windows": 8,
        "jax-plugin": -3,
        "not-available": 4,
        "too-old-driver": -4,
        "cuda:35": -4,
        "cuda:999": -3,
        "cuda:100": -3,
        "cuda:804": -3,
        "cuda:803": -3,
        "tf-skips-gpu": -5,
        "dll-missing": -3,
        "macos": -3,
    },
    confirm=Confirm(
        'python -m pip list | grep -iE "torch|tensorflow|jax"; python -c "import torch; print(torch.version.cuda)"',
        "+cpu, tensorflow-cpu, jaxlib without a jax-cuda plugin, or None in the last line",
    ),
    confirm_on_windows=Confirm(
        'python -c "import torch; print(torch.__version__, torch.version.cuda)"',
        "None in place of a CUDA version (TensorFlow after 2.10 has no CUDA on Windows)",
    ),
)
def cpu_only_wheel(
    packages: Packages, host: Host | Missing, pci: Pci | Missing, nvml: Nvml | Missing, driver: Driver | Missing
) -> Iterator[Finding]:
    """Fire for each framework without CUDA where a GPU is there."""
    found = capabilities(driver, nvml, pci)
    if not found:
        return
    cuda = version_of(text_of(driver.cuda_version)) if isinstance(driver, Driver) else None
    extra = compiler_extra(cuda, min(capability for _, capability, _ in found))
    torch = packages.version_of("torch")
    if torch is not None and torch.endswith("+cpu"):
        index = "https://download.pytorch.org/whl/" + ("cu130" if extra == "cu13" else "cu126")
        install = f"python -m pip install --force-reinstall torch --index-url {index}"
        yield _told("PyTorch", "torch", torch, packages, (install,))
    tensorflow = packages.version_of("tensorflow")
    on_windows = system_of(host) == "Windows" and (version_of(tensorflow) or (0,)) >= (2, 11)
    if tensorflow is not None and on_windows:
        yield _told("TensorFlow", "tensorflow", tensorflow, packages, ())
    elif tensorflow is None and (plain := packages.version_of("tensorflow-cpu")) is not None:
        commands = (
            "python -m pip uninstall -y tensorflow-cpu",
            'python -m pip install "tensorflow[and-cuda]"',
        )
        yield _told("TensorFlow", "tensorflow-cpu", plain, packages, commands)
    jaxlib = packages.version_of("jaxlib")
    if jaxlib is not None and "+cuda" not in jaxlib and all(packages.version_of(name) is None for name in _PLUGINS):
        install = f'python -m pip install -U "jax[cuda{extra.removeprefix("cu")}]"'
        yield _told("JAX", "jaxlib", jaxlib, packages, (install,), severity=Severity.NOTE)


def _told(
    name: str,
    package: str,
    version: str,
    packages: Packages,
    commands: tuple[str, ...],
    severity: Severity = Severity.WARNING,
) -> Finding:
    windows = "" if commands else " Use WSL2, or version 2.10: later ones have no CUDA on Windows."
    return finding(
        cpu_only_wheel,
        summary=f"{name} {version} in this Python environment is built without CUDA, so it never uses the GPU.",
        cause="pip or conda chose a build for processors alone; driver and GPU have no part in it.",
        confidence="proven" if severity is Severity.WARNING else "supported",
        severity=severity,
        evidence=(Evidence(package, version, packages.source),),
        fix=Fix(f"If {name} is to use the GPU, install the build with CUDA.{windows}", commands),
    )
