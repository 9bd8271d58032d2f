"""Approximate ways to unlearn rows from a linear softmax probe: the yardsticks of the forgetting comparison.

The probe minimises, in sums and not means, so that rows that go leave the penalty alone,

    sum over rows of cross-entropy(W^T x, label) + penalty / 2 |W|^2,        x a unit row with a 1 behind it

W of shape (n_features + 1, n_classes). It is strongly convex: retraining has one answer, whatever the start. Each way
to unlearn is a pure function of the trained weights and the rows, and returns new weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import log_softmax, softmax

from analytic_cl.comparison.features import unit_rows

Floats = NDArray[np.float64]


def with_constant(X: NDArray[np.generic]) -> Floats:
    """Rows of Euclidean length 1 with a constant 1 behind them, shape (n, n_features + 1)."""
    return np.hstack([unit_rows(X), np.ones((len(X), 1))])


@dataclass(frozen=True)
class SoftmaxProblem:
    """Rows (from `with_constant`), the place of each row's class, the number of classes, and the penalty."""

    x: Floats
    places: NDArray[np.int64]
    n_classes: int
    penalty: float = 0.1

    def part(self, rows: NDArray[np.bool_]) -> SoftmaxProblem:
        """The same problem over some of the rows."""
        return SoftmaxProblem(self.x[rows], self.places[rows], self.n_classes, self.penalty)

    def loss_and_gradient(self, w: Floats) -> tuple[float, Floats]:
        """Cost: 4 n d n_classes operations."""
        logs = log_softmax(self.x @ w, axis=1)
        rows = np.arange(len(logs))
        loss = -logs[rows, self.places].sum() + self.penalty / 2 * np.vdot(w, w)
        errors = np.exp(logs)
        errors[rows, self.places] -= 1
        return float(loss), self.x.T @ errors + self.penalty * w

    @cached_property
    def gram(self) -> Floats:
        """Sum of x x^T over the rows, for the preconditioner."""
        return np.asarray(self.x.T @ self.x)

    def inverse_hessian_times(self, w: Floats, v: Floats, tolerance: float = 1e-4, steps: int = 500) -> Floats:
        """H^-1 v at w by conjugate gradients on Hessian products; no Hessian is formed.

        Preconditioned by (c x^T x + penalty)^-1 for every class, c the mean of p (1 - p): half the steps and less.

        Cost: 4 n d n_classes operations a step, and d^3 / 3 once.
        """
        p = softmax(self.x @ w, axis=1)
        near = cho_factor(float((p * (1 - p)).mean()) * self.gram + self.penalty * np.eye(len(w)))

        def product(flat: Floats) -> Floats:
            u = flat.reshape(w.shape)
            a = self.x @ u
            a = p * (a - (p * a).sum(axis=1, keepdims=True))
            return np.asarray((self.x.T @ a + self.penalty * u).ravel())

        def precondition(flat: Floats) -> Floats:
            return np.asarray(cho_solve(near, flat.reshape(w.shape)).ravel())

        shape = (v.size, v.size)
        hessian = LinearOperator(shape, matvec=product, dtype=np.float64)
        rough = LinearOperator(shape, matvec=precondition, dtype=np.float64)
        return np.asarray(cg(hessian, v.ravel(), rtol=tolerance, maxiter=steps, M=rough)[0].reshape(w.shape))


def fit_probe(problem: SoftmaxProblem, start: Floats | None = None, tolerance: float = 1e-8) -> Floats:
    """Train the probe by Newton steps with step halving, until the gradient is small.

    Parameters
    ----------
    problem : SoftmaxProblem
    start : ndarray of shape (n_features + 1, n_classes), optional
        Weights near the answer, such as those of nearly the same rows; zeros by default.
    tolerance : float, default=1e-8
        Of the gradient's norm, relative to that at zero weights.

    Returns
    -------
    ndarray of shape (n_features + 1, n_classes)

    Raises
    ------
    RuntimeError
        If 100 steps don't reach the tolerance.

    Notes
    -----
    Cost: about 150 Hessian products from zeros; L-BFGS takes 200 evaluations to reach a gradient of 1e-6.

    Exactness: algebraic, to `tolerance`: the floor of every distance from it.
    """
    zeros = np.zeros((problem.x.shape[1], problem.n_classes))
    scale = float(np.linalg.norm(problem.loss_and_gradient(zeros)[1]))
    w = zeros if start is None else start
    for _ in range(100):
        loss, gradient = problem.loss_and_gradient(w)
        left = float(np.linalg.norm(gradient)) / scale
        if left <= tolerance:
            return w
        step = problem.inverse_hessian_times(w, gradient, min(0.1, left**0.5))  # exact only near the end
        size = 1.0
        while size > 1e-6 and problem.loss_and_gradient(w - size * step)[0] > loss + 1e-12 * abs(loss):
            size /= 2
        w = w - size * step
    raise RuntimeError(f"the probe did not converge: a relative gradient of {left:.1e} is left; take a larger penalty")


def first_order_influence(w: Floats, problem: SoftmaxProblem, forgotten: NDArray[np.bool_]) -> Floats:
    """W + H^-1 (gradient of the forgotten rows' loss), H the Hessian over all rows.

    Notes
    -----
    The weakness: H still counts the rows that go, so that leverage is ignored; it is right for one row among many, and
    falls short for a group or a class.

    Cost: one `inverse_hessian_times` over all rows, which have to be kept.

    References
    ----------
    P. W. Koh and P. Liang, Understanding Black-box Predictions via Influence Functions, ICML 2017. No difference.
    """
    gone = problem.part(forgotten)
    gradient = gone.loss_and_gradient(w)[1] - problem.penalty * w
    return w + problem.inverse_hessian_times(w, gradient)


def newton_step(w: Floats, problem: SoftmaxProblem, forgotten: NDArray[np.bool_]) -> Floats:
    """W - H^-1 (gradient of the objective that is left), H the Hessian over the retained rows.

    Notes
    -----
    The weakness: exact for squared loss alone; here the curvature moves with the weights, and what is left over adds
    up from request to request. Certified removal hides it under noise, which this doesn't add.

    Cost: one `inverse_hessian_times` over the retained rows, which have to be kept.

    References
    ----------
    C. Guo et al., Certified Data Removal from Machine Learning Models, ICML 2020. There with noise in the objective.
    """
    rest = problem.part(~forgotten)
    return w - rest.inverse_hessian_times(w, rest.loss_and_gradient(w)[1])


def fine_tune(
    w: Floats, problem: SoftmaxProblem, forgotten: NDArray[np.bool_], epochs: int = 5, rate: float = 1.0, seed: int = 0
) -> Floats:
    """Stochastic gradient descent on the retained rows, batches of 64, from the trained weights.

    Notes
    -----
    The weakness: nothing pushes the forgotten rows out but the penalty and chance, and the steps' noise moves weights
    away from the optimum of any rows.

    Cost: `epochs` passes over the retained rows, which have to be kept.

    References
    ----------
    The baseline "fine-tune" of A. Golatkar et al., Eternal Sunshine of the Spotless Net, CVPR 2020. A constant rate.
    """
    rest = problem.part(~forgotten)
    random, n = np.random.default_rng(seed), len(rest.places)
    for _ in range(epochs):
        for batch in np.array_split(random.permutation(n), -(-n // 64)):
            some = SoftmaxProblem(rest.x[batch], rest.places[batch], rest.n_classes, rest.penalty * len(batch) / n)
            w = w - rate / len(batch) * some.loss_and_gradient(w)[1]
    return w


def mask_class(scores: Floats, place: int) -> Floats:
    """Scores with one class put out of reach.

    Notes
    -----
    The weakness: weights are untouched, all that was learned is still in them. For whole classes only.

    Cost: none; no rows are needed.

    References
    ----------
    The trivial baseline of class unlearning.
    """
    masked = scores.copy()
    masked[:, place] = -np.inf
    return masked
