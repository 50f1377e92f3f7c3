"""# The GPU may not draw the power that it was made for

## What it checks
Whether the power limit that is enforced lies below the card's default, and whether NVML says at this moment that power
holds the clocks down (power cap with a lowered limit, or the power brake of the board).
In a race or a profiled program: whether NVML's cumulative counter of the power limit grew by 5 % of its time or more.

## Why it matters
A card at its limit lowers its clocks.
A limit below the default, which an administrator, a data centre or a laptop's firmware sets, costs speed in heavy work
and nothing in light work.

## How to fix it
If the limit is not wanted, set the default again.
A power brake means that the supply or the board asks for less: look at cables, supply and the server's management
controller.
For GPU 0:

```sh
nvidia-smi --query-gpu=index,enforced.power.limit,power.default_limit --format=csv
sudo nvidia-smi -i 0 -pl "$(nvidia-smi -i 0 --query-gpu=power.default_limit --format=csv,noheader,nounits)"
```

## Limits
A limit may be set on purpose, so that alone is a note.
At the default limit the cap in heavy work is normal, and nothing is said. A race or a program that was held down is a
note where the limit or its default is not known.

## Sources
nvmlDeviceGetEnforcedPowerLimit, nvmlDeviceGetPowerManagementDefaultLimit, nvmlClocksEventReasons (nvml.h).
Met by users in:
- <https://github.com/l4rz/reverse-engineering-dell-idrac-to-get-rid-of-gpu-throttling/issues/3>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.nvml import Nvml, NvmlDevice
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.nvml.held_down import held_down_meanwhile
from cudadoctor.rules.profile.explained import NOT_PROFILED
from cudadoctor.rules.reading import seen, text_of

_POWER_CAP, _POWER_BRAKE = 0x4, 0x80
_WATT = 1.0
"""Limits are set in milliwatts and rounded by the board; less than this is no difference."""


@rule(
    id="power-cap",
    title="The GPU may not draw the power that it was made for",
    severity=Severity.WARNING,
    confirm=Confirm(
        "nvidia-smi --query-gpu=index,enforced.power.limit,power.default_limit,power.draw --format=csv",
        "a limit below the default",
    ),
    shows={
        "power-capped": 6,
        "power-capped slow": 1,
    },
)
def power_cap(
    nvml: Nvml | Missing, race: Race | Missing, profile: Profile | Missing = NOT_PROFILED
) -> Iterator[Finding]:
    """Note a lowered limit, or a run held down at an unknown one; warn where power holds the clocks down now."""
    found = tuple(_now(nvml)) if isinstance(nvml, Nvml) else ()
    if isinstance(nvml, Nvml) and not found and nvml.devices and all(_at_default(device) for device in nvml.devices):
        return
    yield from found or held_down_meanwhile(
        power_cap,
        race,
        profile,
        by="power",
        told="Power",
        severity=Severity.NOTE,
        cause="The card is at its power limit, which is normal in heavy work at the default limit.",
        fix=Fix(
            "See whether the limit is the default; if so, this is what the card can do.",
            ("nvidia-smi --query-gpu=index,enforced.power.limit,power.default_limit,power.draw --format=csv",),
        ),
    )
    if isinstance(nvml, Missing) and isinstance(race, Missing) and isinstance(profile, Missing):
        raise CannotJudgeError(f"the section nvml is missing: {nvml.reason}")


def _now(nvml: Nvml) -> Iterator[Finding]:
    lowered = tuple(device for device in nvml.devices if _lowered(device))
    braked = tuple(device for device in nvml.devices if (known(device.clock_event_reasons) or 0) & _POWER_BRAKE)
    capped = tuple(device for device in lowered if (known(device.clock_event_reasons) or 0) & _POWER_CAP)
    concerned = braked or capped or lowered
    if not concerned:
        return
    first = concerned[0]
    who = f"{text_of(first.name) or 'A GPU'} (GPU {first.index})"
    limit, default = known(first.power_limit_w), known(first.power_limit_default_w)
    if braked:
        told, cause = f"The power brake of {who} is on: its clocks are held down now.", "The supply or the board asks "
        cause += "the card to draw less."
        fix = Fix("Look at power cables, supply and the server's management controller.", ("nvidia-smi -q -d POWER",))
    else:
        now = ", and holds its clocks down now" if capped else ""
        told = f"The power limit of {who} is {limit:.0f} W{now}; its default is {default:.0f} W."
        cause = "An administrator, a service or the firmware has lowered the limit."
        fix = Fix(
            "If that is not wanted, set the default again.",
            ("nvidia-smi -q -d POWER", f"sudo nvidia-smi -i {first.index} -pl {int(default or 0)}"),
        )
    more = f" The same holds for {len(concerned) - 1} more." if len(concerned) > 1 else ""
    evidence: tuple[Evidence, ...] = ()
    for device in concerned[:4]:
        evidence += seen(f"enforced power limit of GPU {device.index}, W", device.power_limit_w)
        evidence += seen(f"default power limit of GPU {device.index}, W", device.power_limit_default_w)
        evidence += seen(f"power draw of GPU {device.index}, W", device.power_draw_w)
        evidence += seen(f"reasons for the clocks of GPU {device.index} (bits)", device.clock_event_reasons)
    yield finding(
        power_cap,
        severity=Severity.WARNING if braked or capped else Severity.NOTE,
        summary=told + more,
        cause=cause,
        confidence="proven",
        evidence=evidence,
        fix=fix,
    )


def _at_default(device: NvmlDevice) -> bool:
    """Say whether both are known and the card may draw what it was made for: then this is what it can do."""
    both = known(device.power_limit_w) is not None and known(device.power_limit_default_w) is not None
    return both and not _lowered(device)


def _lowered(device: NvmlDevice) -> bool:
    limit, default = known(device.power_limit_w), known(device.power_limit_default_w)
    return limit is not None and default is not None and 0 < limit < default - _WATT
