"""What rows that a head had not seen say of it: which strength classifies best, and how sure its scores should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from analytic_cl.learner import Learner, folds
from analytic_cl.statistics import LabelledState

Floats = NDArray[np.float64]
T = TypeVar("T")

_BLOCK = 2048  # rows that are scored at a time
_SHARPEST, _SOFTEST = 1e4, 1e-4  # factors on scores, of standard deviation 1


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
            scores = np.full((len(rows), len(labels)), -np.inf)
            for start in range(0, len(rows), _BLOCK):
                part = compare(rows[start : start + _BLOCK], solved)
                scores[start : start + _BLOCK, columns] = two_columns(part) if len(columns) == 2 else part
            yield number, Held(scores, own)


def two_columns(scores: Floats) -> Floats:
    """Columns of two classes from the second's score minus the first's."""
    return np.hstack([-scores / 2, scores / 2])


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


def sharpness(held: Sequence[Held], weights: Floats | None = None) -> float:
    """The factor on scores whose softmax has the least negative log-likelihood of held-out rows: 1 / temperature.

    Own classes count as 1 - 1 / (n + 2), and all classes share the rest, so that it stays finite where every row is
    right. 1 without rows. `weights` of the rows, of sum 1; all count alike by default.

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017. There: one set of rows kept apart.
    """
    parts = [part for part in held if len(part.places) and len(part.scores.T) > 1]
    if not parts:
        return 1.0
    scores, places = np.concatenate([p.scores for p in parts]), np.concatenate([p.places for p in parts])
    there = np.isfinite(scores)
    scores = np.where(there, scores - scores.max(axis=1, keepdims=True), -np.inf)
    spread = float(np.sqrt(np.mean(scores[there] ** 2))) or 1.0
    rest = 1 / (len(scores) + 2)
    means = np.where(there, scores, 0.0).sum(axis=1) / there.sum(axis=1)
    weights = np.full(len(scores), 1 / len(scores)) if weights is None else weights
    gain = float(weights @ ((1 - rest) * scores[np.arange(len(scores)), places] + rest * means))

    def loss(log_factor: float) -> float:
        factor = np.exp(log_factor)
        return float(weights @ logsumexp(factor * scores, axis=1) - factor * gain)

    bounds = np.log(_SOFTEST / spread), np.log(_SHARPEST / spread)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x))
