"""Gather the Python packages that take part in computing on a GPU, and where they do not go together.

A package that is installed beside a version it does not accept (pip warns and goes on) fails later and elsewhere,
so the requirements that these packages state about each other are compared with what is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence

from cudadoctor.facts.base import Missing
from cudadoctor.facts.packages import NUMBA_STACK, Clash, Package, Packages
from cudadoctor.probes.builds import builds, legacy_modules
from cudadoctor.probes.distributions import Distribution, installed, normalized
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.requirements import applies, meets
from cudadoctor.probes.root import Root
from cudadoctor.tables.reader import numbers

_NUMBA = (*NUMBA_STACK, "pynvml")
_FRAMEWORKS = ("torch", "jax", "jaxlib", "tensorflow")
_OF_INTEREST = re.compile(
    r"nvidia-[a-z0-9-]+|torch|jax|jaxlib|jax-(cuda|rocm)\d+-(plugin|pjrt)|cupy(-(cuda|rocm).*)?"
    r"|tensorflow(-cpu|-gpu)?|tf-nightly(-cpu|-gpu)?|paddlepaddle(-gpu)?|mxnet(-cu\d+(mkl)?)?|onnxruntime(-gpu)?"
    r"|gnumpy|cudamat"
)

# Distributions that bring the same folder, so that the last one that was installed has overwritten the others.
_SAME_FOLDER = (
    ("tensorflow", re.compile(r"tensorflow(-cpu|-gpu)?|tf-nightly(-cpu|-gpu)?")),
    ("cupy", re.compile(r"cupy(-(cuda|rocm).*)?")),
    ("onnxruntime", re.compile(r"onnxruntime(-gpu)?")),
)


def is_of_interest(name: str) -> bool:
    """Say whether a distribution, by its normalized name, takes part in computing on a GPU."""
    return name in _NUMBA or _OF_INTEREST.fullmatch(name) is not None


@never_raises
def gather(root: Root, search_path: Sequence[str] | None = None, prefix: str = sys.prefix) -> Packages | Missing:
    """Gather the packages section.

    Args:
        root: The machine's files.
        search_path: Folders that Python imports from, this process's own by default.
        prefix: Of the Python environment; a conda environment has its own list of packages there.
    """
    if not root.is_live and search_path is None:
        return Missing("--sysroot: the packages of this process are not those of that machine")
    folders = [folder for folder in dict.fromkeys(sys.path if search_path is None else search_path) if folder]
    found = installed(root, folders, is_of_interest)
    first: dict[str, Distribution] = {}
    for distribution in found:
        first.setdefault(distribution.name, distribution)
    packages = sorted(first.values(), key=lambda d: (_NUMBA.index(d.name) if d.name in _NUMBA else 99, d.name))
    clashes = [
        *(clash for d in packages if d.name in _NUMBA + _FRAMEWORKS for clash in _unmet(root, d, first)),
        *_known_clashes(first),
        *_twice(found),
    ]
    return Packages(
        installed=tuple(Package(name=d.name, version=d.version) for d in packages),
        clashes=tuple(dict.fromkeys(clashes)),
        source="*.dist-info on sys.path" if search_path is None else "*.dist-info",
        builds=builds(root, first, prefix),
        legacy_modules=legacy_modules(root, folders),
    )


def _unmet(root: Root, package: Distribution, others: Mapping[str, Distribution]) -> Iterator[Clash]:
    """Yield the requirements of a package that the installed version of another does not meet; extras are left out."""
    for requirement in package.requirements(root):
        match = re.match(
            r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]{0,200}\])?\s*(\(?)([^;@()]*)\)?\s*(?:;(.*))?$", requirement
        )
        other = others.get(normalized(match[1])) if match else None
        if match is None or other is None or not match[3].strip():
            continue
        wanted = ",".join(part.strip() for part in match[3].split(","))
        # The marker comes second: judging one needs `packaging`, and most requirements are met.
        if meets(other.version, wanted) is False and applies(match[4] or ""):
            yield Clash(
                package=package.name,
                package_version=package.version,
                requires=f"{other.name}{wanted}",
                found=other.version,
                source=f"Requires-Dist of {package.name} {package.version}",
            )


def _known_clashes(installed_packages: Mapping[str, Distribution]) -> Iterator[Clash]:
    """Yield clashes that no package states."""
    numba_cuda, numpy = installed_packages.get("numba-cuda"), installed_packages.get("numpy")
    # Seen with numba-cuda 0.30.4 and numpy 2.5: every compile fails, while is_available() still answers True.
    if numba_cuda and numpy and numbers(numba_cuda.version) <= (0, 30, 4) and numbers(numpy.version) >= (2, 5):
        yield Clash(
            package="numba-cuda",
            package_version=numba_cuda.version,
            requires="numpy<2.5",
            found=numpy.version,
            source="np.row_stack, removed in numpy 2.5",
        )
    for folder, pattern in _SAME_FOLDER:
        owners = [installed_packages[name] for name in sorted(installed_packages) if pattern.fullmatch(name)]
        for other in owners[1:]:
            yield Clash(
                package=owners[0].name,
                package_version=owners[0].version,
                requires=f"to be the only {folder}",
                found=f"{other.name} {other.version}",
                source=f"both install the folder {folder}",
            )


def _twice(found: Sequence[Distribution]) -> Iterator[Clash]:
    """Yield distributions that one folder holds in two versions: an update that did not remove the old one."""
    seen: dict[tuple[str, str], Distribution] = {}
    for distribution in found:
        before = seen.setdefault((distribution.folder, distribution.name), distribution)
        if before.version != distribution.version:
            yield Clash(
                package=distribution.name,
                package_version=before.version,
                requires="to be installed once",
                found=distribution.version,
                source="two .dist-info folders in one place",
            )
