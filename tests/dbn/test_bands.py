from __future__ import annotations

import msgspec
import pytest

from cudadoctor.dbn.events import Options
from cudadoctor.facts.race import Epoch, Race
from cudadoctor.tables.curves import PROCEDURAL, PROCEDURAL_TEST_ACCURACY
from tests.dbn import bands

MEANS = tuple(
    Epoch(epoch=number, loss=band.loss, err=band.err, seconds=1.0) for number, band in enumerate(PROCEDURAL, start=1)
)
OPTIONS = Options()
RACE = Race(
    data="procedural",
    layers=OPTIONS.network.layers,
    batch_size=OPTIONS.network.batch_size,
    minibatches_per_epoch=OPTIONS.network.minibatches_per_epoch(OPTIONS.training_samples),
    epochs=10,
    seed=0,
    training_samples=OPTIONS.training_samples,
    test_samples=OPTIONS.test_samples,
    data_seconds=1.0,
    lanes=(),
)


def changed(number: int, **fields: object) -> tuple[Epoch, ...]:
    return tuple(msgspec.structs.replace(e, **fields) if e.epoch == number else e for e in MEANS)


def test_the_measured_means_lie_within_their_bands() -> None:
    assert bands.outliers(MEANS, PROCEDURAL_TEST_ACCURACY) == ()


@pytest.mark.parametrize(
    ("by_sd", "names"), [(3.9, []), (-3.9, []), (4.1, ["loss of epoch 5"]), (-4.1, ["loss of epoch 5"])]
)
def test_only_what_lies_beyond_four_sd_is_an_outlier(by_sd: float, names: list[str]) -> None:
    band = PROCEDURAL[4]
    found = bands.outliers(changed(5, loss=band.loss + by_sd * band.loss_sd))
    assert [outlier.name for outlier in found] == names


def test_a_loss_that_is_not_finite_is_an_outlier() -> None:
    assert [outlier.value for outlier in bands.outliers(changed(1, loss=None))] == [None]


def test_an_accuracy_far_below_the_band_is_an_outlier() -> None:
    assert [outlier.name for outlier in bands.outliers(MEANS, 0.9)] == ["test accuracy"]


def test_accuracy_is_not_judged_after_fewer_epochs() -> None:
    assert bands.outliers(MEANS[:3], 0.9) == ()


def test_the_default_race_is_one_that_the_bands_were_measured_for() -> None:
    assert bands.apply_to(RACE)


@pytest.mark.parametrize("field", [{"batch_size": 128}, {"layers": (784, 200, 10)}, {"training_samples": 1000}])
def test_bands_say_nothing_about_another_race(field: dict[str, object]) -> None:
    assert not bands.apply_to(msgspec.structs.replace(RACE, **field))
