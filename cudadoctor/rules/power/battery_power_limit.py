"""# The laptop runs on its battery

## What it checks
Whether the machine's mains supply is off and its battery discharges, while a GPU works.

## Why it matters
On battery the firmware gives the GPU a fraction of its power: utilisation shows 100 % while clocks are far down.
Timings made so say nothing of the card.

## How to fix it
Connect the charger that came with the machine, and measure again.

```sh
grep -H . /sys/class/power_supply/A*/online
```

## Limits
How much the GPU is held down is not measured here, so this is a note.
A weak charger at a USB port can do the same, and is not told apart from a strong one.

## Sources
Documentation/ABI/testing/sysfs-class-power of the Linux kernel.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.power import Power
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import passed, seen


@rule(
    id="battery-power-limit",
    title="The laptop runs on its battery",
    severity=Severity.NOTE,
    explains=("power-cap", "low-power-state"),
    confirm=Confirm("grep -H . /sys/class/power_supply/A*/online", "0"),
    shows={
        "on-battery slow": 6,
        "on-battery": 2,
    },
)
def battery_power_limit(power: Power, ladder: Ladder, nvml: Nvml | Missing) -> Iterator[Finding]:
    """Note a battery that discharges while a GPU works."""
    if known(power.on_mains) is not False or not passed(ladder, "context"):
        return
    charge = known(power.battery_percent)
    evidence: tuple[Evidence, ...] = (*seen("on mains", power.on_mains), *seen("battery, %", power.battery_percent))
    for device in nvml.devices[:2] if isinstance(nvml, Nvml) else ():
        evidence += seen(f"enforced power limit of GPU {device.index}, W", device.power_limit_w)
        evidence += seen(f"default power limit of GPU {device.index}, W", device.power_limit_default_w)
    yield finding(
        battery_power_limit,
        summary=f"This machine runs on its battery{f' ({charge} %)' if charge is not None else ''}: the GPU may be "
        "held far below its clocks.",
        cause="On battery the firmware gives the GPU a fraction of its power.",
        confidence="possible",
        evidence=evidence,
        fix=Fix("Connect the charger before you measure.", ("grep -H . /sys/class/power_supply/A*/online",)),
    )
