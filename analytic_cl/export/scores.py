"""Scores of integer rows by what a head has solved for, in any `Algebra`.

Every function takes rows `q`, the integers as float64, and gives one column a class, or a single one for two classes:
the second's less the first's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from analytic_cl.baselines.class_targets import TargetScores
from analytic_cl.export.algebra import Algebra, Floats, Value, column
from analytic_cl.export.rounding import UNIT
from analytic_cl.quantizers import Quantizer
from analytic_cl.quantizers.linear_map import weight_errors
from analytic_cl.solvers import DiscriminantScores, GaussianScores, LinearScores, QuadraticScores
from analytic_cl.solvers.class_gaussian import FEW, FIRST, NEAR, NEARER
from analytic_cl.solvers.naive_bayes import NaiveBayesScores

Scorer = Callable[[Algebra, Value], Value]


def deviations(a: Algebra, q: Value, quantizer: Quantizer, centre: Any) -> Value:
    return a.mul(a.sub(q, a.constant(centre)), a.constant(quantizer.step))


def dequantised(a: Algebra, q: Value, quantizer: Quantizer) -> Value:
    x = a.mul(q, a.constant(quantizer.step))
    return a.add(x, a.constant(quantizer.offset)) if quantizer.offset.any() else x


def of_unit_length(a: Algebra, x: Value) -> tuple[Value, Value]:
    """What to divide by, 1 for rows of zero."""
    norms = column(a, a.sqrt(a.total(a.mul(x, x))))
    zero, one = a.constant(0.0), a.constant(1.0)
    return x, a.where(a.above(norms, zero), norms, one)


def difference(a: Algebra, scores: Value, k: int) -> Value:
    return a.sub(a.columns(scores, 1, 2), a.columns(scores, 0, 1)) if k == 2 else scores


def linear(a: Algebra, q: Value, quantizer: Quantizer, s: LinearScores | DiscriminantScores) -> Value:
    centre, weights, bias = s.linear_part
    return a.add(a.matmul(deviations(a, q, quantizer, centre), _weights(a, quantizer, weights)), a.constant(bias))


def _weights(a: Algebra, quantizer: Quantizer, weights: Floats) -> Value:
    """Weights that a head may have rounded to integers."""
    return a.constant(weights.T, weight_errors(quantizer, weights).T)


def cosine(a: Algebra, q: Value, quantizer: Quantizer, s: LinearScores) -> Value:
    x, lengths = of_unit_length(a, dequantised(a, q, quantizer))
    return a.div(a.matmul(x, _weights(a, quantizer, s.coef)), lengths)


def _coordinates(a: Algebra, v: Value, quantizer: Quantizer, s: DiscriminantScores) -> Value:
    return a.sub(a.matmul(v, _weights(a, quantizer, s.space.directions.T)), a.constant(s.space.shift))


def _of_coordinates(a: Algebra, y: Value, s: DiscriminantScores) -> Value:
    scores = a.add(a.matmul(y, a.constant(s.linear.T)), a.constant(s.bias))
    return scores if s.square is None else a.sub(scores, a.matmul(a.mul(y, y), a.constant(s.square.T)))


def discriminant(a: Algebra, q: Value, quantizer: Quantizer, s: DiscriminantScores) -> Value:
    if s.is_linear:
        return linear(a, q, quantizer, s)
    y = _coordinates(a, deviations(a, q, quantizer, s.centre), quantizer, s)
    return difference(a, _of_coordinates(a, y, s), len(s.bias))


def gaussian(a: Algebra, q: Value, quantizer: Quantizer, s: GaussianScores) -> Value:
    """As `GaussianScores.of`, with all classes worked out, and those that are not near the best masked."""
    v = deviations(a, q, quantizer, s.centre)
    y = _coordinates(a, v, quantizer, s.pooled)
    shared, k = _of_coordinates(a, y, s.pooled), len(s.classes)
    likely = _near_best(a, shared, NEAR[s.space] if k > FEW else None)
    if s.space == "discriminant":
        scores = _rescored(a, shared, _own(a, y, s), likely)
    else:
        scores = _rescored(a, shared, a.add(shared, _own(a, v, s, FIRST)), likely)
        nearer = _near_best(a, scores, NEARER if k > FEW else None)
        likely = nearer if likely is None else likely if nearer is None else a.both(likely, nearer)
        scores = _rescored(a, scores, a.add(shared, _own(a, v, s)), likely)
    return difference(a, scores, k)


def _own(a: Algebra, v: Value, s: GaussianScores, columns: int | None = None) -> Value:
    """What classes make of rows by their own covariance; factors side by side, padded with columns of zeros."""
    ranks = [own.factor.shape[1] for own in s.classes]
    width, k = max(1, *(min(rank, columns or rank) for rank in ranks)), len(s.classes)
    d = s.classes[0].factor.shape[0]
    factor, shift, weights = np.zeros((d, k, width)), np.zeros((k, width)), np.zeros((k, width))
    for c, own in enumerate(s.classes):
        n = min(width, ranks[c])
        factor[:, c, :n], shift[c, :n], weights[c, :n] = own.factor[:, :n], own.shift[:n], 0.5 * own.weights[:n]
    u = a.sub(a.matmul(v, a.constant(factor.reshape(d, -1))), a.constant(shift.ravel()))
    squares = a.mul(a.mul(u, u), a.constant(weights.ravel()))
    summed = squares if width == 1 else a.total(a.folded(squares, k, width))
    return a.add(summed, a.constant(np.array([own.bias for own in s.classes])))


def _near_best(a: Algebra, scores: Value, distance: float | None) -> Value | None:
    return None if distance is None else a.at_least(scores, a.sub(a.largest(scores), a.constant(distance)))


def _rescored(a: Algebra, scores: Value, new: Value, which: Value | None) -> Value:
    change = a.sub(new, scores)
    if which is not None:
        worst = a.least(a.where(which, change, a.constant(1e300)))
        change = a.where(which, change, worst)
    return a.add(scores, change)


def quadratic(a: Algebra, q: Value, quantizer: Quantizer, s: QuadraticScores) -> Value:
    return _quadratic(a, deviations(a, q, quantizer, s.centre), s)


def quadratic_of_unit_rows(a: Algebra, q: Value, quantizer: Quantizer, s: QuadraticScores) -> Value:
    x, lengths = of_unit_length(a, dequantised(a, q, quantizer))
    return _quadratic(a, a.div(x, lengths), s)


def _quadratic(a: Algebra, v: Value, s: QuadraticScores) -> Value:
    def square(mean: Value, factor: Value) -> Value:
        u = a.matmul(a.sub(v, mean), factor)
        return a.total(a.mul(u, u))

    squares = a.each(square, s.means, np.stack(s.factors))
    scores = a.add(a.mul(squares, a.constant(-0.5)), a.constant(s.bias))
    return difference(a, scores, len(s.bias))


def naive_bayes(a: Algebra, q: Value, quantizer: Quantizer, s: NaiveBayesScores) -> Value:
    v = deviations(a, q, quantizer, s.centre)

    def density(mean: Value, weights: Value) -> Value:
        apart = a.sub(v, mean)
        return a.total(a.mul(a.mul(apart, apart), weights))

    bias = s.log_priors - 0.5 * np.log(2 * np.pi * s.variances).sum(axis=1)
    scores = a.add(a.each(density, s.means, -0.5 / s.variances), a.constant(bias))
    return difference(a, scores, len(bias))


def targets(a: Algebra, q: Value, quantizer: Quantizer, s: TargetScores) -> Value:
    """As `TargetScores.of`, of the random features behind the row itself."""
    z = a.mul(a.columns(q, quantizer.n_features, quantizer.width), a.constant(quantizer.step[-1]))
    between, k, start = s.targets @ s.targets.T, len(s.targets), 0
    lost = s.targets.shape[1] * UNIT * (np.abs(s.targets) @ np.abs(s.targets.T))
    total = None
    for weights in s.weights:
        u = a.matmul(a.columns(z, start, start + len(weights)), a.constant(weights))
        inner = a.matmul(u, a.constant(between, lost))
        squares = column(a, a.total(a.mul(u, inner)))
        found = a.div(inner, a.sqrt(a.where(a.above(squares, a.constant(0.0)), squares, a.constant(1e300))))
        total = found if total is None else a.add(total, found)
        start += len(weights)
    return difference(a, a.div(total, a.constant(float(len(s.weights)))), k)


class Form(NamedTuple):
    """One way in which solved parameters may score rows."""

    name: str
    score: Callable[[Algebra, Value, Quantizer, Any], Value]


_FORMS: tuple[tuple[type, tuple[Form, ...]], ...] = (
    (LinearScores, (Form("linear", linear), Form("cosine", cosine))),
    (DiscriminantScores, (Form("discriminant", discriminant),)),
    (GaussianScores, (Form("gaussian", gaussian),)),
    (QuadraticScores, (Form("quadratic", quadratic), Form("quadratic, unit rows", quadratic_of_unit_rows))),
    (NaiveBayesScores, (Form("naive Bayes", naive_bayes),)),
    (TargetScores, (Form("targets", targets),)),
)


def forms_of(solved: Any) -> Iterator[Form]:
    """All ways in which these solved parameters are known to score rows."""
    for kind, forms in _FORMS:
        if isinstance(solved, kind):
            yield from forms


def size_of(solved: Any) -> int:
    """Numbers that a graph of these parameters holds, about."""
    arrays: list[Floats] = []
    if isinstance(solved, QuadraticScores):
        arrays = [*solved.factors, solved.means]
    elif isinstance(solved, GaussianScores):
        arrays = [own.factor for own in solved.classes]
    return sum(array.size for array in arrays)
