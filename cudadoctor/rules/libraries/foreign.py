"""What rules about a foreign libcuda have in common: evidence and commands."""

from __future__ import annotations

from cudadoctor.facts.base import Fact, Missing, known
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.libraries import NOT_ON_SEARCH_PATH, Libraries, LibraryFile
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Evidence
from cudadoctor.rules.reading import driver_files, driver_release, seen

_VARIABLE = "LD_LIBRARY_PATH"

WITHOUT_COMPAT = (
    'ldconfig -p | grep libcuda; echo "$LD_LIBRARY_PATH"; grep -rn -e compat -e stubs /etc/ld.so.conf.d',
    'export LD_LIBRARY_PATH="$(echo "$LD_LIBRARY_PATH" | tr : \'\\n\' | grep -v -e compat -e stubs | paste -sd:)"',
)

WITHOUT_DRIVER_FOLDERS = (
    'export LD_LIBRARY_PATH="$(echo "$LD_LIBRARY_PATH" | tr : \'\\n\' | while read -r d; do '
    '[ -e "$d/libcuda.so.1" ] || [ -e "$d/libnvidia-ml.so.1" ] || echo "$d"; done | paste -sd:)"'
)
"""Takes the folders that hold a driver library out of the variable; for where the driver's own is found without it."""


def hides_the_right_one(
    libraries: Libraries | Missing, soname: str, kernel: str | None
) -> tuple[LibraryFile, LibraryFile] | None:
    """Return the file of another release that the loader comes to, and the one after it that fits the kernel driver."""
    files = tuple(f for f in driver_files(libraries, soname) if f.found_via != NOT_ON_SEARCH_PATH)
    fitting = next((f for f in files if kernel is not None and known(f.release) == kernel), None)
    if fitting is None or files[0] is fitting or isinstance(files[0].release, Missing):
        return None
    return files[0], fitting


def by_variable(first: LibraryFile, fitting: LibraryFile) -> bool:
    """Say whether only LD_LIBRARY_PATH puts the first before the one that fits."""
    return first.found_via.startswith(_VARIABLE) and not fitting.found_via.startswith(_VARIABLE)


def foreign_evidence(
    path: str | None,
    release: Fact[str],
    nvml: Nvml | Missing,
    loaded: Fact[str] | None,
    environment: Environment | Missing,
) -> tuple[Evidence, ...]:
    """Return path and release of libcuda, release of the kernel driver, and the search path variable."""
    evidence: tuple[Evidence, ...] = (Evidence("loaded libcuda", path, "loader"),) if path else ()
    evidence += seen("release of libcuda", release)
    evidence += seen("release of the kernel driver", driver_release(nvml, loaded))
    if isinstance(environment, Environment) and "LD_LIBRARY_PATH" in environment.variables:
        evidence += (Evidence("LD_LIBRARY_PATH", environment.variables["LD_LIBRARY_PATH"], environment.source),)
    return evidence
