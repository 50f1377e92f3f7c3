"""The rungs of a race: which was measured, what taking one cause away really saved, and who is to be judged."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from cudadoctor.attribution.statistics import Interval, has_effect, paired_difference
from cudadoctor.attribution.what_if import half_width
from cudadoctor.facts.explanation import Explanation, Prediction, Rung
from cudadoctor.facts.race import Race

JUDGED = ("R1", "R4", "R0")
"""Whose calls are judged: the way that most people would write it, or else what the race always runs, or the worst."""

_OPEN = 2.0
"""A median whose interval is wider than this factor leaves open how fast the CPU is."""

STEPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "implicit-host-copies": ("R0", ("R1",)),
    "pageable-transfer": ("R1", ("R2",)),
    "small-transfers": ("R2", ("R3",)),
    "sync-every-step": ("R3", ("R4",)),
    "readback-every-step": ("R3", ("R4",)),
    "launch-bound-small-work": ("R4", ("R6", "R5")),
}
"""From which rung to which a cause is taken away; of several, the first that was measured."""


class Effect(msgspec.Struct, frozen=True):
    """What going from one rung to another saved, in µs a minibatch; `error_us` is half its interval."""

    from_rung: Rung
    to_rung: Rung
    saving_us: float
    error_us: float
    seen: bool


def measured(rungs: Sequence[Rung], id: str) -> Rung | None:
    """Return a rung that was measured, None where it was skipped or failed."""
    return next((r for r in rungs if r.id == id and r.state == "measured" and (r.median_us or 0) > 0), None)


def gpu_rungs(explanation: Explanation) -> tuple[Rung, ...]:
    """Return the measured rungs on the GPU that train on the same minibatches."""
    return tuple(
        rung
        for rung in explanation.rungs
        if rung.device.startswith("gpu") and not rung.changes_training and measured((rung,), rung.id) is not None
    )


def judged_rungs(explanation: Explanation) -> tuple[Rung, ...]:
    """Return the rungs whose calls may be judged, the first choice first."""
    rungs = gpu_rungs(explanation)
    return tuple(rung for id in JUDGED if (rung := measured(rungs, id)) is not None)


def best_rung(explanation: Explanation) -> Rung | None:
    """Return the fastest rung on the GPU."""
    return min(gpu_rungs(explanation), key=lambda rung: rung.median_us or 0.0, default=None)


def cpu_us(race: Race) -> float | None:
    """Return what a minibatch takes on the CPU at its best: measured between the rungs, or else in the race itself.

    Where the rounds between the rungs leave more than a factor of two open, the epochs of the race count as well, and
    the least of all: others only add time, and what they added must not make the GPU the winner.
    """
    rungs = race.explanation.rungs if race.explanation is not None else ()
    on_cpu = [
        rung
        for rung in rungs
        if rung.device == "cpu" and rung.state == "measured" and rung.median_us and not rung.changes_training
    ]
    found = [rung.median_us for rung in on_cpu if rung.median_us is not None]
    best = min(on_cpu, key=lambda rung: rung.median_us or 0.0, default=None)
    if (best is None or (best.high_us or 0.0) > _OPEN * (best.low_us or 0.0)) and race.minibatches_per_epoch > 0:
        found += [
            median(epoch.seconds for epoch in lane.epochs) / race.minibatches_per_epoch * 1e6
            for lane in race.lanes
            if lane.device == "cpu" and lane.state == "finished" and lane.epochs
        ]
    return min((us for us in found if us > 0), default=None)


def effect(rungs: Sequence[Rung], cause: str) -> Effect | None:
    """Return what taking a cause away was measured to save; None where one of its two rungs was not measured.

    Where both have a sample of each round, the rounds are compared pairwise; else the medians and their intervals.
    """
    if cause not in STEPS:
        return None
    before_id, after_ids = STEPS[cause]
    before = measured(rungs, before_id)
    after = next((rung for id in after_ids if (rung := measured(rungs, id)) is not None), None)
    if before is None or after is None or before.median_us is None or after.median_us is None:
        return None
    if len(before.samples_us) == len(after.samples_us) > 1:
        difference = paired_difference(before.samples_us, after.samples_us)
        saving = median(a - b for a, b in zip(before.samples_us, after.samples_us, strict=True))
        return Effect(before, after, saving, (difference.high - difference.low) / 2, has_effect(difference))
    off = half_width(before) + half_width(after)
    saving = before.median_us - after.median_us
    return Effect(before, after, saving, off, has_effect(Interval(saving - off, saving + off, 0.0)))


def agrees(predictions: Sequence[Prediction], rungs: Sequence[Rung], cause: str) -> bool:
    """Say whether a rung that does without a cause measured what was predicted of it, within the errors of both.

    A prediction that is so uncertain that it would agree with anything does not count: what it says is saved must be
    more than twice its error.
    """
    for each in predictions:
        before, after = measured(rungs, each.from_rung), measured(rungs, each.to_rung)
        if each.bound or each.to_rung not in STEPS[cause][1] or before is None or after is None:
            continue
        saved = (before.median_us or 0.0) - each.predicted_us
        off = abs(each.predicted_us - (after.median_us or 0.0))
        if saved > 2 * each.error_us and off <= each.error_us + half_width(after):
            return True
    return False
