"""What rules about copies of CUDA libraries have in common."""

from __future__ import annotations

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.cuda_libraries import CudaLibraries, CudaLibrary
from cudadoctor.facts.packages import Packages
from cudadoctor.findings import Evidence
from cudadoctor.rules.reading import version_of

OF_VARIABLE = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
WITHOUT_CUDA_FOLDERS = (
    'export LD_LIBRARY_PATH="$(echo "$LD_LIBRARY_PATH" | tr : \'\\n\' | grep -v -i -e cuda -e cudnn | paste -sd:)"'
)
WITHOUT_VARIABLE = "env -u LD_LIBRARY_PATH python your_program.py"
WHERE_IT_IS_SET = "grep -n LD_LIBRARY_PATH ~/.bashrc ~/.profile ~/.zshrc /etc/environment /etc/profile.d/*.sh"

_FRAMEWORKS = (
    ("PyTorch", ("torch",)),
    ("JAX", ("jax-cuda12-plugin", "jax-cuda13-plugin")),
    ("TensorFlow", ("tensorflow", "tensorflow-gpu")),
    ("CuPy", ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x")),
)


def framework_of(packages: Packages | Missing) -> str | None:
    """Return a framework with CUDA whose libraries ask for each other by name; None if there is none."""
    if isinstance(packages, Missing):
        return None
    for name, distributions in _FRAMEWORKS:
        for distribution in distributions:
            version = packages.version_of(distribution)
            if version is not None and not version.endswith("+cpu"):
                return f"{name} {version}"
    return None


def order(first: CudaLibrary, second: CudaLibrary) -> int | None:
    """Return -1, 0 or 1 as the first is older, the same or newer, as far as both are known; None where one is not.

    12.4 and 12.4.131 are the same: the one is the toolkit's version, the other the library's.
    """
    one, other = version_of(known(first.version)), version_of(known(second.version))
    if one is None or other is None:
        return None
    length = min(len(one), len(other))
    return (one[:length] > other[:length]) - (one[:length] < other[:length])


def shadows(libraries: CudaLibraries, own: CudaLibrary) -> CudaLibrary | None:
    """Return the copy of the same name that a variable puts before a framework's own; None if there is none."""
    for file in libraries.copies(own.base_name):
        if file.name == own.name and file.found_via in OF_VARIABLE:
            return file
    return None


def of_framework(libraries: CudaLibraries) -> tuple[CudaLibrary, ...]:
    """Return the copies that a framework brought along."""
    return tuple(file for file in libraries.files if file.found_via in ("CUDA wheels", "torch"))


def copy_evidence(file: CudaLibrary) -> Evidence:
    """Return a copy as evidence: name, version and place."""
    version = known(file.version)
    return Evidence(f"{file.name}{f' {version}' if version else ''}", file.path, file.found_via)


def mapped_evidence(libraries: CudaLibraries, library: str) -> tuple[Evidence, ...]:
    """Return which file of a library the process that compiled a kernel had loaded."""
    paths = known(libraries.mapped) or ()
    source = getattr(libraries.mapped, "source", "")
    return tuple(Evidence(f"mapped {library}", path, source) for path in paths if f"/{library}." in path)
