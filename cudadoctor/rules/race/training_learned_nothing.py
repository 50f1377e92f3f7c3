"""# The training learned nothing

## What it checks
Whether a lane of the race ended because its loss stayed where it began: at ln 10 = 2.3026, a guess among ten digits.

## Why it matters
A race in which nothing is learned timed nothing.
In 2014's stack this happened silently: gnumpy on NumPy 1.12 and later runs, is fast, and does not learn.

## How to fix it
Run the other lanes: if only one fails, its arithmetic is wrong on this machine.
Update numba and numba-cuda to versions that work together, and check the GPU.
If no lane learns and the race is not the one of 2014, its learning rate does not suit: race with other minibatches.

```sh
cudadoctor check
```

## Limits
A learning rate that is far too high looks the same; the race's own rate is known to learn with minibatches of 64.
Epochs of fewer than 40 minibatches are not judged.

## Sources
Twelve seeds of the reference network on MNIST: loss 0.287 after the first epoch, standard deviation 0.006.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.race import Race
from cudadoctor.findings import Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule

NOTHING_LEARNED = "nothing was learned"
"""How the reason of such a lane begins."""

_OF_2014 = ((784, 300, 10), 64, "relu")


@rule(
    id="training-learned-nothing",
    title="The training learned nothing",
    severity=Severity.ERROR,
    explains=("race-lanes-disagree",),
)
def training_learned_nothing(race: Race) -> Iterator[Finding]:
    """Fire where a lane failed because it did not learn."""
    lanes = tuple(lane for lane in race.lanes if lane.state == "failed" and lane.reason.startswith(NOTHING_LEARNED))
    if not lanes:
        return
    names = ", ".join(lane.name for lane in lanes)
    learned = tuple(lane.name for lane in race.lanes if lane.state == "finished")
    losses = tuple(
        Evidence(f"loss of {lane.name} in epoch {lane.epochs[-1].epoch}", lane.epochs[-1].loss, lane.device_name)
        for lane in lanes
        if lane.epochs
    )
    others = f" {', '.join(learned)} learned on the same data." if learned else ""
    if not learned and (race.layers, race.batch_size, race.hidden) != _OF_2014:
        yield _does_not_suit(race, names, losses)
        return
    yield finding(
        training_learned_nothing,
        summary=f"{names} ran and learned nothing: such times say nothing.{others}",
        cause="The arithmetic of the lane is wrong on this machine"
        + (", since others learned." if learned else ", or the data is."),
        confidence="proven",
        evidence=(*(Evidence(lane.name, lane.reason, lane.device) for lane in lanes), *losses),
        fix=Fix(
            "See whether the GPU computes rightly and whether the packages fit together, then race again.",
            ("cudadoctor check",),
        ),
    )


def _does_not_suit(race: Race, names: str, losses: tuple[Evidence, ...]) -> Finding:
    network = f"{'-'.join(map(str, race.layers))} with minibatches of {race.batch_size}"
    return finding(
        training_learned_nothing,
        severity=Severity.WARNING,
        summary=f"{names} ran and learned nothing: such times say nothing. No lane learned.",
        cause=f"The learning rate of the race is made for 784-300-10 with minibatches of 64, and this was {network}.",
        confidence="possible",
        evidence=losses,
        fix=Fix("Race the network of 2014, or with larger minibatches.", ("cudadoctor dbn-race",)),
    )
