"""# A lane of the race failed

## What it checks
Whether a contender of the race ended with an error.

## Why it matters
Its time is missing from the comparison; if it was the only one on its device, there is no race.

## How to fix it
Read the reason.
For a GPU lane this finds what is wrong with the environment:

```sh
cudadoctor check
```

## Limits
Lanes that were skipped, for want of a GPU or a package, or that were interrupted, have not failed.
A lane that ran and learned nothing is training-learned-nothing.
Pretraining that diverged, because its learning rate is too high, is a warning.

## Sources
The lane's own error.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.race import Race
from cudadoctor.findings import Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.race.training_learned_nothing import NOTHING_LEARNED

_DIVERGED = "DivergedError"
"""What pretraining at a rate that is too high ends with, which is no fault of the machine."""


@rule(id="race-lane-failed", title="A lane of the race failed", severity=Severity.ERROR)
def race_lane_failed(race: Race) -> Iterator[Finding]:
    """Fire where lanes failed; a warning if another lane on the same device finished."""
    failed = tuple(
        lane for lane in race.lanes if lane.state == "failed" and not lane.reason.startswith(NOTHING_LEARNED)
    )
    if not failed:
        return
    diverged = all(_DIVERGED in lane.reason for lane in failed)
    finished = {lane.device for lane in race.lanes if lane.state == "finished"}
    lost = tuple(lane for lane in failed if lane.device not in finished)
    first = (lost or failed)[0]
    more = f" {len(failed) - 1} more failed." if len(failed) > 1 else ""
    yield finding(
        race_lane_failed,
        severity=Severity.ERROR if lost and not diverged else Severity.WARNING,
        summary=f"{first.name} on {first.device_name or first.device} failed: "
        f"{first.reason[:200] or 'no reason'}.{more}",
        cause="Its error ended it after "
        + (f"{len(first.epochs)} epoch{'s' if len(first.epochs) > 1 else ''}." if first.epochs else "no epoch at all."),
        confidence="proven",
        evidence=tuple(Evidence(lane.name, lane.reason, lane.device_name or lane.device) for lane in failed[:8]),
        fix=Fix(
            "Pretrain at a lower learning rate.", ("cudadoctor dbn-race --pretrain-epochs 1 --pretrain-rate 0.001",)
        )
        if diverged
        else Fix("Find out what is wrong with the environment, then race again.", ("cudadoctor check",)),
    )
