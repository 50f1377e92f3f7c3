"""# Compiling the kernels takes long

## What it checks
Whether a GPU lane needed 20 s or more before its first epoch, for compiling or loading its kernels.
In a profiled program: whether the driver compiled PTX for at least three times as long as all steady steps took.

## Why it matters
Kernels without code for this GPU are compiled by the driver at the first run, from PTX; so are those of numba.
With a cache that can be written this happens once for each version; without one, at every start.

## How to fix it
See that the caches can be written and are large enough, and run once more: the second run should start at once.

```sh
cudadoctor check
```

## Limits
The seconds hold all that was done before the first epoch, of which compiling is the largest part.

## Sources
The race: `compile_seconds`. 20 s is where public cases of this kind begin; numba's kernels of this race take a few.
CUDA C++ Programming Guide, just-in-time compilation (`CUDA_CACHE_DISABLE`, `CUDA_CACHE_MAXSIZE`).
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.circumstances import long_compile
from cudadoctor.facts.base import Missing
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.profile.explained import NOT_PROFILED, needs_one, program_finding


@rule(
    id="ptx-jit-first-run",
    title="Compiling the kernels takes long",
    severity=Severity.NOTE,
    confirm=Confirm("cudadoctor dbn-race --epochs 1", "a second run that compiles or loads in a second or two"),
)
def ptx_jit_first_run(race: Race | Missing, profile: Profile | Missing = NOT_PROFILED) -> Iterator[Finding]:
    """Note kernels that took 20 s or more to compile, or most of a program's run."""
    needs_one(race, profile)
    yield from program_finding(
        ptx_jit_first_run,
        profile,
        seen="waits for the driver, which compiles its kernels from PTX for this GPU",
        cause="The kernels hold no code for this GPU; a cache keeps what was compiled if it can be written.",
        fix=Fix("Run again; if it takes as long, look at the caches.", ("cudadoctor check",)),
    )
    found = long_compile(race) if isinstance(race, Race) else None
    if found is None:
        return
    lane, share = found
    yield finding(
        ptx_jit_first_run,
        summary=f"{lane.name} needed {lane.compile_seconds:.0f} s before its first epoch, "
        f"{100 * share:.0f} % of its time.",
        cause="Its kernels were compiled for this GPU; a cache keeps them for the next run if it can be written.",
        confidence="possible",
        evidence=(
            Evidence("compiling or loading, s", round(lane.compile_seconds or 0.0, 2), lane.name),
            Evidence("share of the lane's time", round(share, 3), lane.name),
        ),
        fix=Fix("Run again; if it takes as long, look at the caches.", ("cudadoctor check",)),
    )
