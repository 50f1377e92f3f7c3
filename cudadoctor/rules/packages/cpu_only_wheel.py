"""# A framework was installed without CUDA

## What it checks
Whether this Python environment has a build of PyTorch or TensorFlow for processors alone (version `+cpu`, its own
generated file, package `tensorflow-cpu`, a conda build string such as `cpu_generic_...`, TensorFlow 2.11 or newer on
Windows), or JAX, PaddlePaddle or MXNet without CUDA, on a machine with an NVIDIA GPU.

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
Only versions, names and small files are read.
JAX without its plugin, PaddlePaddle and MXNet are notes: many programs install them without meaning to compute on a
GPU.
ONNX Runtime for processors is what most programs that depend on it want, and no finding.
Builds for another kind of device (ROCm, XPU) are meant so.

## Sources
Installation pages of PyTorch, TensorFlow and JAX.
Met by users in:
- <https://github.com/JeffSHF/ColabDock/issues/28>
- <https://github.com/tensorflow/tensorflow/issues/60156>
- <https://github.com/conda/conda/issues/14761>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.host import Host
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import compiler_extra
from cudadoctor.rules.frameworks.installing import install_torch
from cudadoctor.rules.frameworks.subject import driver_cuda, processor_of, subjects
from cudadoctor.rules.reading import capabilities, system_of, version_of

_CONDA = {"torch": "pytorch", "tensorflow": "tensorflow", "jax": "jaxlib"}
_NOTES = ("jax", "paddle", "mxnet")


@rule(
    id="cpu-only-wheel",
    title="A framework was installed without CUDA",
    severity=Severity.WARNING,
    shows={
        "cuda-wheel-removed plain-torch-installed": 7,
        "conda-without-cuda": 6,
        "not-compiled-with-cuda": 9,
        "cpu-build": 7,
        "jax-cpu-build": 9,
        "jax-fallback": 7,
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
        "macos not-compiled-with-cuda": -4,
        "mig-enabled not-available": -2,
        "container not-available": -1,
        "slurm not-available": -2,
        "suspend not-available": -2,
        "tegra not-available": -2,
        "windows not-available": 1,
        "cvd-hides not-available": -2,
        "tf-11 windows no-gpu-devices": 8,
        "tf-11 windows": 4,
        "tf-11 windows not-available": 4,
        "ort-cpu": 8,
        "no-gpu-build": 9,
        "no-gpu-build not-compiled-with-cuda": -6,
        "other-gpu not-compiled-with-cuda": -3,
        "no-gpu-build tegra": -2,
        "cpu-used-said !cuda:999 !cuda:100 !jax-fallback": 3,
        "driver-below-toolkit not-available": -4,
        "cudnn-not-here no-gpu-build": -6,
        "jaxlib-without-cuda": 10,
        "torch-without-cuda-asked": 7,
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
    packages: Packages,
    frameworks: Frameworks | Missing,
    host: Host | Missing,
    pci: Pci | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
) -> Iterator[Finding]:
    """Fire for each framework without CUDA where a GPU is there."""
    found = capabilities(driver, nvml, pci)
    if not found:
        return
    cuda = version_of(known(driver_cuda(driver, nvml)))
    lowest = min(capability for _, capability, _ in found)
    extra = compiler_extra(cuda, lowest)
    for subject in subjects(packages, frameworks):
        without = isinstance(subject.cuda, Known) and not subject.cuda.value
        if not without or subject.works or subject.name == "onnxruntime":
            continue
        build = subject.build
        commands = _commands(subject.name, lowest, cuda, extra, host)
        if build is not None and build.build_string and subject.name in _CONDA:
            commands = (f'conda install "{_CONDA[subject.name]}=*=*cuda*"',)
        yield _told(subject.title, subject.evidence, commands, note=subject.name in _NOTES)
    if "tensorflow" not in (subject.name for subject in subjects(packages, frameworks) if subject.asked is not None):
        yield from _tensorflow_by_name(packages, host, _commands("tensorflow", lowest, cuda, extra, host))


def _tensorflow_by_name(packages: Packages, host: Host | Missing, commands: tuple[str, ...]) -> Iterator[Finding]:
    """Judge TensorFlow by name and version where its files did not tell."""
    build = packages.build_of("tensorflow")
    if build is not None and isinstance(build.cuda_version, Known):
        return
    tensorflow, plain = packages.version_of("tensorflow"), packages.version_of("tensorflow-cpu")
    if tensorflow is not None and system_of(host) == "Windows" and (version_of(tensorflow) or (0,)) >= (2, 11):
        yield _told(f"TensorFlow {tensorflow}", (Evidence("tensorflow", tensorflow, packages.source),), commands)
    elif tensorflow is None and plain is not None:
        yield _told(f"TensorFlow {plain}", (Evidence("tensorflow-cpu", plain, packages.source),), commands)


def _commands(
    name: str, lowest: tuple[int, int], cuda: tuple[int, ...] | None, extra: str, host: Host | Missing
) -> tuple[str, ...]:
    """Return the commands that install the build with CUDA; none for TensorFlow on Windows, which has none."""
    if name == "torch":
        return install_torch(lowest, cuda, processor_of(host))
    if name == "tensorflow" and system_of(host) != "Windows":
        return ("python -m pip uninstall -y tensorflow-cpu", 'python -m pip install "tensorflow[and-cuda]"')
    if name == "jax" and system_of(host) != "Windows":
        return (f'python -m pip install -U "jax[cuda{extra.removeprefix("cu")}]"',)
    return ()


def _told(title: str, evidence: tuple[Evidence, ...], commands: tuple[str, ...], *, note: bool = False) -> Finding:
    name = title.partition(" ")[0]
    windows = ""
    if name == "TensorFlow" and not commands:
        windows = " Use WSL2, or version 2.10: later ones have no CUDA on Windows."
    return finding(
        cpu_only_wheel,
        summary=f"{title} in this Python environment is built without CUDA, so it never uses the GPU.",
        cause="pip or conda chose a build for processors alone; driver and GPU have no part in it.",
        confidence="supported" if note else "proven",
        severity=Severity.NOTE if note else Severity.WARNING,
        evidence=evidence,
        fix=Fix(f"If {name} is to use the GPU, install the build with CUDA.{windows}", commands),
    )
