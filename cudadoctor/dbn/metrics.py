"""Scores of a trained network on the test set: precision, recall and f1 of each class, and accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cudadoctor.facts.race import DigitScore

if TYPE_CHECKING:
    from numpy.typing import NDArray


def accuracy(labels: NDArray[Any], answers: NDArray[Any]) -> float | None:
    """Return the fraction of right answers, or None without any labels."""
    return float((labels == answers).mean()) if len(labels) else None


def scores(labels: NDArray[Any], answers: NDArray[Any], classes: int) -> tuple[DigitScore, ...]:
    """Return the scores of each class.

    Args:
        labels: True classes (n,).
        answers: Predicted classes (n,).
        classes: Number of classes.

    Returns:
        Precision is right answers over answers of the class, recall is right answers over its `support`, f1 is their
        harmonic mean; None where that would divide by 0.
    """
    import numpy as np

    right = np.bincount(labels[labels == answers], minlength=classes).tolist()
    support = np.bincount(labels, minlength=classes).tolist()
    answered = np.bincount(answers, minlength=classes).tolist()
    return tuple(
        DigitScore(
            digit=digit,
            precision=_ratio(right[digit], answered[digit]),
            recall=_ratio(right[digit], support[digit]),
            f1=_ratio(2 * right[digit], answered[digit] + support[digit]),
            support=support[digit],
        )
        for digit in range(classes)
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
