"""# A name from the driver holds control characters

## What it checks
Whether names and UUIDs that NVML and the driver API tell are text that can be shown.

## Why it matters
A name with control characters can move a terminal's cursor, change its title or hide what stands before it, and it
breaks programs that parse it.
It mostly means a damaged board memory, a virtual GPU with a bad profile, or a driver that is not NVIDIA's.

## How to fix it
Compare with `nvidia-smi -L`; report it to whoever provides the machine.

```sh
nvidia-smi -L | cat -v
```

## Limits
The name is shown escaped, and nothing else is wrong because of it.

## Sources
Unicode general categories Cc, Cf, Cs (cudadoctor/text.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.text import is_printable, printable


@rule(
    id="device-name-unprintable",
    title="A name from the driver holds control characters",
    severity=Severity.NOTE,
    confirm=Confirm(
        "nvidia-smi -L | cat -v",
        "signs such as ^[ or M- in a name",
    ),
)
def device_name_unprintable(nvml: Nvml | Missing, driver: Driver | Missing) -> Iterator[Finding]:
    """Fire where a name or UUID of a GPU cannot be shown as it is."""
    odd = []
    for section in (nvml, driver):
        if isinstance(section, (Nvml, Driver)):
            for device in section.devices:
                odd += _unprintable(device.index, "name", device.name) + _unprintable(device.index, "UUID", device.uuid)
    if not odd:
        return
    yield finding(
        device_name_unprintable,
        summary=f"The {odd[0].name} holds characters that cannot be shown: {odd[0].value}.",
        cause="The driver passes on what the board's memory, or a virtual GPU's profile, says.",
        confidence="proven",
        evidence=tuple(odd[:8]),
        fix=Fix("Nothing fails because of it. Compare with what other tools show.", ("nvidia-smi -L | cat -v",)),
    )


def _unprintable(index: int, what: str, fact: Fact[str]) -> list[Evidence]:
    if not isinstance(fact, Known) or is_printable(fact.value):
        return []
    return [Evidence(f"{what} of GPU {index}", printable(fact.value), fact.source)]
