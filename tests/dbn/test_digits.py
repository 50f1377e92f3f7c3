from __future__ import annotations

import hashlib

import numpy as np
import pytest

from cudadoctor.dbn.digits import Digits, generate, procedural
from cudadoctor.dbn.strokes import PEN_POINTS, TEMPLATES, pen_paths


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    return generate(3000)


def test_labels_of_the_default_set_never_change() -> None:
    """Only labels: another processor may round a pixel to the next level."""
    labels = procedural(300, 100).training_labels
    assert hashlib.sha256(labels.tobytes()).hexdigest()[:16] == "a4d84262c129a753"


def test_equal_seeds_draw_equal_digits_and_other_seeds_other_ones() -> None:
    pixels, labels = generate(50, seed=3)
    again, labels_again = generate(50, seed=3)
    others, _ = generate(50, seed=4)
    assert (pixels == again).all()
    assert (labels == labels_again).all()
    assert (pixels != others).any(axis=1).all()


def test_pixels_are_as_dark_as_those_of_mnist(sample: tuple[np.ndarray, np.ndarray]) -> None:
    """MNIST: 19.1 % of pixels are not 0, mean 0.131, standard deviation 0.308."""
    shades = sample[0] / 255
    assert abs((shades > 0).mean() - 0.19) < 0.01
    assert abs(shades.mean() - 0.135) < 0.01
    assert abs(shades.std() - 0.31) < 0.01


def test_the_ink_is_20_pixels_at_its_longest_with_its_mass_in_the_middle(
    sample: tuple[np.ndarray, np.ndarray],
) -> None:
    images = sample[0].reshape(-1, 28, 28).astype(float)
    inked = images > 127
    rows, columns = inked.any(axis=2).sum(axis=1), inked.any(axis=1).sum(axis=1)
    longest = np.maximum(rows, columns)
    assert np.quantile(longest, [0.01, 0.99]).tolist() == pytest.approx([20, 20], abs=1)
    mass = images.sum(axis=(1, 2))
    middle = (images.sum(axis=2) * np.arange(28)).sum(axis=1) / mass
    assert np.quantile(middle, [0.05, 0.95]).tolist() == pytest.approx([13.5, 13.5], abs=1)


def test_all_digits_are_there_about_equally_often(sample: tuple[np.ndarray, np.ndarray]) -> None:
    assert np.bincount(sample[1], minlength=10).min() > 240


def test_no_two_digits_are_drawn_alike(sample: tuple[np.ndarray, np.ndarray]) -> None:
    assert len(np.unique(sample[0], axis=0)) == len(sample[0])


def test_every_digit_has_three_or_four_templates_within_the_unit_box() -> None:
    assert sorted(TEMPLATES) == list(range(10))
    assert {len(templates) for templates in TEMPLATES.values()} == {3, 4}
    points, down, digits = pen_paths()
    assert points.shape == (len(digits), PEN_POINTS, 2)
    assert down.shape == (len(digits), PEN_POINTS - 1)
    assert points.min() > -0.05
    assert points.max() < 1.05


def test_the_pen_is_lifted_between_strokes_and_only_there() -> None:
    strokes = [len(template) for templates in TEMPLATES.values() for template in templates]
    lifted = (~pen_paths()[1]).sum(axis=1)
    assert lifted.tolist() == [count - 1 for count in strokes]


def test_the_split_keeps_each_label_with_its_image() -> None:
    digits = procedural(30, 10)
    pixels, labels = generate(40)
    assert isinstance(digits, Digits)
    assert (np.concatenate([digits.training_pixels, digits.test_pixels]) == pixels).all()
    assert (np.concatenate([digits.training_labels, digits.test_labels]) == labels).all()
