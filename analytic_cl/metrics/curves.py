"""Measures of accuracy along a stream: online accuracies, and continual evaluation while sessions are learned."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl.metrics.inputs import Floats, numbers, one_a_row


class OnlineAccuracy(NamedTuple):
    """A_auc, mean of the periodic evaluations; A_avg, mean over ends of sessions; A_last, at the last end."""

    auc: float
    average: float
    last: float


def evaluation_points(batch_sizes: ArrayLike, period: int = 1000) -> NDArray[np.bool_]:
    """After which batches of a stream to evaluate: those that reach or cross a multiple of `period` rows.

    Parameters
    ----------
    batch_sizes : array-like of shape (n_batches,)
        Rows of each batch.
    period : int, default=1000
        Rows between evaluations.

    Returns
    -------
    ndarray of bool, shape (n_batches,)

    Notes
    -----
    Cost: O(n_batches).

    Exactness: bit for bit.

    A downside: nothing is evaluated at the very start, nor at the end unless it is a multiple.

    Examples
    --------
    >>> from analytic_cl.metrics import evaluation_points
    >>> evaluation_points([64] * 6, period=100)
    array([False,  True, False,  True,  True, False])
    """
    sizes = numbers("batch_sizes", batch_sizes, (None,))
    if (sizes < 0).any() or (sizes != np.trunc(sizes)).any():
        raise ValueError(f"batch_sizes must be whole numbers of rows, got {sizes.min():g} to {sizes.max():g}")
    if period < 1:
        raise ValueError(f"period must be at least 1 row, got {period}")
    marks = np.cumsum(sizes) // period
    return np.asarray(np.diff(marks, prepend=0) > 0)


def online_accuracy(periodic: ArrayLike, after_sessions: ArrayLike) -> OnlineAccuracy:
    """A_auc, A_avg and A_last of online learning in blurry streams.

    Parameters
    ----------
    periodic : array-like of shape (n_evaluations,)
        Accuracies measured every so many rows (`evaluation_points`), on test rows of the classes seen by then.
    after_sessions : array-like of shape (n_sessions,)
        Accuracies at the ends of sessions, on test rows of the classes seen by then.

    Returns
    -------
    OnlineAccuracy

    Notes
    -----
    Cost: O(n).

    Exactness: algebraic, 1e-15.

    A downside: the test set grows with the classes, so a curve falls although nothing is forgotten.

    References
    ----------
    H. Koh et al., i-Blurry, ICLR 2022. A_auc is the plain mean, as their code has it: the integral of the paper over
    evenly spaced points, without one at the start.

    Examples
    --------
    >>> from analytic_cl.metrics import online_accuracy
    >>> online_accuracy([0.5, 1.0, 0.75], [1.0, 0.5])
    OnlineAccuracy(auc=0.75, average=0.75, last=0.5)
    """
    curve = numbers("periodic", periodic, (None,))
    ends = numbers("after_sessions", after_sessions, (None,))
    return OnlineAccuracy(float(curve.mean()), float(ends.mean()), float(ends[-1]))


def min_accuracy(curve: ArrayLike, learning: ArrayLike) -> float:
    """The worst moment of each earlier session after it was learned, averaged (min-ACC).

    Parameters
    ----------
    curve : array-like of shape (n_evaluations, n_sessions)
        Accuracy on each session's test rows, evaluated often; NaN for sessions that are yet to come.
    learning : array-like of int, shape (n_evaluations,)
        Which session was being learned at each evaluation: 0, 1, ..., ascending.

    Returns
    -------
    float
        Mean over the sessions before the last one learned of their lowest accuracy while later ones were learned. NaN
        where only one was.

    Notes
    -----
    Cost: O(n_evaluations n_sessions).

    Exactness: algebraic, 1e-15.

    A downside: it depends on how often one evaluates, and on the smallest test set.

    References
    ----------
    M. De Lange et al., Continual Evaluation for Lifelong Learning, ICLR 2023. Evaluations before a session was learned
    never count; their code lets them, where they are made.

    Examples
    --------
    >>> from analytic_cl.metrics import min_accuracy
    >>> nan = float("nan")
    >>> min_accuracy([[0.5, nan], [1.0, nan], [0.25, 0.5], [0.75, 1.0]], [0, 0, 1, 1])
    0.25
    """
    accuracy, session = _curve(curve, learning)
    lowest = _lowest_so_far(accuracy, session)[-1, : session[-1]]
    return float(lowest.mean()) if len(lowest) else float("nan")


def worst_case_accuracy(curve: ArrayLike, learning: ArrayLike) -> Floats:
    """Accuracy on the session being learned together with the worst moments of all earlier ones (WC-ACC).

    Parameters
    ----------
    curve, learning : array-like
        As in `min_accuracy`.

    Returns
    -------
    ndarray of shape (n_evaluations,)
        While session k = 1, 2, ... is learned: its accuracy / k + (1 - 1 / k) `min_accuracy` so far. The last value
        sums the stream up.

    Notes
    -----
    Cost: O(n_evaluations n_sessions).

    Exactness: algebraic, 1e-15. Never above the mean accuracy over the sessions so far.

    A downside: as of `min_accuracy`.

    References
    ----------
    M. De Lange et al., Continual Evaluation for Lifelong Learning, ICLR 2023. As published.

    Examples
    --------
    >>> from analytic_cl.metrics import worst_case_accuracy
    >>> nan = float("nan")
    >>> worst_case_accuracy([[0.5, nan], [1.0, nan], [0.25, 0.5], [0.75, 1.0]], [0, 0, 1, 1])
    array([0.5  , 1.   , 0.375, 0.625])
    """
    accuracy, session = _curve(curve, learning)
    lowest = _lowest_so_far(accuracy, session)
    return np.array([(accuracy[t, k] + lowest[t, :k].sum()) / (k + 1) for t, k in enumerate(session)])


def windowed_forgetting(curve: ArrayLike, window: int = 10) -> float:
    """The largest fall of accuracy within a window of evaluations, averaged over sessions (WF).

    Parameters
    ----------
    curve : array-like of shape (n_evaluations, n_sessions)
        Accuracy on each session's test rows; NaN where one was not evaluated, which is skipped.
    window : int, default=10
        Evaluations of a window: a fall from m to n counts if n - m < window.

    Returns
    -------
    float
        At least 0; mean over sessions.

    Notes
    -----
    Cost: O(window n_evaluations n_sessions).

    Exactness: algebraic, 1e-15.

    A downside: noise of small test sets counts as falls; it grows with the number of evaluations.

    References
    ----------
    M. De Lange et al., Continual Evaluation for Lifelong Learning, ICLR 2023. As published.

    Examples
    --------
    >>> from analytic_cl.metrics import windowed_forgetting
    >>> windowed_forgetting([[1.0], [0.75], [0.5], [1.0]], window=2)
    0.25
    """
    return _windowed(curve, window, -1)


def windowed_plasticity(curve: ArrayLike, window: int = 10) -> float:
    """The largest rise of accuracy within a window of evaluations, averaged over sessions (WP).

    Parameters, cost and exactness as in `windowed_forgetting`; a rise counts as a fall does there.

    References
    ----------
    M. De Lange et al., Continual Evaluation for Lifelong Learning, ICLR 2023. Their code looks for rises from running
    maxima only, and so misses those that start from a later, lower point; ours follows the definition.

    Examples
    --------
    >>> from analytic_cl.metrics import windowed_plasticity
    >>> windowed_plasticity([[0.5], [0.25], [1.0]], window=10)
    0.75
    """
    return _windowed(curve, window, +1)


def _windowed(curve: ArrayLike, window: int, sign: int) -> float:
    accuracy = numbers("curve", curve, (None, None), gaps=True)
    if window < 2:
        raise ValueError(f"window must be at least 2 evaluations, got {window}")
    largest = []
    for j, column in enumerate(accuracy.T):
        values = sign * column[~np.isnan(column)]
        if not values.size:
            raise ValueError(f"curve has no evaluation of session {j}")
        lags = range(1, min(window, len(values)))
        largest.append(max([0.0, *(float((values[lag:] - values[:-lag]).max()) for lag in lags)]))
    return float(np.mean(largest))


def _curve(curve: ArrayLike, learning: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    accuracy = numbers("curve", curve, (None, None), gaps=True)
    n, k = accuracy.shape
    session = one_a_row("learning", learning, n)
    if session.dtype.kind not in "iu" or session.min() < 0 or session.max() >= k or (np.diff(session) < 0).any():
        raise ValueError(f"learning must be ascending session numbers from 0 to {k - 1}, one for each row of curve")
    missing = np.argwhere(np.isnan(accuracy) & (np.arange(k) <= session[:, None]))
    if len(missing):
        t, j = missing[0]
        raise ValueError(f"curve[{t}, {j}] is nan, but session {j} was already being learned at evaluation {t}")
    return accuracy, session.astype(np.int64)


def _lowest_so_far(accuracy: Floats, session: NDArray[np.int64]) -> Floats:
    """Running minimum of each column over evaluations made while a later session was learned; infinite before."""
    later = np.arange(accuracy.shape[1]) < session[:, None]
    return np.minimum.accumulate(np.where(later, accuracy, np.inf), axis=0)
