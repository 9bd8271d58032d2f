"""Measures of predictions that look at classes: macro and tail accuracy, base and new, calibration."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analytic_cl.metrics.inputs import Floats, check_kinds, labelled_probabilities, labels, numbers, one_a_row


def class_accuracy(y_true: ArrayLike, y_pred: ArrayLike, classes: ArrayLike | None = None) -> Floats:
    """Share of each class's rows that are predicted right.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Labels.
    classes : array-like of shape (n_classes,), optional
        Which classes, in which order. Default: those of `y_true`, sorted.

    Returns
    -------
    ndarray of shape (n_classes,)
        NaN for classes without rows.

    Notes
    -----
    Cost: O(n_rows log n_rows).

    Exactness: algebraic, 1e-16.

    A downside: none of rows whose class is not asked for.

    Examples
    --------
    >>> from analytic_cl.metrics import class_accuracy
    >>> class_accuracy(["a", "a", "b"], ["a", "b", "b"], classes=["a", "b", "c"])
    array([0.5, 1. , nan])
    """
    y_true, y_pred = labels(y_true, y_pred)
    found, codes, counts = np.unique(y_true, return_inverse=True, return_counts=True)
    accuracies = np.bincount(codes, weights=y_pred == y_true) / counts
    if classes is None:
        return np.asarray(accuracies)
    asked = one_a_row("classes", classes)
    check_kinds("y_true", y_true, "classes", asked)
    places = np.minimum(np.searchsorted(found, asked), len(found) - 1)
    return np.where(found[places] == asked, accuracies[places], np.nan)


def macro_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean over the classes that have test rows of their accuracies.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Labels.

    Returns
    -------
    float

    Notes
    -----
    Cost: O(n_rows log n_rows).

    Exactness: algebraic, 1e-15; scikit-learn's ``balanced_accuracy_score`` without its warning where classes are
    predicted that have no test rows, as happens in every prefix of a stream.

    A downside: a class of one test row counts as much as one of a thousand.

    Examples
    --------
    >>> from analytic_cl.metrics import macro_accuracy
    >>> macro_accuracy([0, 0, 0, 1], [0, 0, 0, 2])
    0.5
    """
    return float(class_accuracy(y_true, y_pred).mean())


def tail_accuracy(y_true: ArrayLike, y_pred: ArrayLike, y_train: ArrayLike, fraction: float = 0.2) -> float:
    """Macro accuracy of the classes with the fewest training rows.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Test labels.
    y_train : array-like of shape (n_train,)
        Labels of the rows learned so far.
    fraction : float, default=0.2
        Share of the learned classes that make the tail. Classes as large as the largest of them belong to it too, so
        that nothing depends on the order of labels; with equally large classes all do.

    Returns
    -------
    float
        NaN where no class of the tail has test rows.

    Notes
    -----
    Cost: O(n log n).

    Exactness: algebraic, 1e-15.

    A downside: "tail" has no agreed definition; long-tailed benchmarks often take classes of at most 20 rows.

    Examples
    --------
    >>> from analytic_cl.metrics import tail_accuracy
    >>> tail_accuracy([0, 0, 1, 1], [0, 0, 0, 1], y_train=[0, 0, 0, 1], fraction=0.5)
    0.5
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1, got {fraction}")
    found, counts = np.unique(one_a_row("y_train", y_train), return_counts=True)
    largest = np.sort(counts)[math.ceil(fraction * len(counts)) - 1]
    accuracies = class_accuracy(y_true, y_pred, found[counts <= largest])
    known = accuracies[~np.isnan(accuracies)]
    return float(known.mean()) if known.size else float("nan")


class FewShotAccuracy(NamedTuple):
    """Accuracy on rows of base classes, on rows of new ones, and their harmonic mean."""

    base: float
    new: float
    harmonic_mean: float


def few_shot_accuracy(y_true: ArrayLike, y_pred: ArrayLike, base_classes: ArrayLike) -> FewShotAccuracy:
    """Accuracies of base and of new classes, and their harmonic mean, of few-shot class-incremental learning.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Labels; predictions are among all classes seen.
    base_classes : array-like
        Classes of the base session; all others are new.

    Returns
    -------
    FewShotAccuracy
        NaN for a group without rows (there are no new ones in the base session) and for the harmonic mean then; a
        harmonic mean of two zeros is 0.

    Notes
    -----
    Cost: O(n log n).

    Exactness: algebraic, 1e-16.

    A downside: the harmonic mean says nothing about how the many base rows and the few new ones trade off for a user.

    Examples
    --------
    >>> from analytic_cl.metrics import few_shot_accuracy
    >>> few_shot_accuracy([0, 0, 1, 1], [0, 0, 1, 0], base_classes=[0])
    FewShotAccuracy(base=1.0, new=0.5, harmonic_mean=0.6666666666666666)
    """
    y_true, y_pred = labels(y_true, y_pred)
    base = np.isin(y_true, one_a_row("base_classes", base_classes))
    right = y_pred == y_true
    old, new = (float(right[part].mean()) if part.any() else float("nan") for part in (base, ~base))
    return FewShotAccuracy(old, new, harmonic_mean(old, new))


def harmonic_mean(a: float, b: float) -> float:
    """Harmonic mean of two numbers that are not negative; 0 if one is 0."""
    return 0.0 if a == 0 or b == 0 else 2 * a * b / (a + b)


def class_forgetting(accuracies: ArrayLike) -> float:
    """How much each class has lost since its best moment, averaged over the classes that were ever predicted right.

    Parameters
    ----------
    accuracies : array-like of shape (n_evaluations, n_classes)
        Accuracy of each class; NaN or 0 before it is seen.

    Returns
    -------
    float
        Mean over classes whose best accuracy before the last evaluation is above 0 of that best minus the last one. NaN
        if there is none.

    Notes
    -----
    Cost: O(n_evaluations n_classes).

    Exactness: algebraic, 1e-15.

    A downside: classes that were never predicted right don't count at all.

    References
    ----------
    As in the public code of i-Blurry, Si-Blurry and GACL.

    Examples
    --------
    >>> from analytic_cl.metrics import class_forgetting
    >>> nan = float("nan")
    >>> class_forgetting([[1.0, nan, 0.0], [0.75, 0.5, 0.0], [0.5, 0.5, 0.25]])
    0.25
    """
    table = numbers("accuracies", accuracies, (None, None), gaps=True)
    best = np.where(np.isnan(table[:-1]), 0, table[:-1]).max(axis=0, initial=0)
    counted = best > 0
    if np.isnan(table[-1, counted]).any():
        raise ValueError("accuracies: the last row must know every class that was predicted right before")
    return float((best - table[-1])[counted].mean()) if counted.any() else float("nan")


def expected_calibration_error(y_true: ArrayLike, proba: ArrayLike, classes: ArrayLike, n_bins: int = 15) -> float:
    """How far the probability of the predicted class is from the share of right predictions (ECE).

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Labels. A row of a class that the model doesn't know counts as predicted wrong.
    proba : array-like of shape (n_rows, n_classes)
        From ``predict_proba``.
    classes : array-like of shape (n_classes,)
        The class of each column, ``classes_``.
    n_bins : int, default=15
        Bins of equal width, open below and closed above.

    Returns
    -------
    float
        Sum over bins of (share of rows) * |accuracy - mean confidence|, 0 to 1.

    Notes
    -----
    Cost: O(n_rows n_classes).

    Exactness: algebraic, 1e-15.

    A downside: it depends on the bins, and is biased upwards with few rows in each.

    References
    ----------
    C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017. No difference.

    Examples
    --------
    >>> from analytic_cl.metrics import expected_calibration_error
    >>> expected_calibration_error([0, 1], [[0.75, 0.25], [0.75, 0.25]], classes=[0, 1])
    0.25
    """
    y, p, names = labelled_probabilities(y_true, proba, classes)
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}")
    best = p.argmax(axis=1)
    confidence, (_, guess) = p[np.arange(len(y)), best], labels(y, names[best])
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    excess = np.bincount(bins, weights=(guess == y) - confidence, minlength=n_bins)
    return float(np.abs(excess).sum() / len(y))


def log_loss(y_true: ArrayLike, proba: ArrayLike, classes: ArrayLike) -> float:
    """Mean negative log-likelihood of the true classes, in nats.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Labels. A row of a class that the model doesn't know has probability 0.
    proba : array-like of shape (n_rows, n_classes)
        From ``predict_proba``.
    classes : array-like of shape (n_classes,)
        The class of each column, ``classes_``.

    Returns
    -------
    float
        Probabilities count as at least 2.2e-16, as in scikit-learn's ``log_loss``, which refuses unknown classes.

    Notes
    -----
    Cost: O(n_rows n_classes).

    Exactness: algebraic, 1e-15.

    Examples
    --------
    >>> from analytic_cl.metrics import log_loss
    >>> round(log_loss([0, 1], [[0.5, 0.5], [0.5, 0.5]], classes=[0, 1]), 4)
    0.6931
    """
    y, p, names = labelled_probabilities(y_true, proba, classes)
    check_kinds("y_true", y, "classes", names)
    own = ((y[:, None] == names) * p).sum(axis=1)
    return float(-np.log(np.maximum(own, np.finfo(np.float64).eps)).mean())
