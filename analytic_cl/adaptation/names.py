"""Rows and embedded names of classes, made by one network."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.utils.validation import check_array

from analytic_cl._integers import as_integer
from analytic_cl.heads.class_vectors import unit_vectors
from analytic_cl.statistics.labels import check_one_kind, label_array

Floats = NDArray[np.float64]

FEWEST, MOST = 9, 16  # rows of a class that are trusted, as published
_SHARE = 0.3


def unit_rows(X: NDArray[Any]) -> Floats:
    """Rows of length 1; zeros stay."""
    rows = X.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def cosines(X: NDArray[Any], labels: list[Any], embeddings: Any) -> Floats:
    """Of rows and names, one column a label, 0 where a class has no name."""
    names = unit_vectors("embeddings", embeddings)
    width = len(next(iter(names.values())))
    if width != X.shape[1]:
        raise ValueError(f"embeddings have {width} numbers, and rows {X.shape[1]}: one network must make both")
    places = np.array([names.get(label, np.zeros(width)) for label in labels])
    return np.asarray(unit_rows(X) @ places.T)


def known_labels(base: Any, embeddings: Any) -> list[Any]:
    """Sorted labels that a head knows, or that have an embedding."""
    learned, named = base.classes_.tolist(), list(unit_vectors("embeddings", embeddings))
    check_one_kind([*learned, *named])
    return sorted({*learned, *named})


class NamedRows(NamedTuple):
    """Places of unlabelled rows, and what their classes seem to be."""

    rows: NDArray[np.int64]
    labels: NDArray[Any]


def rows_by_name(X: ArrayLike, embeddings: Any, *, n_rows: int | None = None, scale: float = 100.0) -> NamedRows:
    """The unlabelled rows that fit the names of classes best: machine-labelled rows for a head to learn.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Unlabelled rows.
    embeddings : mapping of label to array-like of shape (n_features,) or (n_templates, n_features)
        As in `ZeroShot`.
    n_rows : int, optional
        Of each class; by default 0.3 n_samples / n_classes, but 9 to 16, as published.
    scale : float > 0, default=100.0
        What cosines are multiplied with for probabilities.

    Returns
    -------
    NamedRows
        `rows`, places in X sorted by class, and `labels`. A row may stand under two classes: then the one with the
        larger probability keeps it.

    Notes
    -----
    Of each class the 2 n_rows rows of largest probability are taken, and of these the n_rows whose probabilities are
    most like those of the others.

    Learn them with ids of their own, so that they can be forgotten: the labels are guesses.

    Cost: 2 n_samples n_classes n_features operations, and 4 n_rows^2 n_classes a class.

    Exactness: a pure function of its arguments; algebraic. Rows depend on each other.

    References
    ----------
    Long et al., Training-free unsupervised prompt for vision-language models, arXiv 2404.16339 (TFUP). There: a row may
    stand under several classes; its similarity at prediction time is scaled over the cache, and left out here.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.adaptation import rows_by_name
    >>> X = np.array([[1.0, 0.1], [0.9, 0.2], [0.1, 1.0], [0.6, 0.5]])
    >>> found = rows_by_name(X, {"left": [1, 0], "up": [0, 1]}, n_rows=1)
    >>> found.rows.tolist(), found.labels.tolist()
    ([0, 2], ['left', 'up'])
    """
    rows = check_array(X, dtype=np.float64)
    labels = sorted(unit_vectors("embeddings", embeddings))
    if isinstance(scale, bool) or not 0 < scale < np.inf:
        raise ValueError(f"scale must be a positive number, got {scale!r}")
    logs = np.asarray(log_softmax(scale * cosines(rows, labels, embeddings), axis=1))
    usual = round(min(max(_SHARE * len(rows) / len(labels), FEWEST), MOST))
    n = as_integer("n_rows", usual if n_rows is None else n_rows, 1)
    best: dict[int, tuple[float, int]] = {}
    for code in range(len(labels)):
        for row in _most_alike(logs, code, n).tolist():
            claim = float(logs[row, code]), code
            if row not in best or claim > best[row]:
                best[row] = claim
    places = sorted(best, key=lambda row: (best[row][1], row))
    return NamedRows(np.array(places, np.int64), label_array(labels)[[best[row][1] for row in places]])


def _most_alike(logs: Floats, code: int, n: int) -> NDArray[np.int64]:
    """Of the 2 n rows that are surest of a class, the n whose posteriors differ least from the others'."""
    sure = np.argsort(-logs[:, code], kind="stable")[: 2 * n]
    p = np.exp(logs[sure])
    own = (p * logs[sure]).sum(axis=1)
    away = len(sure) * own - (p @ logs[sure].T).sum(axis=1)  # sum over the others P of KL(p || P)
    return np.asarray(sure[np.argsort(away, kind="stable")[:n]])
