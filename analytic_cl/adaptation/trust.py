"""Which unlabelled rows to believe in what a head says of them: pure functions of posteriors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def entropies(posteriors: ArrayLike) -> Floats:
    """Entropy of each row in nats, shape (n_samples,); posteriors of exactly 0 add nothing."""
    p = checked(posteriors)
    return np.asarray(-np.einsum("ij,ij->i", p, np.log(np.where(p > 0, p, 1.0))))


def reliable(posteriors: ArrayLike, share: float = 0.4) -> NDArray[np.bool_]:
    """Rows whose entropy is below a share of its largest value, ln n_classes (EATA's first test).

    Parameters
    ----------
    posteriors : array-like of shape (n_samples, n_classes)
        Calibrated ones: heads of many features are sure of everything as they are.
    share : float, default=0.4

    Returns
    -------
    ndarray of bool, shape (n_samples,)

    Raises
    ------
    ValueError
        Where rows are not probabilities.

    Notes
    -----
    Cost: n_samples n_classes. Exactness: a pure function of each row, bit for bit on one machine.

    References
    ----------
    Niu et al., Efficient test-time model adaptation without forgetting, ICML 2022. No difference.

    Examples
    --------
    >>> from analytic_cl.adaptation import trust
    >>> trust.reliable([[0.97, 0.02, 0.01], [0.6, 0.3, 0.1]]).tolist()
    [True, False]
    """
    p = checked(posteriors)
    return np.asarray(entropies(p) < share * np.log(p.shape[1]))


def not_redundant(posteriors: ArrayLike, mean: ArrayLike | None, eps: float = 1.5) -> NDArray[np.bool_]:
    """Rows that say something else than those before: small cosine to a running mean posterior (EATA's second test).

    Parameters
    ----------
    posteriors : array-like of shape (n_samples, n_classes)
    mean : array-like of shape (n_classes,) or None
        As of `running_mean`. None: nothing came before, and all rows pass.
    eps : float, default=1.5
        The largest cosine, in units of 1 / sqrt(n_classes), which is the cosine of a sure row to a mean over
        classes in equal numbers. EATA's constants for ImageNet, CIFAR-10 and CIFAR-100 are 1.6, 1.3 and 1.

    Returns
    -------
    ndarray of bool, shape (n_samples,)

    Raises
    ------
    ValueError
        Where rows are not probabilities, or `mean` is of other classes.

    Notes
    -----
    Cost: n_samples n_classes. Exactness: a pure function of each row and the mean; algebraic.

    References
    ----------
    As of `reliable`. There: eps as a cosine, to be chosen anew for every number of classes.

    Examples
    --------
    >>> from analytic_cl.adaptation import trust
    >>> trust.not_redundant([[1.0, 0.0], [0.0, 1.0]], mean=[0.9, 0.1], eps=1.0).tolist()
    [False, True]
    """
    p = checked(posteriors)
    if mean is None:
        return np.ones(len(p), dtype=np.bool_)
    centre = np.asarray(mean, dtype=np.float64)
    if centre.shape != (p.shape[1],):
        raise ValueError(f"mean has shape {centre.shape}, and posteriors have {p.shape[1]} classes")
    cosines = p @ centre / (np.linalg.norm(p, axis=1) * np.linalg.norm(centre))
    return np.asarray(np.abs(cosines) < eps / np.sqrt(p.shape[1]))


def running_mean(mean: ArrayLike | None, kept: ArrayLike, decay: float = 0.9) -> Floats | None:
    """The mean posterior that `not_redundant` takes, after rows that were kept; as it was where none were.

    Cost: n_samples n_classes. Exactness: depends on order: later batches count more.
    """
    p = np.asarray(kept, dtype=np.float64)
    if not len(p):
        return None if mean is None else np.asarray(mean, dtype=np.float64)
    now = checked(p).mean(axis=0)
    return np.asarray(now if mean is None else decay * np.asarray(mean, dtype=np.float64) + (1 - decay) * now)


def entropy_weights(posteriors: ArrayLike, share: float = 0.4) -> Floats:
    """exp(E_0 - H) of each row, E_0 being `share` of ln n_classes: what EATA weighs rows with, shape (n_samples,).

    Above 1 for reliable rows. Cost: n_samples n_classes. Exactness: as of `reliable`.
    """
    p = checked(posteriors)
    return np.asarray(np.exp(share * np.log(p.shape[1]) - entropies(p)))


def still_favoured(adapted: ArrayLike, source: ArrayLike) -> NDArray[np.bool_]:
    """Rows of which the adapted head is at least as sure of the unadapted head's class as that was.

    Rows of no learned class mostly become less sure, and so are told from those of learned ones.

    Parameters
    ----------
    adapted, source : array-like of shape (n_samples, n_classes)
        Posteriors after and before adapting.

    Returns
    -------
    ndarray of bool, shape (n_samples,)

    Raises
    ------
    ValueError
        Where rows are not probabilities, or the two are not of one shape.

    Notes
    -----
    Cost: n_samples n_classes. Exactness: a pure function of each row, bit for bit.

    References
    ----------
    Lee et al., Towards open-set test-time adaptation utilizing the wisdom of crowds in entropy minimization, ICCV 2023.
    There: of a network adapted by gradients; here of any two posteriors.

    Examples
    --------
    >>> from analytic_cl.adaptation import trust
    >>> trust.still_favoured(adapted=[[0.9, 0.1], [0.5, 0.5]], source=[[0.8, 0.2], [0.6, 0.4]]).tolist()
    [True, False]
    """
    after, before = checked(adapted), checked(source)
    if after.shape != before.shape:
        raise ValueError(f"adapted has shape {after.shape}, and source {before.shape}")
    own = np.arange(len(before)), before.argmax(axis=1)
    return np.asarray(after[own] >= before[own])


def checked(posteriors: ArrayLike) -> Floats:
    """Posteriors as float64, if they are some."""
    p = np.asarray(posteriors, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] < 1:
        raise ValueError(f"posteriors must have shape (n_samples, n_classes), got {p.shape}")
    wrong = np.flatnonzero(~((p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < 1e-6)))
    if wrong.size:
        raise ValueError(f"posteriors must be 0 or more and sum to 1 in each row; not so in row {wrong[0]}")
    return p
