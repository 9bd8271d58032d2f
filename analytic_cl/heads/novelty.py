"""Rows unlike those that were learned: thresholds with a guarantee, rejected predictions, sets of labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def conformal_threshold(scores: ArrayLike, alpha: float) -> float:
    """The threshold below which at most a share `alpha` of further rows of the same kind falls.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Of rows that the head has not learned: of `score_samples`, for ``predict(X, reject=...)``; or the probability
        of each row's own class, for `prediction_sets`.
    alpha : float in (0, 1)

    Returns
    -------
    float
        The k-th smallest score, k = floor(alpha (n + 1)); minus infinity where n is too small for any promise.

    Notes
    -----
    Exactness: the promise holds for any scores and any n, where held-out and further rows are exchangeable, on average
    over both; within ties it is kept on the safe side.

    Cost: O(n).

    References
    ----------
    Vovk, Gammerman and Shafer, Algorithmic learning in a random world, 2005. No difference.

    Examples
    --------
    >>> from analytic_cl.heads import conformal_threshold
    >>> conformal_threshold([5.0, 1.0, 4.0, 2.0, 3.0, 6.0, 7.0, 8.0, 9.0], alpha=0.2)
    2.0
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not values.size or np.isnan(values).any():
        raise ValueError(f"scores must be numbers, one for each held-out row; got shape {values.shape}, or NaN")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha!r}")
    k = math.floor(alpha * (len(values) + 1) * (1 + 1e-12))  # .2 * 10 may round to less than 2
    return float(np.partition(values, k - 1)[k - 1]) if k else -math.inf


def prediction_sets(proba: ArrayLike, threshold: float) -> NDArray[np.bool_]:
    """Which classes are in the set of each row: those with a probability of at least `threshold`.

    With the `conformal_threshold` of the probabilities of held-out rows' own classes, a further row's class is in its
    set with probability 1 - alpha or more. A set may be empty: then no class is likely enough.

    Examples
    --------
    >>> from analytic_cl.heads import prediction_sets
    >>> prediction_sets([[0.6, 0.3, 0.1]], 0.2).tolist()
    [[True, True, False]]
    """
    return np.asarray(np.asarray(proba, dtype=np.float64) >= threshold)


def rejected_label(labels: NDArray[Any]) -> int | str:
    """What stands for "none of the classes": -1 among integers, "" among strings."""
    kind = labels.dtype.kind
    if kind == "b":
        raise ValueError("there is no boolean for rejected rows: compare score_samples(X) with the threshold")
    value: int | str = "" if kind in "UOT" else -1
    if kind == "u" or (labels == value).any():
        raise ValueError(
            f"{value!r} is to stand for rejected rows, and is a class or not possible among {labels.dtype}"
        )
    return value


def with_rejections(labels: NDArray[Any], rejected: NDArray[np.bool_], classes: NDArray[Any]) -> NDArray[Any]:
    """Predicted labels, with `rejected_label` for some rows."""
    return np.where(rejected, np.array(rejected_label(classes), dtype=labels.dtype), labels)
