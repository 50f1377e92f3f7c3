"""Say whether a race's curve is the one that the reference network has on the procedural digits, or on MNIST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cudadoctor.facts.race import Epoch, Race
from cudadoctor.tables.curves import (
    MNIST,
    MNIST_TEST_ACCURACY,
    MNIST_TEST_ACCURACY_SD,
    NETWORK,
    PROCEDURAL,
    PROCEDURAL_TEST_ACCURACY,
    PROCEDURAL_TEST_ACCURACY_SD,
    Band,
)

TOLERANCE_SD = 4.0
"""Half width of a band. The spreads come from 40 seeds, so they are themselves uncertain by a ninth; MNIST's from 12,
by a fifth."""


class Curve(NamedTuple):
    """What is expected of ten epochs on some data."""

    epochs: tuple[Band, ...]
    test_accuracy: float
    test_accuracy_sd: float


CURVES = {
    "procedural": Curve(PROCEDURAL, PROCEDURAL_TEST_ACCURACY, PROCEDURAL_TEST_ACCURACY_SD),
    "mnist": Curve(MNIST, MNIST_TEST_ACCURACY, MNIST_TEST_ACCURACY_SD),
}


class Outlier(NamedTuple):
    """A value outside its band; `value` is None where it was not finite."""

    name: str
    value: float | None
    low: float
    high: float


def apply_to(race: Race) -> bool:
    """Say whether the bands were measured for a race like this one: the network, the data and the numbers of them."""
    network = (race.layers, race.batch_size, race.minibatches_per_epoch)
    return network == NETWORK and race.data in CURVES and race.training_samples == 46_900


def outliers(
    epochs: Sequence[Epoch], test_accuracy: float | None = None, data: str = "procedural"
) -> tuple[Outlier, ...]:
    """Return what lies more than `TOLERANCE_SD` from its mean; nothing if the curve is the expected one.

    Args:
        epochs: A lane's epochs; those beyond the tenth are not judged.
        test_accuracy: Judged only after exactly ten epochs.
        data: A key of `CURVES`.
    """
    found = []
    curve = CURVES[data]
    for epoch in epochs:
        if epoch.epoch <= len(curve.epochs):
            band = curve.epochs[epoch.epoch - 1]
            found.append(_judge(f"loss of epoch {epoch.epoch}", epoch.loss, band.loss, band.loss_sd))
            found.append(_judge(f"err of epoch {epoch.epoch}", epoch.err, band.err, band.err_sd))
    if test_accuracy is not None and len(epochs) == len(curve.epochs):
        found.append(_judge("test accuracy", test_accuracy, curve.test_accuracy, curve.test_accuracy_sd))
    return tuple(outlier for outlier in found if outlier is not None)


def _judge(name: str, value: float | None, mean: float, sd: float) -> Outlier | None:
    low, high = mean - TOLERANCE_SD * sd, mean + TOLERANCE_SD * sd
    return None if value is not None and low <= value <= high else Outlier(name, value, low, high)
