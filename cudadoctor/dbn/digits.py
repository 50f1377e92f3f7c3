"""Procedural digits: a training set in MNIST's form that needs no download and no licence.

A label is drawn, then one of its stroke templates; the path is warped, slanted, rotated and stretched, normalised as
MNIST was, and drawn with a soft round pen. The amounts were chosen so that the reference network learns at MNIST's
pace; `tables/curves.py` holds what was measured. The digits are procedural, and a report of a race must say so.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.pen import SIDE, TERMS, draw
from cudadoctor.dbn.strokes import pen_paths
from cudadoctor.dbn.threads import usable_cores

TRAINING_SAMPLES, TEST_SAMPLES = 46_900, 23_100
"""The split of MNIST's 70,000 digits that nolearn's example made (a third for the test)."""

DATA_SEED = 0
"""The digits are one fixed data set; the seed of a race draws weights and minibatches."""

_SLANT_SD = 0.40
_ROTATION_SD = np.deg2rad(16.0)
_ASPECT_LOG_SD = 0.30
_WARP = 0.044
_WARP_LOG_SD = 0.45
_PEN_WIDTH_PX = 2.5
_PEN_LOG_SD = 0.25
_PEN_LIMITS_PX = (1.0, 5.5)

_CHUNK = 2_000


class Digits(NamedTuple):
    """A training set and a test set: pixels (n, 784) and labels (n,), uint8."""

    training_pixels: NDArray[np.uint8]
    training_labels: NDArray[np.uint8]
    test_pixels: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def procedural(
    training: int = TRAINING_SAMPLES,
    test: int = TEST_SAMPLES,
    *,
    seed: int = DATA_SEED,
    tick: Callable[[], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Digits:
    """Return the procedural digits, split; the images are independent, so the first of them are the training set."""
    pixels, labels = generate(training + test, seed=seed, tick=tick, meanwhile=meanwhile)
    return Digits(pixels[:training], labels[:training], pixels[training:], labels[training:])


def generate(
    samples: int,
    *,
    seed: int = DATA_SEED,
    tick: Callable[[], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw digits, on all cores.

    Labels depend on the seed alone. Pixels may differ by a level between processors, so compare labels.

    Args:
        samples: Number of images.
        seed: Of the generator.
        tick: Called now and then, to show that work goes on.
        meanwhile: Called once, while other threads draw.

    Returns:
        Pixels (samples, 784) of 0 to 255, and labels (samples,), uint8.
    """
    generator = np.random.default_rng(seed)
    points, down, digits = pen_paths()
    labels = generator.integers(0, 10, samples, dtype=np.uint8)
    per_digit = np.bincount(digits)
    first = np.cumsum(per_digit) - per_digit
    which = first[labels] + (generator.random(samples) * per_digit[labels]).astype(np.intp)
    pixels = np.empty((samples, SIDE * SIDE), np.uint8)
    with ThreadPoolExecutor(usable_cores(), "cudadoctor-digits") as pool:
        drawn: list[Future[None]] = []
        for start in range(0, samples, _CHUNK):
            part = slice(start, min(start + _CHUNK, samples))
            count = part.stop - part.start
            warps, shapes, widths = _warps(generator, count), _shapes(generator, count), _widths(generator, count)
            arguments = points, down, which[part], warps, shapes, widths, pixels[part]
            if start == 0:
                draw(*(each[:1] if number > 1 else each for number, each in enumerate(arguments)))  # compiles, or loads
            drawn.append(pool.submit(draw, *arguments))
        if meanwhile is not None:
            meanwhile()
        for chunk in drawn:
            chunk.result()
            if tick is not None:
                tick()
    return pixels, labels


def _warps(generator: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Sine terms of each path: the amplitude of the hand is log-normal, and term k has 1/k of it."""
    strength = _WARP * np.exp(_WARP_LOG_SD * generator.standard_normal((count, 1, 1)))
    amplitude = strength * generator.standard_normal((count, 2, TERMS)) / np.arange(1, TERMS + 1)
    phase = generator.uniform(0.0, 2 * np.pi, (count, 2, TERMS))
    return np.stack([amplitude, phase], axis=-1).astype(np.float32)


def _shapes(generator: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Linear maps: stretch, then slant, then rotate."""
    slant = _SLANT_SD * generator.standard_normal(count)
    angle = _ROTATION_SD * generator.standard_normal(count)
    aspect = np.exp(_ASPECT_LOG_SD * generator.standard_normal(count))
    cos, sin = np.cos(angle), np.sin(angle)
    # Rotation @ [[1, -slant], [0, 1]] @ diag(aspect, 1); y points down, so a slant to the right is negative in y.
    return np.stack(
        [
            np.stack([cos * aspect, -cos * slant - sin], axis=-1),
            np.stack([sin * aspect, -sin * slant + cos], axis=-1),
        ],
        axis=1,
    ).astype(np.float32)


def _widths(generator: np.random.Generator, count: int) -> NDArray[np.float32]:
    widths = _PEN_WIDTH_PX * np.exp(_PEN_LOG_SD * generator.standard_normal(count))
    return np.clip(widths, *_PEN_LIMITS_PX).astype(np.float32)
