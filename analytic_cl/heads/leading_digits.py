"""Classes of many rows from the leading digits of the weights, where these decide.

For a class it is enough to know which score is the largest. Weights have six digits in base 256 (`LinearMap`), and the
leading three give every score to within a bound that holds for sure: what is left out of a sum of products is at most
the sum of the row's absolute values times the most that three digits hold. What rounding does to scores of both kinds
is added to it. Where the best score leads the second by more than twice the bound, all six digits would name the same
class, and no other with it; for two classes, the score's distance from 0 must exceed the bound. All other rows, ties
among them, get their scores in full. So the class is the one that full scores name, for every row and on every machine.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

FEW_ROWS = 8  # that the kernels take at a time: asking whether they can be decided takes what it would save


class Rough(NamedTuple):
    """Scores, as `decision_function` shapes them, of which those of a row are off by its doubt at most."""

    scores: Floats
    doubt: Floats


def places_of(scores: Floats) -> Places:
    """Columns of the largest scores, as `decision_function` shapes them."""
    return np.asarray((scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1))


def decided_places(rough: Rough) -> tuple[Places, Places]:
    """`places_of` the scores in full, and the rows for which they are needed. Overwrites the scores."""
    scores, places = rough.scores, places_of(rough.scores)
    if scores.ndim == 1:
        lead, needed = np.abs(scores), rough.doubt
    else:
        rows = np.arange(len(scores))
        best = scores[rows, places]
        scores[rows, places] = -np.inf
        with np.errstate(invalid="ignore"):  # of infinite scores
            lead, needed = best - scores.max(axis=1), 2 * rough.doubt
    return places, np.flatnonzero(~((lead > needed) & (lead < np.inf)))


@cache
def rough_scores_fit(kind: type[Any]) -> bool:
    """Whether the scores in full and the rough ones are defined by one class: who changes only the former means it."""
    return _definer(kind, "_roughly") is _definer(kind, "_compare_rows")


def _definer(kind: type[Any], name: str) -> type[Any]:
    return next(base for base in kind.__mro__ if name in base.__dict__)
