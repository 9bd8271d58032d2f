"""Class frequencies of unlabelled rows, where they differ from those of the learned rows and nothing else does."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from analytic_cl.adaptation.log_posteriors import Calibrated, Labelled, calibrated, check_base, log_posteriors

Floats = NDArray[np.float64]
Method = Literal["em", "bbse", "rlls"]

_ROUNDS = 1000
_STILL = 1e-6  # a class that moves by less has settled


def estimate_priors(
    head: Any,
    X: ArrayLike,
    method: Method = "em",
    *,
    pseudo_rows: float = 0.0,
    labelled: tuple[Any, Any] | None = None,
) -> Floats:
    """Class frequencies of unlabelled rows, under label shift: rows of each class look as they did.

    Parameters
    ----------
    head : Head
        Fitted, with `predict_proba`; unchanged.
    X : array-like of shape (n_samples, n_features)
        Rows without labels.
    method : {"em", "bbse", "rlls"}, default="em"
        "em" finds the frequencies of greatest likelihood, the most accurate here. "bbse" inverts the confusions of
        held-out rows; "rlls" does so and stays at the learned frequencies until rows say more than chance could.
    pseudo_rows : float >= 0, default=0.0
        Of "em": rows of the learned frequencies that count beside X (a Dirichlet prior), for small batches.
    labelled : (X, y), optional
        Labelled rows that the head has not learned, to calibrate on and to take confusions from. By default these are
        folds of the learned rows, taken out of the state by subtraction, where the ledger keeps all rows.

    Returns
    -------
    priors : ndarray of shape (n_classes,)
        In the order of `classes_`, of sum 1: what ``priors=`` of a head takes.

    Raises
    ------
    ValueError
        For a head without `predict_proba`; for "bbse" and "rlls" without held-out rows.

    Notes
    -----
    Posteriors are calibrated first, by a temperature and a bias for each class: those of LDA are some ten times too
    sure, and EM on them moves hardly at all. Where there is nothing to calibrate on, "em" goes on with an
    `UncalibratedWarning`. The learned frequencies are the mean of the calibrated posteriors of held-out rows, so that
    rows that did not shift change nothing.

    Cost: five solves of the head, a pass over at most 20,000 learned rows and n_classes numbers for each; then the
    head's prediction of X, and n_samples n_classes a round of EM.

    Exactness: a pure function of the state, the ledger's rows and X; algebraic.

    References
    ----------
    Saerens, Latinne and Decaestecker, Neural Computation 2002 (EM). Lipton, Wang and Smola, ICML 2018 (BBSE); here
    with posteriors in place of hard decisions, negative ratios set to 0, and renormalised. Azizzadenesheli et al.,
    ICLR 2019 (RLLS).

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier, adaptation
    >>> rng = np.random.default_rng(0)
    >>> def rows(y):
    ...     return rng.normal(size=(len(y), 4)) + 2 * np.eye(4)[y]
    >>> y = np.arange(600) % 3
    >>> head = LDAClassifier(track="rows").fit(rows(y), y)
    >>> adaptation.estimate_priors(head, rows(rng.choice(3, size=900, p=[0.8, 0.15, 0.05]))).round(1).tolist()
    [0.8, 0.2, 0.1]
    """
    check_method(method, pseudo_rows)
    base = check_base(head)
    known, logs = calibrated(base, labelled), log_posteriors(base, X)
    return priors_of(known, known.of(logs), method, pseudo_rows * known.source)


def check_method(method: object, pseudo_rows: object) -> None:
    """Raise ValueError for what `estimate_priors` does not know."""
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(map(repr, get_args(Method)))}, got {method!r}")
    if isinstance(pseudo_rows, bool) or not isinstance(pseudo_rows, int | float) or not 0 <= pseudo_rows < np.inf:
        raise ValueError(f"pseudo_rows must be a number of rows, 0 or more, got {pseudo_rows!r}")


def priors_of(known: Calibrated, logs: Floats, method: Method, pseudo_counts: Floats) -> Floats:
    """`estimate_priors` of rows with these calibrated log-posteriors; `pseudo_counts` are for "em"."""
    if method == "em":
        return em(logs, known.source, pseudo_counts)[0]
    if known.held is None:
        raise ValueError(
            f"{method!r} needs the confusions of rows that the head has not learned: learn with track='rows' or a "
            "sample_id for every row, or give labelled=(X, y); 'em' does without"
        )
    return bbse(logs, known.held, known.source) if method == "bbse" else rlls(logs, known.held, known.source)


def em(logs: Floats, source: Floats, pseudo_counts: Floats | float = 0.0) -> tuple[Floats, list[float]]:
    """The frequencies of greatest likelihood, and the log-likelihood after each round, which never falls.

    `logs` are log-posteriors under the frequencies `source`; with `pseudo_counts` the likelihood has their Dirichlet
    prior, and so has what never falls.
    """
    pseudo, n = np.broadcast_to(np.asarray(pseudo_counts, np.float64), source.shape), len(logs)
    there = source > 0
    ratios = logs[:, there] - np.log(source[there])
    share, extra = source[there] / source[there].sum(), pseudo[there]
    rounds: list[float] = []
    for _ in range(_ROUNDS):
        weighed = ratios + _log(share)
        totals = logsumexp(weighed, axis=1)
        rounds.append(float(totals.sum() + extra[extra > 0] @ _log(share[extra > 0])))
        after = (np.exp(weighed - totals[:, None]).sum(axis=0) + extra) / (n + extra.sum())
        moved = np.abs(after - share).max()
        share = after
        if moved < _STILL:
            break
    priors = np.zeros(len(source))
    priors[there] = share / share.sum()
    return priors, rounds


def _log(shares: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(shares, np.finfo(np.float64).tiny)))


def _confusions(held: Labelled, n_classes: int) -> Floats:
    """Joint frequencies of what is predicted (rows of the matrix, by posteriors) and of what is true (columns)."""
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint.T, held.places, np.exp(held.logs))
    return joint / len(held.places)


def bbse(logs: Floats, held: Labelled, source: Floats) -> Floats:
    """The frequencies under which the confusions of held-out rows give the predictions that there are."""
    joint = _confusions(held, len(source))
    ratios = np.linalg.lstsq(joint, np.exp(logs).mean(axis=0), rcond=None)[0]
    return _weighed(ratios, held, source)


def rlls(logs: Floats, held: Labelled, source: Floats, weight: float = 0.01, confidence: float = 0.05) -> Floats:
    """As `bbse`, with ratios that stay at 1 unless that leaves more unexplained than chance could."""
    n, k = logs.shape
    joint = _confusions(held, k)
    moved = np.exp(logs).mean(axis=0) - joint.sum(axis=1)
    bound = np.log(2 * k / confidence)
    penalty = weight * 3 * (2 * bound / (3 * n) + np.sqrt(2 * bound / n))

    def loss(theta: Floats) -> tuple[float, Floats]:
        rest = joint @ theta - moved
        length, size = max(float(np.linalg.norm(rest)), 1e-12), max(float(np.linalg.norm(theta)), 1e-12)
        return length + penalty * size, joint.T @ rest / length + penalty * theta / size

    start = np.full(k, 1e-3)
    theta = minimize(loss, start, jac=True, bounds=[(-1, None)] * k, method="L-BFGS-B", options={"maxiter": 3000}).x
    if np.linalg.norm(moved) <= loss(theta)[0]:  # no shift explains the predictions as well
        theta = np.zeros(k)
    return _weighed(1 + theta, held, source)


def _weighed(ratios: Floats, held: Labelled, source: Floats) -> Floats:
    shares = np.bincount(held.places, minlength=len(source)) / len(held.places)
    priors = np.maximum(ratios, 0) * shares
    return np.asarray(priors / priors.sum()) if priors.sum() > 0 else source
