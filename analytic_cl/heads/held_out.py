"""What rows that a head had not seen say of it: which strength classifies best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl.learner import Learner, folds
from analytic_cl.statistics import LabelledState

Floats = NDArray[np.float64]
T = TypeVar("T")

_BLOCK = 2048  # rows that are scored at a time


class Held(NamedTuple):
    """Scores of held-out rows, one column a class of the whole state, -inf for classes that the fold lacks; and the
    column of each row's own class.
    """

    scores: Floats
    places: NDArray[np.int64]


def held_out(
    learner: Learner,
    solve: Callable[[Any, T], Any],
    compare: Callable[[NDArray[Any], Any], Floats],
    candidates: Sequence[T],
) -> Iterator[tuple[int, Held]]:
    """For each fold and each candidate, its number and how it scores rows that it was solved without.

    Rows of classes that have no other row are left out.
    """
    labels = cast(LabelledState, learner.state).labels
    place = {label: at for at, label in enumerate(labels)}
    for fold in folds(learner):
        columns = np.array([place[label] for label in fold.state.labels])
        own = np.array([place[value] for value in fold.targets.values])[fold.targets.codes]
        known = np.isin(own, columns)
        rows, own = fold.rows[known], own[known]
        for number, candidate in enumerate(candidates):
            solved = solve(fold.state, candidate)

            def score(part: NDArray[Any], solved: Any = solved) -> Floats:
                return compare(part, solved)

            yield number, Held(in_all_columns(score, rows, columns, len(labels)), own)


def in_all_columns(
    score: Callable[[NDArray[Any]], Floats], rows: NDArray[Any], columns: NDArray[np.int64], n_classes: int
) -> Floats:
    """Scores of rows, some at a time, in the columns of the classes that there are scores of; -inf in the others."""
    scores = np.full((len(rows), n_classes), -np.inf)
    for start in range(0, len(rows), _BLOCK):
        part = score(rows[start : start + _BLOCK])
        two = len(columns) == 2  # then there is one column, the second's score minus the first's
        scores[start : start + _BLOCK, columns] = np.hstack([-part / 2, part / 2]) if two else part
    return scores


def best_of(
    learner: Learner,
    solve: Callable[[Any, T], Any],
    compare: Callable[[NDArray[Any], Any], Floats],
    candidates: Sequence[T],
) -> T:
    """The first candidate whose count of held-out rows that are named right is within one standard error of the best's.

    Not simply the best: states without a fifth of the rows ask for more shrinkage than the whole does, so candidates
    come with the weakest first. The error is that of a difference on the same rows: the root of how many differ.

    Cost: as learning up to 20,000 rows once, five solves a candidate, and scoring those rows with each.
    """
    right: list[list[NDArray[np.bool_]]] = [[] for _ in candidates]
    for number, (scores, own) in held_out(learner, solve, compare, candidates):
        right[number].append(scores.argmax(axis=1) == own)
    if not right[0]:
        return candidates[0]
    hits = np.stack([np.concatenate(parts) for parts in right])
    best = hits[hits.sum(axis=1).argmax()]
    behind, differ = best.sum() - hits.sum(axis=1), (hits != best).sum(axis=1)
    return candidates[int(np.argmax(behind <= np.sqrt(differ)))]
