"""Streams of test rows whose classes come in other shares, or in another order, than the learned ones did."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl.scenarios.session import Rows, encoded, generator

Floats = NDArray[np.float64]


class ShiftedBatch(NamedTuple):
    """Indices of test rows that come together, and the class frequencies that they were drawn with.

    `priors` has one share for each class of `y`, sorted.
    """

    rows: Rows
    priors: Floats


def label_shift(
    y: ArrayLike, n_batches: int = 10, batch_size: int = 200, concentration: float = 0.1, seed: int = 0
) -> list[ShiftedBatch]:
    """Batches whose class frequencies are one draw from a Dirichlet distribution.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels of the test rows.
    n_batches, batch_size : int
        How many batches, of how many rows. Rows are drawn with replacement: few classes may need more than there are.
    concentration : float > 0, default=0.1
        Of the Dirichlet distribution: 0.1 leaves a tenth of the classes with most of the rows; 10 is mild.
    seed : int, default=0
        Of frequencies and rows.

    Returns
    -------
    list of ShiftedBatch
        All with the same frequencies.

    Notes
    -----
    Cost: O(n_rows log n_rows).

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: rows that repeat make the noise of accuracies larger than their number says.

    References
    ----------
    Lipton, Wang and Smola, Detecting and correcting for label shift with black box predictors, ICML 2018. No
    difference.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import label_shift
    >>> y = np.arange(1000) % 10
    >>> batch = label_shift(y, n_batches=1, batch_size=500, seed=1)[0]
    >>> np.bincount(y[batch.rows], minlength=10).tolist()
    [1, 0, 406, 0, 49, 3, 0, 2, 0, 39]
    """
    return _drawn(y, n_batches, batch_size, concentration, seed, moving=False)


def gradual_shift(
    y: ArrayLike, n_batches: int = 10, batch_size: int = 200, concentration: float = 0.1, seed: int = 0
) -> list[ShiftedBatch]:
    """Batches whose class frequencies move from those of `y` to a draw from a Dirichlet distribution, step by step.

    Parameters, returned value and notes as in `label_shift`; `priors` differ from batch to batch.

    Notes
    -----
    Cost, exactness and downside as in `label_shift`.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import gradual_shift
    >>> batches = gradual_shift(np.arange(100) % 4, n_batches=5, batch_size=40)
    >>> batches[0].priors.tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return _drawn(y, n_batches, batch_size, concentration, seed, moving=True)


def _drawn(
    y: ArrayLike, n_batches: int, batch_size: int, concentration: float, seed: int, moving: bool
) -> list[ShiftedBatch]:
    labels, codes = encoded(y)
    n = as_integer("n_batches", n_batches, 1)
    size = as_integer("batch_size", batch_size, 1)
    random = generator(seed, 2)
    shares = random.dirichlet(np.full(len(labels), _positive("concentration", concentration)))
    start = np.bincount(codes) / len(codes)
    members = [np.flatnonzero(codes == code) for code in range(len(labels))]
    batches = []
    for place in np.linspace(0, 1, n) if moving and n > 1 else np.ones(n):
        priors = (1 - place) * start + place * shares
        drawn = random.choice(len(labels), size=size, p=priors)
        rows = np.array([members[code][random.integers(len(members[code]))] for code in drawn.tolist()], np.int64)
        batches.append(ShiftedBatch(rows, priors))
    return batches


def correlated(
    y: ArrayLike, batch_size: int = 64, concentration: float = 0.1, n_slots: int | None = None, seed: int = 0
) -> list[Rows]:
    """Every row once, in batches of neighbouring times that hold few classes each.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels of the test rows.
    batch_size : int, default=64
        Rows of a batch; the last may have fewer.
    concentration : float > 0, default=0.1
        How the rows of a class spread over the slots of time: small: nearly all in one; large: evenly.
    n_slots : int, optional
        Slots of time; by default as many as there are classes.
    seed : int, default=0

    Returns
    -------
    list of ndarray of int64

    Notes
    -----
    Cost: O(n_rows log n_rows).

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: over all batches classes are as frequent as in `y`, so a method that looks back far sees no shift.

    References
    ----------
    Gong et al., NOTE: Robust continual test-time adaptation against temporal correlation, NeurIPS 2022. There: slots of
    fixed size.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import correlated
    >>> y = np.arange(600) % 6
    >>> [len(np.unique(y[rows])) for rows in correlated(y, batch_size=100, concentration=0.01)]
    [1, 1, 3, 4, 3, 3]
    """
    labels, codes = encoded(y)
    size = as_integer("batch_size", batch_size, 1)
    slots = as_integer("n_slots", len(labels) if n_slots is None else n_slots, 1)
    random = generator(seed, 3)
    spread = _positive("concentration", concentration)
    slot_of = np.empty(len(codes), dtype=np.int64)
    for code in range(len(labels)):
        members = np.flatnonzero(codes == code)
        shares = random.dirichlet(np.full(slots, spread))
        slot_of[members] = random.choice(slots, size=len(members), p=shares)
    order = np.lexsort((random.random(len(codes)), slot_of))
    return [rows.astype(np.int64) for rows in np.split(order, range(size, len(order), size))]


def relabelled(y: ArrayLike, share: float = 0.5, seed: int = 0) -> NDArray[np.generic]:
    """Labels of which a share of the classes have changed places: the concept shifts, the rows stay.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels.
    share : float from 0 to 1, default=0.5
        Of the classes. Each of them gets the name of the next one; fewer than two classes change nothing.
    seed : int, default=0
        Which classes.

    Returns
    -------
    ndarray of shape (n_rows,)

    Notes
    -----
    Cost: O(n_rows log n_rows).

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: no method without labels can follow this; it tells those that stay put from those that make it worse.

    Examples
    --------
    >>> from analytic_cl.scenarios import relabelled
    >>> relabelled(["a", "b", "c", "a"], share=1.0).tolist()
    ['b', 'c', 'a', 'b']
    """
    labels, codes = encoded(y)
    if isinstance(share, bool) or not 0 <= share <= 1:
        raise ValueError(f"share must be a number from 0 to 1, got {share!r}")
    names = np.arange(len(labels))
    moved = np.sort(generator(seed, 4).permutation(len(labels))[: round(share * len(labels))])
    names[moved] = np.roll(moved, -1)
    return np.asarray(labels[names[codes]])


def _positive(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    return float(value)
