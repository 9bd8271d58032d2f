"""Measures of unlearning, against the oracle: a model retrained without the forgotten rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from analytic_cl.metrics.classes import harmonic_mean
from analytic_cl.metrics.inputs import labels, mask, numbers, one_a_row, probabilities


class Distance(NamedTuple):
    """Largest absolute difference, Euclidean distance, and that over the oracle's norm."""

    largest: float
    euclidean: float
    relative: float


def distance(values: ArrayLike, oracle: ArrayLike) -> Distance:
    """How far weights, scores or a state are from the oracle's.

    Parameters
    ----------
    values, oracle : array-like of one shape
        Finite numbers.

    Returns
    -------
    Distance
        All three are 0 for unlearning that is exact bit for bit. `relative` is infinite for an oracle of zeros.

    Notes
    -----
    Cost: O(size).

    Exactness: zeros are exact; else algebraic, in float64: integers above 2^53 are rounded, compare digests instead.

    A downside: weights may differ where predictions don't, and the other way round; see `disagreement`.

    Examples
    --------
    >>> from analytic_cl.metrics import distance
    >>> distance([3.0, 4.0], [0.0, 4.0])
    Distance(largest=3.0, euclidean=3.0, relative=0.75)
    """
    theirs = numbers("oracle", oracle, (None,) * np.ndim(oracle))
    difference = numbers("values", values, theirs.shape) - theirs
    norm, size = float(np.linalg.norm(difference)), float(np.linalg.norm(theirs))
    relative = norm / size if size else (float("inf") if norm else 0.0)
    return Distance(float(np.abs(difference).max()), norm, relative)


def disagreement(y_pred: ArrayLike, oracle: ArrayLike) -> float:
    """Share of rows whose predicted class differs from the oracle's.

    Parameters
    ----------
    y_pred, oracle : array-like of shape (n_rows,)
        Predicted labels of the same rows.

    Returns
    -------
    float

    Notes
    -----
    Cost: O(n_rows).

    Exactness: bit for bit.

    A downside: two models retrained with other random numbers disagree too; closed-form heads have none.

    Examples
    --------
    >>> from analytic_cl.metrics import disagreement
    >>> disagreement(["a", "b", "b", "a"], ["a", "b", "a", "a"])
    0.25
    """
    ours = one_a_row("y_pred", y_pred)
    theirs = one_a_row("oracle", oracle, len(ours))
    labels(ours, theirs)
    return float((ours != theirs).mean())


def jensen_shannon(p: ArrayLike, oracle: ArrayLike) -> float:
    """Mean Jensen-Shannon divergence of predicted probabilities from the oracle's, in bits.

    Parameters
    ----------
    p, oracle : array-like of shape (n_rows, n_classes)
        Probabilities of the same rows and classes.

    Returns
    -------
    float
        0 (equal) to 1 (disjoint).

    Notes
    -----
    Cost: O(n_rows n_classes).

    Exactness: algebraic, 1e-15; 0 for equal probabilities.

    A downside: it needs the same classes on both sides; after a class was removed, compare predictions.

    References
    ----------
    J. Lin, Divergence Measures Based on the Shannon Entropy, 1991. The ZRF score of public unlearning code is 1 minus a
    divergence of this kind, from a random model; it divides by the number of classes too, which makes it incomparable.

    Examples
    --------
    >>> from analytic_cl.metrics import jensen_shannon
    >>> jensen_shannon([[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]])
    0.5
    """
    ours = probabilities("p", p)
    theirs = probabilities("oracle", oracle, ours.shape)
    middle = (ours + theirs) / 2
    rows = (rel_entr(ours, middle) + rel_entr(theirs, middle)).sum(axis=1) / 2
    return float(rows.mean() / np.log(2))


class ForgetRetain(NamedTuple):
    """Accuracy on forgotten and on other rows, by how much the first fell, and the harmonic mean of fall and rest."""

    forget_accuracy: float
    retain_accuracy: float
    drop: float
    harmonic_mean: float


def forget_and_retain(y_true: ArrayLike, before: ArrayLike, after: ArrayLike, forgotten: ArrayLike) -> ForgetRetain:
    """Accuracies on forgotten and on retained rows after unlearning, and their harmonic mean.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Labels.
    before, after : array-like of shape (n_rows,)
        Predictions before and after unlearning.
    forgotten : array-like of bool, shape (n_rows,)
        Which rows are (or, among test rows, are of the classes that are) forgotten; some, but not all.

    Returns
    -------
    ForgetRetain
        ``harmonic_mean`` is 2 drop retain / (drop + retain), with drop the fall of the accuracy on forgotten rows; 0
        where it didn't fall.

    Notes
    -----
    Cost: O(n_rows).

    Exactness: algebraic, 1e-16.

    A downside: low forget accuracy is the aim only for whole classes, where deleting a column reaches 0 without having
    unlearned anything. For single rows the aim is the oracle's accuracy: compute this for the oracle too, and compare.

    References
    ----------
    H. Zhao et al., GS-LoRA, CVPR 2024. Fractions, not per cent.

    Examples
    --------
    >>> from analytic_cl.metrics import forget_and_retain
    >>> forget_and_retain([0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 0], [True, True, False, False])
    ForgetRetain(forget_accuracy=0.0, retain_accuracy=0.5, drop=1.0, harmonic_mean=0.6666666666666666)
    """
    y, new = labels(y_true, after)
    old = labels(y, one_a_row("before", before, len(y)))[1]
    gone = mask("forgotten", forgotten, len(y))
    if gone.all() or not gone.any():
        raise ValueError(f"forgotten must name some rows, but not all: it names {gone.sum()} of {len(gone)}")
    forget, retain = float((new == y)[gone].mean()), float((new == y)[~gone].mean())
    drop = float((old == y)[gone].mean()) - forget
    return ForgetRetain(forget, retain, drop, harmonic_mean(max(drop, 0.0), retain))
