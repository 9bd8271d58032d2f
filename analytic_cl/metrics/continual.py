"""Measures of an accuracy matrix: R[i, j] is the accuracy after session i on the test rows of session j.

All results are in the unit of R (fractions or per cent). What lies above the diagonal may be NaN, and counts for
`forward_transfer` only. Cost: O(n_sessions^2) for each. Exactness: algebraic, to the rounding of float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analytic_cl.metrics.inputs import Floats, numbers


def accuracy_after_sessions(R: ArrayLike, test_rows: ArrayLike | None = None) -> Floats:
    """Accuracy on the test rows of all sessions so far, after each session.

    Parameters
    ----------
    R : array-like of shape (n_sessions, n_sessions)
        Accuracies.
    test_rows : array-like of shape (n_sessions,), optional
        How many test rows each session has. Without, sessions count alike: right where they have equally many.

    Returns
    -------
    ndarray of shape (n_sessions,)
        A_b, b = 0, 1, ...

    Notes
    -----
    Cost: O(n_sessions^2).

    Exactness: algebraic, 1e-15.

    A downside: with unequal test sets and no `test_rows` this is GEM's "ACC", not the accuracy over all rows.

    Examples
    --------
    >>> from analytic_cl.metrics import accuracy_after_sessions
    >>> accuracy_after_sessions([[0.75, 0.0], [0.5, 1.0]], test_rows=[30, 10])
    array([0.75 , 0.625])
    """
    R = _matrix(R)
    sizes = np.ones(len(R)) if test_rows is None else numbers("test_rows", test_rows, (len(R),))
    if (sizes <= 0).any():
        raise ValueError(f"test_rows must all be positive, got {sizes[sizes <= 0][0]:g}")
    return np.asarray(np.tril(np.where(np.isnan(R), 0, R)) @ sizes / np.cumsum(sizes))


def last_accuracy(R: ArrayLike, test_rows: ArrayLike | None = None) -> float:
    """Accuracy on all test rows after the last session, A_last.

    Parameters, cost and exactness as in `accuracy_after_sessions`.

    Examples
    --------
    >>> from analytic_cl.metrics import last_accuracy
    >>> last_accuracy([[0.75, 0.0], [0.5, 1.0]])
    0.75
    """
    return float(accuracy_after_sessions(R, test_rows)[-1])


def average_incremental_accuracy(R: ArrayLike, test_rows: ArrayLike | None = None) -> float:
    """Mean over all sessions, the first included, of the accuracy on what was seen so far.

    Parameters, cost and exactness as in `accuracy_after_sessions`.

    Notes
    -----
    A downside: it is high where the first session is large and easy; publish `last_accuracy` beside it.

    References
    ----------
    S. Rebuffi et al., iCaRL, CVPR 2017. Some papers leave the first session out; we don't.

    Examples
    --------
    >>> from analytic_cl.metrics import average_incremental_accuracy
    >>> average_incremental_accuracy([[1.0, 0.0], [0.5, 1.0]])
    0.875
    """
    return float(accuracy_after_sessions(R, test_rows).mean())


def forgetting(R: ArrayLike, reference: str = "best") -> float:
    """How much accuracy on earlier sessions is lost in the end; two definitions are in use.

    Parameters
    ----------
    R : array-like of shape (n_sessions, n_sessions)
        Accuracies.
    reference : {"best", "first"}, default="best"
        What the last accuracy R[T, j] on an earlier session j is compared with: "best" is the best since it was learned
        and before the last session, max of R[l, j] over j <= l < T (Chaudhry et al.); "first" is R[j, j], as in
        avalanche-lib, and minus `backward_transfer`.

    Returns
    -------
    float
        Mean over the earlier sessions; negative where accuracy rose. NaN for one session.

    Notes
    -----
    Cost: O(n_sessions^2).

    Exactness: algebraic, 1e-15.

    A downside: a learner that never learned a session has nothing to forget; read it beside the accuracy.

    References
    ----------
    A. Chaudhry et al., Riemannian Walk, ECCV 2018, equation 3. continuum 1.2.7 leaves out the last of the earlier
    sessions and the last reference; some code puts the last session into the maximum, so that nothing is negative.

    Examples
    --------
    >>> from analytic_cl.metrics import forgetting
    >>> R = [[0.5, 0, 0], [0.75, 1.0, 0], [0.25, 0.75, 1.0]]
    >>> forgetting(R), forgetting(R, "first")
    (0.375, 0.25)
    """
    if reference not in ("best", "first"):
        raise ValueError(f'reference must be "best" or "first", got {reference!r}')
    R = _matrix(R)
    if len(R) == 1:
        return float("nan")
    if reference == "first":
        before = np.diag(R)[:-1]
    else:
        before = np.where(np.tri(len(R), dtype=bool), R, -np.inf)[:-1, :-1].max(axis=0)
    return float((before - R[-1, :-1]).mean())


def backward_transfer(R: ArrayLike, pairs: str = "last") -> float:
    """How much later sessions changed the accuracy on earlier ones: positive is a gain.

    Parameters
    ----------
    R : array-like of shape (n_sessions, n_sessions)
        Accuracies.
    pairs : {"last", "all"}, default="last"
        Mean of R[i, j] - R[j, j] over j < i for the last session i (GEM), or for all sessions i (Diaz-Rodriguez).

    Returns
    -------
    float
        NaN for one session.

    Notes
    -----
    Cost: O(n_sessions^2).

    Exactness: algebraic, 1e-15.

    A downside: as of `forgetting`.

    References
    ----------
    D. Lopez-Paz and M. Ranzato, GEM, NeurIPS 2017; N. Diaz-Rodriguez et al., Don't Forget, There Is More than
    Forgetting, 2018. continuum 1.2.7 leaves out all pairs (i, i - 1), but divides by the number of all pairs.

    Examples
    --------
    >>> from analytic_cl.metrics import backward_transfer
    >>> backward_transfer([[0.5, 0, 0], [0.75, 1.0, 0], [0.25, 0.75, 1.0]])
    -0.25
    """
    if pairs not in ("last", "all"):
        raise ValueError(f'pairs must be "last" or "all", got {pairs!r}')
    R = _matrix(R)
    if len(R) == 1:
        return float("nan")
    change = R - np.diag(R)
    return float(change[-1, :-1].mean() if pairs == "last" else change[np.tril_indices(len(R), -1)].mean())


def forward_transfer(R: ArrayLike, baseline: ArrayLike) -> float:
    """How much earlier sessions helped on sessions that are yet to be learned.

    Parameters
    ----------
    R : array-like of shape (n_sessions, n_sessions)
        Accuracies; R[j - 1, j], just above the diagonal, must be there.
    baseline : float or array-like of shape (n_sessions,)
        Accuracy of an untrained model on each session; the first is not used.

    Returns
    -------
    float
        Mean over j >= 1 of R[j - 1, j] - baseline[j]. NaN for one session.

    Notes
    -----
    Cost: O(n_sessions).

    Exactness: algebraic, 1e-15.

    A downside: in class-incremental scenarios a head can't predict classes it never saw: R[j - 1, j] is 0 by
    construction, and this says nothing. It is for domains and for streams that repeat.

    References
    ----------
    D. Lopez-Paz and M. Ranzato, GEM, NeurIPS 2017. continuum 1.2.7 has no baseline, and takes the mean of the entries
    below the diagonal.

    Examples
    --------
    >>> from analytic_cl.metrics import forward_transfer
    >>> forward_transfer([[1.0, 0.5, 0.25], [1.0, 1.0, 0.75], [1.0, 1.0, 1.0]], baseline=0.25)
    0.375
    """
    R = _matrix(R)
    n = len(R)
    base = numbers("baseline", np.full(n, baseline) if np.ndim(baseline) == 0 else baseline, (n,))
    above = np.diag(R, 1)
    if np.isnan(above).any():
        j = int(np.flatnonzero(np.isnan(above))[0])
        raise ValueError(f"forward transfer needs R just above the diagonal, but R[{j}, {j + 1}] is nan")
    return float((above - base[1:]).mean()) if n > 1 else float("nan")


def performance_drop(R: ArrayLike, test_rows: ArrayLike | None = None) -> float:
    """Accuracy after the first session minus accuracy after the last one, of few-shot class-incremental learning.

    Parameters, cost and exactness as in `accuracy_after_sessions`.

    Notes
    -----
    A downside: a bad first session makes it small.

    Examples
    --------
    >>> from analytic_cl.metrics import performance_drop
    >>> performance_drop([[1.0, 0.0], [0.5, 1.0]])
    0.25
    """
    after = accuracy_after_sessions(R, test_rows)
    return float(after[0] - after[-1])


class JointGap(NamedTuple):
    """By how much a learner is worse than one trained jointly on the same prefix: on average, at worst, at the end."""

    mean: float
    worst: float
    last: float


def gap_to_joint(accuracy: ArrayLike, joint: ArrayLike) -> JointGap:
    """Compare accuracies along a stream with those of a model trained jointly on the same prefix at each point.

    Parameters
    ----------
    accuracy, joint : array-like of shape (n_evaluations,)
        Of the learner, and of the joint model of the rows that the learner had seen by then.

    Returns
    -------
    JointGap
        Of joint - accuracy.

    Notes
    -----
    Cost: O(n_evaluations), after the joint models are trained.

    Exactness: algebraic, 1e-15; all three are 0 for a learner whose state doesn't depend on the order of rows. This is
    what tells its dips apart from those of others: they come from new competing classes alone.

    A downside: it needs a joint model at every point.

    Examples
    --------
    >>> from analytic_cl.metrics import gap_to_joint
    >>> gap_to_joint([1.0, 0.5, 0.5], [1.0, 1.0, 0.75])
    JointGap(mean=0.25, worst=0.5, last=0.25)
    """
    ours = numbers("accuracy", accuracy, (None,))
    gap = numbers("joint", joint, (len(ours),)) - ours
    return JointGap(float(gap.mean()), float(gap.max()), float(gap[-1]))


def _matrix(R: ArrayLike) -> Floats:
    """R as a square of floats that is known on and below the diagonal."""
    array = numbers("R", R, (None, None), gaps=True)
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"R must be square, accuracy after session i on session j; got shape {array.shape}")
    missing = np.argwhere(np.isnan(array) & np.tri(len(array), dtype=bool))
    if len(missing):
        i, j = missing[0]
        raise ValueError(f"R must be known on and below the diagonal, but R[{i}, {j}] is nan")
    return array
