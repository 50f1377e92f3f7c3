from __future__ import annotations

import numpy as np

from cudadoctor.dbn.metrics import accuracy, scores


def test_scores_of_a_small_case_by_hand() -> None:
    labels, answers = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    zero, one = scores(labels, answers, 2)
    assert (zero.precision, zero.recall, zero.f1, zero.support) == (2 / 3, 2 / 3, 2 / 3, 3)
    assert (one.precision, one.recall, one.f1, one.support) == (1 / 2, 1 / 2, 1 / 2, 2)
    assert accuracy(labels, answers) == 3 / 5


def test_precision_and_recall_are_not_mixed_up() -> None:
    _, one = scores(np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0]), 2)
    assert (one.precision, one.recall, one.f1) == (1.0, 1 / 3, 1 / 2)


def test_a_class_never_answered_has_no_precision_and_a_class_never_seen_no_recall() -> None:
    never_answered, never_seen, neither = (scores(np.array([0]), np.array([1]), 3)[i] for i in range(3))
    assert (never_answered.precision, never_answered.recall, never_answered.f1) == (None, 0.0, 0.0)
    assert (never_seen.precision, never_seen.recall, never_seen.f1) == (0.0, None, 0.0)
    assert (neither.precision, neither.recall, neither.f1, neither.support) == (None, None, None, 0)


def test_there_is_no_accuracy_without_samples() -> None:
    assert accuracy(np.zeros(0, int), np.zeros(0, int)) is None
