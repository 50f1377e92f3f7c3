"""# The GPU stays in a low performance state under load

## What it checks
Whether NVML's performance state was low (P5 to P15) while copies ran, all through a race,
or all through a profiled program whose kernels ran half of the time or more.

## Why it matters
An idle GPU rests at low clocks, and rises to P0 or P2 when work comes.
One that does not rise works at a fraction of its speed, for copies and kernels alike.

## How to fix it
Undo clocks that were locked, and let the driver keep its state; then look at the reasons that NVML names.

```sh
sudo nvidia-smi -rgc
sudo nvidia-smi -rac
```

## Limits
Only a measurement shows it: low clocks at rest are healthy and never reported.
Copies load the memory and not the multiprocessors, so only the performance state is judged, not the SM clock.

## Sources
nvmlDeviceGetPerformanceState (nvml.h): 0 is the highest state, 15 the lowest.
P5 and below as the sign of a card that rests is this project's own line; cards at work were seen in P0 and P2.
Met by users in:
- <https://github.com/microsoft/pai/issues/3387>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.attribution.circumstances import low_state
from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.explanation import Explanation
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.profile.explained import NOT_PROFILED
from cudadoctor.rules.reading import seen

_LOW = 5
_FEW_SAMPLES = 3
_WORKS = 0.5


@rule(
    id="low-power-state",
    title="The GPU stays in a low performance state under load",
    severity=Severity.WARNING,
    explains=("pcie-link-degraded", "bandwidth-below-link"),
    confirm=Confirm(
        "nvidia-smi --query-gpu=index,pstate,clocks.sm,clocks.max.sm,clocks_event_reasons.active --format=csv -l 1",
        "P5 or lower while a program computes",
    ),
    shows={
        "low-state": 4,
        "low-state slow": 4,
    },
)
def low_power_state(
    bandwidth: Bandwidth | Missing, race: Race | Missing, profile: Profile | Missing = NOT_PROFILED
) -> Iterator[Finding]:
    """Fire where the GPU did not rise while copies ran, in a race, or in a program that kept it at work."""
    found = tuple(_in_copies(bandwidth)) if isinstance(bandwidth, Bandwidth) else ()
    if not found and isinstance(race, Race):
        found = tuple(_while_it_ran(race.explanation, "race")) if race.explanation is not None else ()
    if not found and isinstance(profile, Profile) and _at_work(profile):
        found = tuple(_while_it_ran(profile, "program"))
    yield from found
    if isinstance(bandwidth, Missing) and isinstance(race, Missing) and isinstance(profile, Missing):
        raise CannotJudgeError(f"the section bandwidth is missing: {bandwidth.reason}")


def _at_work(profile: Profile) -> bool:
    """Say whether kernels ran half of the time; a GPU with little to do may rest."""
    steady = profile.analysis.steady if profile.analysis is not None else ()
    return bool(steady) and steady[0].share("kernels") >= _WORKS


def _while_it_ran(readings: Explanation | Profile, what: str) -> Iterator[Finding]:
    reading = low_state(readings)
    if reading is None:
        return
    told = {
        f"performance state in the {what}": reading.performance_state,
        f"SM clock in the {what}, MHz": reading.sm_mhz,
        f"memory clock in the {what}, MHz": reading.memory_mhz,
        f"reasons for the clocks in the {what} (bits)": reading.reasons,
        f"readings in the {what}": len(readings.readings),
    }
    yield finding(
        low_power_state,
        summary=f"The GPU stayed in performance state P{reading.performance_state} all through the {what}.",
        cause="Clocks were locked low, or power or firmware keeps the card from rising.",
        confidence="supported",
        evidence=tuple(Evidence(name, value, "NVML") for name, value in told.items() if value is not None),
        fix=Fix(
            "Undo locked clocks, and read the reasons that NVML names.",
            ("nvidia-smi -q -d PERFORMANCE,CLOCK", "sudo nvidia-smi -rgc && sudo nvidia-smi -rac"),
        ),
    )


def _in_copies(bandwidth: Bandwidth) -> Iterator[Finding]:
    load = bandwidth.link_under_load
    state = known(load.performance_state) if load is not None else None
    if load is None or state is None or not _LOW <= state <= 15 or load.samples < _FEW_SAMPLES:
        return
    yield finding(
        low_power_state,
        summary=f"{bandwidth.device_name} stayed in performance state P{state} while copies ran.",
        cause="Clocks were locked low, or power or firmware keeps the card from rising.",
        confidence="supported",
        evidence=(
            *seen("performance state under load", load.performance_state),
            *seen("SM clock under load, MHz", load.sm_clock_mhz),
            *seen("memory clock under load, MHz", load.memory_clock_mhz),
            *seen("reasons for the clocks under load (bits)", load.clock_event_reasons),
            Evidence("readings during the copies", load.samples, "NVML"),
        ),
        fix=Fix(
            "Undo locked clocks, and read the reasons that NVML names.",
            ("nvidia-smi -q -d PERFORMANCE,CLOCK", "sudo nvidia-smi -rgc && sudo nvidia-smi -rac"),
        ),
    )
