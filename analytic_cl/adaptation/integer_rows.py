"""Rows as a head's quantizer makes them, and what the head says of such rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl.heads.validation import plain_rows, validated_rows

Floats = NDArray[np.float64]


def integer_rows(head: Any, X: ArrayLike) -> NDArray[Any]:
    """X, validated as the head would, in the integers that it learns; shape (n_samples, width)."""
    return np.asarray(head.quantizer_.quantise(X if plain_rows(head, X) else validated_rows(head, X)))


def posteriors_of(head: Any, rows: NDArray[Any]) -> Floats:
    """The head's probabilities for integer rows, one column for each of `classes_`."""
    found = np.asarray(head.probabilities_of(head.scores_of(rows)))
    there = with_rows(head)
    if there.all():
        return found
    out = np.zeros((len(rows), len(there)))
    out[:, there] = found
    return out


def with_rows(head: Any) -> NDArray[np.bool_]:
    """Which of `classes_` have rows; others are declared alone."""
    return np.array([head.state_.count(label) > 0 for label in head.classes_.tolist()])
