"""Say whether a race's curve is the one that the reference network has on the procedural digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cudadoctor.facts.race import Epoch, Race
from cudadoctor.tables.curves import NETWORK, PROCEDURAL, PROCEDURAL_TEST_ACCURACY, PROCEDURAL_TEST_ACCURACY_SD

TOLERANCE_SD = 4.0
"""Half width of a band. The spreads come from 40 seeds, so they are themselves uncertain by a ninth."""


class Outlier(NamedTuple):
    """A value outside its band; `value` is None where it was not finite."""

    name: str
    value: float | None
    low: float
    high: float


def apply_to(race: Race) -> bool:
    """Say whether the bands were measured for a race like this one: the network, the data and the numbers of them."""
    network = (race.layers, race.batch_size, race.minibatches_per_epoch)
    return network == NETWORK and race.data == "procedural" and race.training_samples == 46_900


def outliers(epochs: Sequence[Epoch], test_accuracy: float | None = None) -> tuple[Outlier, ...]:
    """Return what lies more than `TOLERANCE_SD` from its mean; nothing if the curve is the expected one.

    Args:
        epochs: A lane's epochs; those beyond the tenth are not judged.
        test_accuracy: Judged only after exactly ten epochs.
    """
    found = []
    for epoch in epochs:
        if epoch.epoch <= len(PROCEDURAL):
            band = PROCEDURAL[epoch.epoch - 1]
            found.append(_judge(f"loss of epoch {epoch.epoch}", epoch.loss, band.loss, band.loss_sd))
            found.append(_judge(f"err of epoch {epoch.epoch}", epoch.err, band.err, band.err_sd))
    if test_accuracy is not None and len(epochs) == len(PROCEDURAL):
        found.append(_judge("test accuracy", test_accuracy, PROCEDURAL_TEST_ACCURACY, PROCEDURAL_TEST_ACCURACY_SD))
    return tuple(outlier for outlier in found if outlier is not None)


def _judge(name: str, value: float | None, mean: float, sd: float) -> Outlier | None:
    low, high = mean - TOLERANCE_SD * sd, mean + TOLERANCE_SD * sd
    return None if value is not None and low <= value <= high else Outlier(name, value, low, high)
