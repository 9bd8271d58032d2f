"""Measures of probabilities and of novelty, against numbers worked out by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from analytic_cl.metrics import auroc, brier_score, false_positive_rate, h_score


def test_the_brier_score_of_two_classes_is_twice_scikit_learns():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 50), rng.random(50)

    assert brier_score(y, np.stack([1 - p, p], axis=1), [0, 1]) == pytest.approx(2 * brier_score_loss(y, p))
    assert brier_score(["c"], [[0.5, 0.5]], ["a", "b"]) == pytest.approx(0.5)  # a class that the model doesn't know


def test_auroc_counts_pairs_and_ties_by_half():
    known, scores = np.array([True, True, True, False, False]), [3.0, 1.0, 0.5, 1.0, 0.0]
    # 3 beats both, 1 ties with 1 and beats 0, .5 beats 0: 2 + 1.5 + 1 of 6
    assert auroc(known, scores) == pytest.approx(4.5 / 6)


def test_the_false_positive_rate_is_taken_where_the_threshold_first_accepts_enough():
    known = np.array([True] * 20 + [False] * 10)
    scores = np.r_[np.arange(1, 21), np.arange(10) + 0.5]  # 19 of 20 are 2 or more
    assert false_positive_rate(known, scores) == pytest.approx(8 / 10)
    assert false_positive_rate(known, scores, true_positive_rate=0.5) == 0
    assert false_positive_rate(known, scores, true_positive_rate=1.0) == pytest.approx(9 / 10)


def test_the_h_score_is_a_harmonic_mean():
    known = np.array([True, True, True, True, False, False])
    assert h_score([0, 1, 1, 0, 5, 5], [0, 1, 0, -1, -1, 0], known) == pytest.approx(2 * 0.5 * 0.5 / 1)
    assert h_score(list("aabz"), ["a", "", "b", ""], [True, True, True, False]) == pytest.approx(2 * (2 / 3) / (5 / 3))
    assert h_score([0, 7], [1, 1], [True, False]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: auroc([True, True], [1.0, 2.0]), "rows of both kinds"),
        (lambda: auroc([1, 0], [1.0, 2.0]), "known must be booleans"),
        (lambda: auroc([True, False], [1.0, np.nan]), "finite"),
        (lambda: false_positive_rate([True, False], [1.0, 2.0], 0), "true_positive_rate"),
        (lambda: brier_score([0], [[0.5, 0.6]], [0, 1]), "must be probabilities"),
        (lambda: h_score([0, 1], [0, 1], [True, True]), "rows of both kinds"),
    ],
)
def test_bad_inputs_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
