"""What rules about a foreign libcuda have in common: evidence and commands."""

from __future__ import annotations

from cudadoctor.facts.base import Fact, Missing
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Evidence
from cudadoctor.rules.reading import driver_release, seen

WITHOUT_COMPAT = (
    'ldconfig -p | grep libcuda; echo "$LD_LIBRARY_PATH"; grep -rn -e compat -e stubs /etc/ld.so.conf.d',
    'export LD_LIBRARY_PATH="$(echo "$LD_LIBRARY_PATH" | tr : \'\\n\' | grep -v -e compat -e stubs | paste -sd:)"',
)


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
