"""# CPU and GPU did not learn the same

## What it checks
Whether the lanes on CPU and GPU, which train the same network on the same minibatches, end with the same loss and
error within what chance allows.

## Why it matters
A lane that learns something else does other work, so its time cannot be compared; and one of the two computes
wrongly.

## How to fix it
Race again with another seed.
If the same lane is off again, its arithmetic is to blame: check the GPU, and report it.

```sh
cudadoctor dbn-race --epochs 3 --seed 1
cudadoctor check
```

## Limits
Training at this rate is chaotic: the order of a sum alone changes an epoch.
The bands are four standard deviations of the difference of two runs of the reference network, so they hold for its
layers and rectified units, its minibatch of 64 and its 732 minibatches an epoch; other races, and those of pretrained
networks, are not judged.
The error is a running average over the epoch, not a test result.

## Sources
Standard deviations of the reference network in float32, over 12 seeds on MNIST and 40 seeds on the procedural digits:
of the error 0.17 and 0.22 % in epoch 1, 0.065 and 0.042 % in epoch 10; of the loss 0.0061 and 0.0081 in epoch 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from cudadoctor.facts.race import Epoch, Lane, Race
from cudadoctor.findings import Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.tables.curves import MNIST, NETWORK, PROCEDURAL

_LIMIT_SD = 4.0 * math.sqrt(2.0)
"""Four standard deviations of the difference of two runs, each of which varies."""

# Epochs 1 to 10: the wider of the two spreads that were measured.
_ERR_SD = tuple(max(pair[0].err_sd, pair[1].err_sd) for pair in zip(MNIST, PROCEDURAL, strict=True))
_LOSS_SD = tuple(max(pair[0].loss_sd, pair[1].loss_sd) for pair in zip(MNIST, PROCEDURAL, strict=True))


@rule(id="race-lanes-disagree", title="CPU and GPU did not learn the same", severity=Severity.ERROR)
def race_lanes_disagree(race: Race) -> Iterator[Finding]:
    """Fire where a GPU lane's last epoch is outside the bands around a CPU lane's."""
    finished = tuple(lane for lane in race.lanes if lane.state == "finished" and lane.epochs)
    cpu = next((lane for lane in finished if lane.device == "cpu"), None)
    gpus = tuple(lane for lane in finished if lane.device.startswith("gpu"))
    if cpu is None or not gpus:
        return
    sizes = (race.layers, race.batch_size, race.minibatches_per_epoch)
    if sizes != NETWORK or race.hidden != "relu" or any(lane.pretraining for lane in (cpu, *gpus)):
        raise CannotJudgeError(
            "how far lanes may differ is known only for 784-300-10 rectified units that were not pretrained, and 732 "
            "minibatches of 64 an epoch"
        )
    for lane in gpus:
        if any("changes the training" in note for note in lane.notes):
            continue
        pair = _last_common(cpu, lane)
        if pair is not None and (difference := _beyond(*pair)) is not None:
            yield _disagreement(cpu, lane, pair, difference)
            return


def _last_common(cpu: Lane, gpu: Lane) -> tuple[Epoch, Epoch] | None:
    """Return the last epoch that both lanes trained."""
    theirs = {epoch.epoch: epoch for epoch in cpu.epochs}
    common = [epoch for epoch in gpu.epochs if epoch.epoch in theirs]
    return (theirs[common[-1].epoch], common[-1]) if common else None


def _beyond(cpu: Epoch, gpu: Epoch) -> tuple[str, float | None, float | None, float] | None:
    """Return what differs by more than the band: name, CPU's, GPU's, and the band; a value that is not finite does."""
    place = min(max(cpu.epoch, 1), len(_ERR_SD)) - 1
    for name, ours, theirs, sd in (
        ("error", cpu.err, gpu.err, _ERR_SD[place]),
        ("loss", cpu.loss, gpu.loss, _LOSS_SD[place]),
    ):
        band = _LIMIT_SD * sd
        if (ours is None) != (theirs is None):
            return name, ours, theirs, band
        if ours is not None and theirs is not None and abs(ours - theirs) > band:
            return name, ours, theirs, band
    return None


def _disagreement(
    cpu: Lane, gpu: Lane, pair: tuple[Epoch, Epoch], difference: tuple[str, float | None, float | None, float]
) -> Finding:
    name, ours, theirs, band = difference
    epoch = pair[0].epoch

    def shown(value: float | None) -> str:
        if value is None:
            return "not finite"
        return f"{100 * value:.3f} %" if name == "error" else f"{value:.4f}"

    return finding(
        race_lanes_disagree,
        summary=f"After epoch {epoch} the {name} of {gpu.name} is {shown(theirs)} and that of {cpu.name} "
        f"{shown(ours)}: further apart than the {shown(band)} that chance explains.",
        cause="Both trained the same network on the same minibatches, so one of them computes something else.",
        confidence="supported",
        evidence=(
            *(
                Evidence(f"{what} of {lane.name} in epoch {epoch}", value, lane.device_name)
                for lane, row in zip((cpu, gpu), pair, strict=True)
                for what, value in (("loss", row.loss), ("error", row.err))
            ),
            Evidence(
                f"band of the {name} in epoch {epoch}",
                band,
                "four standard deviations of a difference, over 12 and 40 seeds",
            ),
        ),
        fix=Fix(
            "Race again with another seed. If the same lane is off again, check the GPU, and report it.",
            ("cudadoctor dbn-race --epochs 3 --seed 1", "cudadoctor check"),
        ),
    )
