"""# Heat slows the GPU down

## What it checks
Whether NVML says at this moment that clocks are reduced because of heat, and the temperature is at one of the card's
own thresholds.
In a race or a profiled program: whether NVML's cumulative counter of thermal slowdown grew by 5 % of its time or more.

## Why it matters
A card that is too hot lowers its clocks until it is not: programs get slower after some minutes, and timings drift.

## How to fix it
Look after fans, dust, the flow of air and the temperature of the room; a passively cooled board needs the server's
fans.

```sh
nvidia-smi --query-gpu=index,temperature.gpu,fan.speed,clocks.sm --format=csv -l 5
```

## Limits
Heat comes with work: a check of an idle card sees none, so no finding here does not mean that there is no throttling.
The power brake shares a reason with heat (hardware slowdown), so without a temperature at a threshold nothing is said.

## Sources
nvmlClocksEventReasons and nvmlTemperatureThresholds_t (nvml.h).
Met by users in:
- <https://github.com/tensorflow/tensorflow/issues/40042>
- <https://github.com/soumith/convnet-benchmarks/issues/71>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.nvml import Nvml, NvmlDevice
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.nvml.held_down import held_down_meanwhile
from cudadoctor.rules.profile.explained import NOT_PROFILED
from cudadoctor.rules.reading import seen, text_of

_REASONS = {0x8: "hardware slowdown", 0x20: "software thermal slowdown", 0x40: "hardware thermal slowdown"}


@rule(
    id="thermal-throttle",
    title="Heat slows the GPU down",
    severity=Severity.WARNING,
    confirm=Confirm(
        "nvidia-smi -q -d TEMPERATURE,PERFORMANCE",
        "a thermal slowdown that is Active, and a temperature at its threshold",
    ),
    shows={
        "thermal-active": 6,
        "thermal-active slow": 2,
    },
)
def thermal_throttle(
    nvml: Nvml | Missing, race: Race | Missing, profile: Profile | Missing = NOT_PROFILED
) -> Iterator[Finding]:
    """Fire where a thermal reason is active and the temperature is at a threshold, or heat held a race down."""
    found = tuple(_now(nvml)) if isinstance(nvml, Nvml) else ()
    yield from found or held_down_meanwhile(
        thermal_throttle,
        race,
        profile,
        by="thermal",
        told="Heat",
        severity=Severity.WARNING,
        cause="The card makes more heat than is carried away.",
        fix=Fix(
            "Improve the cooling, and run again when the card is cool.",
            ("nvidia-smi --query-gpu=temperature.gpu,clocks.sm,power.draw,fan.speed --format=csv -l 5",),
        ),
    )
    if isinstance(nvml, Missing) and isinstance(race, Missing) and isinstance(profile, Missing):
        raise CannotJudgeError(f"the section nvml is missing: {nvml.reason}")


def _now(nvml: Nvml) -> Iterator[Finding]:
    hot = [(device, reached) for device in nvml.devices if (reached := _reached(device)) is not None]
    if not hot:
        return
    device, (threshold, what) = hot[0]
    degrees, reasons = known(device.temperature_c), known(device.clock_event_reasons) or 0
    told = " and ".join(name for bit, name in _REASONS.items() if reasons & bit)
    evidence: tuple[Evidence, ...] = ()
    for each, _ in hot[:4]:
        evidence += seen(f"temperature of GPU {each.index}, °C", each.temperature_c)
        evidence += seen(f"reasons for the clocks of GPU {each.index} (bits)", each.clock_event_reasons)
        for name, fact in _thresholds(each):
            evidence += seen(f"{name} of GPU {each.index}, °C", fact)
        evidence += seen(f"SM clock of GPU {each.index}, MHz", each.sm_clock_mhz)
        evidence += seen(f"highest SM clock of GPU {each.index}, MHz", each.sm_clock_max_mhz)
    yield finding(
        thermal_throttle,
        summary=f"{text_of(device.name) or 'A GPU'} (GPU {device.index}) is at {degrees} °C, its "
        f"{what} is {threshold} °C, and the driver lowers its clocks now ({told}).",
        cause="The card makes more heat than is carried away.",
        confidence="proven",
        evidence=evidence,
        fix=Fix(
            "Improve the cooling, and watch temperature and clocks while a program runs.",
            ("nvidia-smi --query-gpu=temperature.gpu,clocks.sm,power.draw,fan.speed --format=csv -l 5",),
        ),
    )


def _thresholds(device: NvmlDevice) -> tuple[tuple[str, Fact[int]], ...]:
    return (
        ("target temperature", device.target_temperature_c),
        ("maximum operating temperature", device.maximum_temperature_c),
        ("slowdown temperature", device.slowdown_temperature_c),
    )


def _reached(device: NvmlDevice) -> tuple[int, str] | None:
    """Return the highest threshold that is reached while a thermal reason is active, None for a card that is well."""
    temperature, reasons = known(device.temperature_c), known(device.clock_event_reasons) or 0
    if temperature is None or not any(reasons & bit for bit in _REASONS):
        return None
    told = [(fact.value, name) for name, fact in _thresholds(device) if isinstance(fact, Known)]
    reached = [(value, name) for value, name in told if 0 < value <= temperature]
    return max(reached, default=None)
