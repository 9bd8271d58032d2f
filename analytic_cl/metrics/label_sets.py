"""Measures of predictions of any number of labels a row: mAP, CF1 and OF1."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.metrics import average_precision_score, f1_score

from analytic_cl.metrics.inputs import Floats, numbers


class LabelSetF1(NamedTuple):
    """F1 of labels, with the threshold that it depends on.

    Attributes
    ----------
    cf1 : float
        Mean over the labels of their F1.
    of1 : float
        F1 of all decisions together, whatever label they are about.
    threshold : float
        Scores above it say that a row has the label.
    per_label : ndarray of shape (n_labels,)
    """

    cf1: float
    of1: float
    threshold: float
    per_label: Floats


def label_set_f1(y_true: ArrayLike, scores: ArrayLike, *, threshold: float) -> LabelSetF1:
    """CF1 and OF1 of scores of labels at a threshold.

    Parameters
    ----------
    y_true : array-like or SciPy sparse matrix of shape (n_rows, n_labels)
        Indicator matrix: 1 where a row has the label, else 0.
    scores : array-like of shape (n_rows, n_labels)
        From ``decision_function``, or probabilities. Of the labels seen so far, where that is what is asked.
    threshold : float
        Scores above it count. Papers differ (a sigmoid of .8 in MULTI-LANE, .525 in L3A), so that F1 of two papers
        can't be compared.

    Returns
    -------
    LabelSetF1

    Notes
    -----
    A label whose precision and recall are both 0, or that no row has and none is given, has F1 0.

    Cost: O(n_rows n_labels).

    Exactness: algebraic, 1e-15; scikit-learn's ``f1_score(average="macro")`` and ``"micro"``.

    A downside: some papers compute CF1 from mean precision and mean recall, which gives another number.

    References
    ----------
    De Min et al., MULTI-LANE, CoLLAs 2024. No difference, but that the threshold comes with the result.

    Examples
    --------
    >>> from analytic_cl.metrics import label_set_f1
    >>> found = label_set_f1([[1, 0], [1, 1]], [[0.9, 0.2], [0.4, 0.8]], threshold=0.5)
    >>> round(found.cf1, 3), round(found.of1, 3), found.threshold
    (0.833, 0.8, 0.5)
    """
    has, values = _labelled(y_true, scores)
    if np.isnan(threshold):
        raise ValueError("threshold must be a number, got NaN")
    given = values > float(threshold)
    per_label = np.asarray(f1_score(has, given, average=None, zero_division=0), dtype=np.float64)
    of1 = float(f1_score(has.ravel(), given.ravel(), zero_division=0))
    return LabelSetF1(float(per_label.mean()), of1, float(threshold), per_label)


def mean_average_precision(y_true: ArrayLike, scores: ArrayLike) -> float:
    """Mean over the labels of their average precision (mAP).

    Parameters
    ----------
    y_true, scores : array-like of shape (n_rows, n_labels)
        As in `label_set_f1`.

    Returns
    -------
    float
        Of the labels that rows have: the others have no average precision.

    Raises
    ------
    ValueError
        Where no row has any label, and as `label_set_f1`.

    Notes
    -----
    Cost: O(n_labels n_rows log n_rows).

    Exactness: algebraic, 1e-15; scikit-learn's ``average_precision_score`` label by label.

    A downside: it looks at the order of rows under each label only, and not at where a head draws the line.

    Examples
    --------
    >>> from analytic_cl.metrics import mean_average_precision
    >>> mean_average_precision([[1, 0], [1, 1], [0, 0]], [[0.9, 0.2], [0.4, 0.1], [0.5, 0.0]])
    0.6666666666666666
    """
    has, values = _labelled(y_true, scores)
    some = np.flatnonzero(has.any(axis=0))
    if not some.size:
        raise ValueError(
            f"y_true is 0 everywhere: none of the {len(has)} rows has a label whose average precision could be taken. "
            "Leave rows without labels out, or such a session out of the mean"
        )
    return float(np.mean([average_precision_score(has[:, k], values[:, k]) for k in some]))


def _labelled(y_true: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Which labels rows have, and the scores of all."""
    has = numbers("y_true", cast(Any, y_true).toarray() if issparse(y_true) else y_true, (None, None))
    wrong = np.argwhere((has != 0) & (has != 1))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ValueError(f"y_true must be 0 or 1, but y_true[{row}, {column}] is {has[row, column]}")
    return has == 1, numbers("scores", scores, (has.shape[0], has.shape[1]))
