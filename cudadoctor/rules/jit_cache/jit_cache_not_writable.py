"""# The driver cannot write its cache of compiled kernels

## What it checks
Whether this user can write the folder in which the driver keeps what it compiled (`~/.nv/ComputeCache`, or that of
`CUDA_CACHE_PATH`), and whether `CUDA_CACHE_DISABLE` switches it off; or whether a text shows that it cannot be written.

## Why it matters
The driver keeps what it compiled from PTX in that folder. Where it cannot, each start compiles anew, and some
programs fail.

## How to fix it
Name another folder, or give this one to its user.

```sh
export CUDA_CACHE_PATH="/tmp/cuda-cache-$(id -u)"
sudo chown -R "$(id -u)" ~/.nv
```

## Limits
Programs that bring code for this card compile nothing and need no cache, so this is never more than a warning.
Where the folder is not there and the home folder cannot be written, as in many containers, it is a note; so is a cache
that was switched off.
Whether the folder is full is not looked at.
A text that only mentions the folder need not be about this.

## Sources
- <https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables.html>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.jit_cache import JitCache
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import capabilities, seen

_CAUSE = (
    "The driver keeps there what it compiled from PTX; without it, PTX is compiled anew at each start of a program."
)


@rule(
    id="jit-cache-not-writable",
    title="The driver cannot write its cache of compiled kernels",
    severity=Severity.WARNING,
    shows={"jit-cache": 3, "jit-cache-denied": 5},
    confirm=Confirm(
        'd="${CUDA_CACHE_PATH:-$HOME/.nv/ComputeCache}"; ls -ld "$d"; test ! -e "$d" -o -w "$d" || echo not writable',
        '"not writable"',
    ),
)
def jit_cache_not_writable(
    jit_cache: JitCache,
    environment: Environment | Missing,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    pci: Pci | Missing,
) -> Iterator[Finding]:
    """Fire where a GPU is there and its cache is off, or is a folder that this user cannot write."""
    if not capabilities(driver, nvml, pci):
        return
    variables = environment.variables if isinstance(environment, Environment) else {}
    if variables.get("CUDA_CACHE_DISABLE", "0").strip() == "1":
        yield finding(
            jit_cache_not_writable,
            severity=Severity.NOTE,
            summary="CUDA_CACHE_DISABLE=1 switches the driver's cache of compiled kernels off.",
            cause=_CAUSE,
            confidence="proven",
            evidence=(Evidence("CUDA_CACHE_DISABLE", "1", "environment"),),
            fix=Fix("If that was not meant, unset it where it was set.", ("unset CUDA_CACHE_DISABLE",)),
        )
        return
    if known(jit_cache.writable) is not False:
        return
    own = jit_cache.exists or jit_cache.asked_path.rstrip("/").endswith("/.nv") or jit_cache.set_by != "default"
    owner = known(jit_cache.owner)
    whose = f" belongs to {owner}, and" if owner else ""
    state = f"{whose} cannot be written by this user"
    if not jit_cache.exists:
        state = f" is not there: {jit_cache.asked_path}, in which it would be made,{state}"
    yield finding(
        jit_cache_not_writable,
        severity=Severity.WARNING if own else Severity.NOTE,
        summary=f"The driver's cache of compiled kernels, {jit_cache.path},{state}.",
        cause=_CAUSE,
        confidence="proven",
        evidence=(
            Evidence("cache folder", jit_cache.path, jit_cache.set_by),
            *seen("writable", jit_cache.writable),
            *seen(f"owner of {jit_cache.asked_path}", jit_cache.owner),
        ),
        fix=_fix(jit_cache, own),
    )


def _fix(jit_cache: JitCache, own: bool) -> Fix:
    elsewhere = 'export CUDA_CACHE_PATH="/tmp/cuda-cache-$(id -u)"'
    if own and jit_cache.set_by == "default":
        return Fix("Give the folder to this user, or name another one.", ('sudo chown -R "$(id -u)" ~/.nv', elsewhere))
    return Fix("Name a folder that this user can write, where programs are started.", (elsewhere,))
