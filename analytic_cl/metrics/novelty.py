"""Measures of probabilities, and of telling rows of known classes from rows of none."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score, roc_curve

from analytic_cl.metrics.inputs import check_kinds, labelled_probabilities, labels, mask, numbers


def brier_score(y_true: ArrayLike, proba: ArrayLike, classes: ArrayLike) -> float:
    """Mean squared distance of probabilities from the truth, summed over the classes: 0 (best) to 2.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Labels. A row of a class that the model doesn't know has the truth 0 in every column.
    proba : array-like of shape (n_rows, n_classes)
        From ``predict_proba``.
    classes : array-like of shape (n_classes,)
        The class of each column, ``classes_``.

    Returns
    -------
    float

    Notes
    -----
    Cost: O(n_rows n_classes).

    Exactness: algebraic, 1e-15.

    Examples
    --------
    >>> from analytic_cl.metrics import brier_score
    >>> brier_score([0, 1], [[1.0, 0.0], [0.5, 0.5]], classes=[0, 1])
    0.25
    """
    y, p, names = labelled_probabilities(y_true, proba, classes)
    check_kinds("y_true", y, "classes", names)
    return float(((p - (y[:, None] == names)) ** 2).sum(axis=1).mean())


def auroc(known: ArrayLike, scores: ArrayLike) -> float:
    """Chance that a row of a known class has a higher score than a row of none; ties count half.

    Parameters
    ----------
    known : array-like of bool, shape (n_rows,)
        Whether a row is of a known class.
    scores : array-like of shape (n_rows,)
        Higher for what is known, as ``score_samples``.

    Returns
    -------
    float

    Notes
    -----
    Cost: O(n_rows log n_rows).

    Exactness: algebraic; scikit-learn's ``roc_auc_score``.

    Examples
    --------
    >>> from analytic_cl.metrics import auroc
    >>> auroc([True, True, False], [3.0, 1.0, 2.0])
    0.5
    """
    return float(roc_auc_score(*_both_kinds(known, scores)))


def false_positive_rate(known: ArrayLike, scores: ArrayLike, true_positive_rate: float = 0.95) -> float:
    """Share of rows of no known class that are accepted where a threshold accepts 95 % of those of known ones (FPR95).

    Parameters
    ----------
    known, scores
        As in `auroc`.
    true_positive_rate : float in (0, 1], default=0.95
        Share of rows of known classes that are accepted at least.

    Returns
    -------
    float

    Notes
    -----
    Cost: O(n_rows log n_rows).

    Exactness: algebraic; the first threshold of scikit-learn's ``roc_curve`` that reaches the share.

    Examples
    --------
    >>> from analytic_cl.metrics import false_positive_rate
    >>> false_positive_rate([True, True, False, False], [3.0, 1.0, 2.0, 0.0])
    0.5
    """
    if isinstance(true_positive_rate, bool) or not 0 < true_positive_rate <= 1:
        raise ValueError(f"true_positive_rate must be above 0 and at most 1, got {true_positive_rate!r}")
    false, true, _ = roc_curve(*_both_kinds(known, scores), drop_intermediate=False)
    return float(false[np.searchsorted(true, true_positive_rate - 1e-12)])


def h_score(y_true: ArrayLike, y_pred: ArrayLike, known: ArrayLike) -> float:
    """Harmonic mean of the accuracy on rows of known classes and the share of other rows that are rejected.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Labels; what is rejected is predicted as -1 or "", as ``predict(reject=)`` does.
    known : array-like of bool, shape (n_rows,)
        Whether a row is of a known class. Other rows are right where they are rejected, whatever `y_true` calls them.

    Returns
    -------
    float

    Notes
    -----
    Cost: O(n_rows).

    Exactness: algebraic, 1e-16.

    References
    ----------
    Fu et al., Learning to detect open classes for universal domain adaptation, ECCV 2020. There: the mean over classes
    for known rows; here over rows.

    Examples
    --------
    >>> from analytic_cl.metrics import h_score
    >>> round(h_score([0, 1, 7], [0, 0, -1], known=[True, True, False]), 4)
    0.6667
    """
    y_true, y_pred = labels(y_true, y_pred)
    inside = mask("known", known, len(y_true))
    _check_both(inside)
    rejected = y_pred == ("" if y_pred.dtype.kind in "UO" else -1)
    right, found = float((y_pred == y_true)[inside].mean()), float(rejected[~inside].mean())
    return 2 * right * found / (right + found) if right + found else 0.0


def _both_kinds(known: ArrayLike, scores: ArrayLike) -> tuple[object, object]:
    values = numbers("scores", scores, (None,))
    inside = mask("known", known, len(values))
    _check_both(inside)
    return inside, values


def _check_both(known: np.typing.NDArray[np.bool_]) -> None:
    if known.all() or not known.any():
        raise ValueError(f"known must hold rows of both kinds, but all {len(known)} are {bool(known[0])}")
