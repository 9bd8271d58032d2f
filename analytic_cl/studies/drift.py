"""A thousand single requests: integer states against recursions that subtract in floating point."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.comparison.features import Features
from analytic_cl.heads import Head, RLSClassifier
from analytic_cl.metrics import disagreement, distance
from analytic_cl.quantizers import QuantizationWarning
from analytic_cl.studies.tables import Table

COLUMNS = ["requests", "method", "outcome", "weights", "disagreement", "seconds"]

NOTE = (
    "Ridge without intercept; rows leave one at a time. weights: relative distance to retraining; disagreement: share "
    "of test rows classified otherwise; seconds: of all requests so far, without solving. The downdates start from "
    "an inverse of their own precision, over the same quantised rows."
)


class Downdate:
    """Recursive least squares run backwards, in one floating-point type: the recursion of analytic learning (ACIL).

    P <- P + k k^T / (1 - x.k) and W <- W + k (W^T x - y)^T / (1 - x.k), with k = P x.

    Notes
    -----
    Cost: 4 d^2 + 4 d n_classes operations a row.

    Exactness: none; errors of rounding grow from request to request, with the condition of P.

    References
    ----------
    H. Zhuang et al., ACIL, NeurIPS 2022, whose recursion adds rows; here with its sign turned.
    """

    def __init__(self, x: NDArray[Any], targets: NDArray[Any], alpha: float, dtype: type[np.floating[Any]]) -> None:
        x, targets = x.astype(dtype), targets.astype(dtype)
        self.p = np.linalg.inv(x.T @ x + dtype(alpha) * np.eye(x.shape[1], dtype=dtype))
        self.w = self.p @ (x.T @ targets)
        self.dtype = dtype

    def forget(self, x: NDArray[Any], target: NDArray[Any]) -> None:
        """Take one row out."""
        x, target = x.astype(self.dtype), target.astype(self.dtype)
        k = self.p @ x
        gain = k / (1 - x @ k)
        self.w += np.outer(gain, x @ self.w - target)
        self.p += np.outer(gain, k)


def drift(rows: Features, *, n_requests: int = 1000, alpha: float = 0.01, seed: int = 0) -> Table:
    """Forget random rows one at a time, and compare with retraining after 1, 10, 100, ... of them.

    Parameters
    ----------
    rows : Features
        Training and test rows.
    n_requests : int, default=1000
        Less than the number of training rows.
    alpha : float, default=0.01
        Of the ridge.
    seed : int, default=0
        Of the order of requests.

    Returns
    -------
    Table
        One row a checkpoint and method.

    Notes
    -----
    Cost: 4 d^2 operations a request and downdate; one ridge a checkpoint.

    Exactness: as the table says; "identical to retraining" is an equality of digests and of weights, bit for bit.

    A downside: classes never empty in the downdates, which keep their column; the requests leave every class a row.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.studies.drift import drift
    >>> from analytic_cl.comparison.features import as_features
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> X = rng.normal(size=(200, 6)) + 2 * np.eye(6)[y]
    >>> table = drift(as_features((X, y, X, y)), n_requests=10)
    >>> [(row[0], row[3]) for row in table.rows if row[1] == "integers, solved"]
    [(1, 0.0), (10, 0.0)]
    """
    order = _order(rows, n_requests, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QuantizationWarning)  # all methods learn the same quantised rows
        return _drift(rows, order, alpha)


def _drift(rows: Features, order: NDArray[np.intp], alpha: float) -> Table:
    n_requests = len(order)
    ids = np.arange(len(rows.y_train))
    ours: dict[str, Head] = {
        "integers, solved": RLSClassifier(alpha, fit_intercept=False),
        "integers, followed": RLSClassifier(alpha, fit_intercept=False, solver="recursive"),
    }
    for head in ours.values():
        head.fit(rows.X_train, rows.y_train, sample_id=ids)
        head.decision_function(rows.X_test[:1])
    first = ours["integers, solved"]
    classes, x = first.classes_, first.quantizer_.dequantise(first.quantizer_.quantise(rows.X_train))
    targets = np.where(rows.y_train[:, None] == classes, 1.0, -1.0)
    floats = {f"{dtype.__name__} downdate": Downdate(x, targets, alpha, dtype) for dtype in (np.float64, np.float32)}
    table = Table(f"Drift over {n_requests} single requests", NOTE, COLUMNS, figure="drift.png")
    spent, done = dict.fromkeys([*ours, *floats], 0.0), 0
    test = first.quantizer_.dequantise(first.quantizer_.quantise(rows.X_test))
    for stop in _checkpoints(n_requests):
        part, done = order[done:stop], stop
        for name, head in ours.items():
            start = time.perf_counter()
            for i in part.tolist():
                head.forget(sample_id=i)
            spent[name] += time.perf_counter() - start
        for name, recursion in floats.items():
            start = time.perf_counter()
            for i in part.tolist():
                recursion.forget(x[i], targets[i])
            spent[name] += time.perf_counter() - start
        rest = np.setdiff1d(ids, order[:stop])
        oracle = RLSClassifier(alpha, fit_intercept=False).fit(rows.X_train[rest], rows.y_train[rest])
        wanted, predicted = _two_columns(oracle.coef_), oracle.predict(rows.X_test)
        for name, head in ours.items():
            same_state = head.state_digest() == oracle.state_digest()
            weights = _two_columns(head.coef_)
            same = same_state and np.array_equal(weights, wanted)
            said = "identical to retraining" if same else "identical state" if same_state else "differs"
            off = disagreement(head.predict(rows.X_test), predicted)
            table.rows.append([stop, name, said, distance(weights, wanted).relative, off, spent[name]])
        for name, recursion in floats.items():
            w = recursion.w.T.astype(np.float64)
            off = disagreement(classes[(test @ w.T).argmax(axis=1)], predicted)
            table.rows.append([stop, name, "approximate", distance(w, wanted).relative, off, spent[name]])
    return table


def _order(rows: Features, n_requests: int, seed: int) -> NDArray[np.intp]:
    """Rows to go, in order; the last row of no class."""
    shuffled = np.random.default_rng([seed, 3]).permutation(len(rows.y_train))
    last = np.unique(rows.y_train[shuffled[::-1]], return_index=True)[1]
    allowed = np.delete(shuffled[::-1], last)[::-1]
    if not 0 < n_requests <= len(allowed):
        raise ValueError(f"n_requests must be from 1 to {len(allowed)}, so that a row of every class is left")
    return allowed[:n_requests]


def _checkpoints(n_requests: int) -> list[int]:
    powers = [10**k for k in range(20) if 10**k < n_requests]
    return [*powers, n_requests]


def _two_columns(coef: NDArray[Any]) -> NDArray[Any]:
    """One row of weights a class, also for two classes, where a head keeps the second's alone."""
    return np.vstack([-coef, coef]) if len(coef) == 1 else coef
