"""A training race: the same network on several lanes (CPU, GPU), epoch by epoch."""

from __future__ import annotations

from typing import Literal

import msgspec

from cudadoctor.facts.base import Section
from cudadoctor.facts.explanation import Explanation


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch as nolearn printed it: running training averages over the epoch, and wall seconds.

    `loss` is cross-entropy per case in nats, `err` the fraction of training cases that were misclassified, both at
    the Nesterov look-ahead weights. None stands for a value that is not finite.
    """

    epoch: int
    loss: float | None
    err: float | None
    seconds: float


class DigitScore(msgspec.Struct, frozen=True, kw_only=True):
    """Precision, recall and f1 of one class on the test set; None where a ratio has no denominator."""

    digit: int
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


class PretrainedEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch of pretraining a layer of weights, counted from 1: its reconstruction error ||v - v'||^2 per case."""

    layer: int
    epoch: int
    error: float
    seconds: float


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One contender. `device` is `cpu` or `gpu:N`; compile time is apart and never inside an epoch.

    `pretraining` has the epochs before those of `epochs`, if it was asked for.
    """

    name: str
    device: str
    device_name: str
    state: Literal["finished", "failed", "interrupted"]
    epochs: tuple[Epoch, ...]
    pretraining: tuple[PretrainedEpoch, ...] = ()
    compile_seconds: float | None = None
    test_accuracy: float | None = None
    digits: tuple[DigitScore, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()


class SkippedLane(msgspec.Struct, frozen=True, kw_only=True):
    """A contender that did not start, and why."""

    name: str
    device: str
    reason: str


class PredictedCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a minibatch of this race would take on a card that is not here, from its data sheet; nothing was measured.

    `style` is `copied` for the lane that most people write, and the best that this card can run: `persistent`, one
    kernel an epoch, or `graph`. `low_us` and `high_us` are the ends of the range, in microseconds as `us` is.
    `reproduced` marks the card that the model's constants were measured on: its figures are no prediction.
    """

    card: str
    style: Literal["copied", "graph", "persistent"]
    us: float
    low_us: float
    high_us: float
    source: str
    reproduced: bool = False


class Race(Section, frozen=True, kw_only=True):
    """One race. `data` is `procedural` for the generated digits, or `mnist`; `hidden` the kind of hidden units.

    `explanation` is there if it was asked for, `predicted` where there was no GPU that could race; `not_predicted` then
    says why nothing is.
    """

    data: str
    layers: tuple[int, ...]
    batch_size: int
    minibatches_per_epoch: int
    epochs: int
    seed: int
    training_samples: int
    test_samples: int
    data_seconds: float
    lanes: tuple[Lane, ...]
    hidden: str = "relu"
    skipped: tuple[SkippedLane, ...] = ()
    explanation: Explanation | None = None
    predicted: tuple[PredictedCard, ...] = ()
    not_predicted: str = ""
