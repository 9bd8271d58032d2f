"""Scenarios with blurry borders between sessions: i-Blurry and its stochastic version, Si-Blurry."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl.scenarios.session import Encoded, Session, encoded, generator, rows_of_groups, sessions_of

Groups = list[NDArray[np.int64]]


def si_blurry(
    y: ArrayLike,
    n_sessions: int = 5,
    disjoint: int = 50,
    blurry: int = 10,
    seed: int = 0,
    *,
    drop_remainder: bool = False,
    blur_first_rows: bool = False,
) -> list[Session]:
    """Sessions of random sizes; some classes belong to one session, the rows of the others leak into all (Si-Blurry).

    Disjoint and blurry classes are cut into sessions at random places. Of the rows of blurry classes, some are taken
    from each session into a pool, shuffled, and handed back to the sessions in other random amounts.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels: integers, strings or booleans.
    n_sessions : int, default=5
        Number of sessions.
    disjoint : int, default=50
        Per cent of the classes that belong to one session only ("N").
    blurry : int, default=10
        Per cent of the rows of the other classes that go through the pool ("M"). Public code calls N and M n and m, and
        some copies describe them the wrong way round.
    seed : int, default=0
        Seed of everything random.
    drop_remainder : bool, default=False
        As published: round the numbers of disjoint and of blurry classes down to multiples of `n_sessions`, and use
        no row of the classes that are left over.
    blur_first_rows : bool, default=False
        As published: take the first rows of a session, in the order of the data, into the pool, not random ones.

    Returns
    -------
    list of Session
        Every row once (without `drop_remainder`), shuffled within its session. Sizes differ widely, and a session may
        have no rows at all.

    Notes
    -----
    Cost: O(n log n).

    Exactness: bit for bit the same for one seed and version of NumPy; in distribution the published sampler with both
    options on.

    A downside: sizes vary by a factor of eight within one stream and from seed to seed; compare methods on the same
    seeds, and report several. Where a session has fewer rows than are to be taken from it, the pool is short and the
    last sessions get fewer rows back: so published, and kept.

    References
    ----------
    J. Moon et al., Online Class Incremental Learning on Stochastic Blurry Task Boundary via Mask and Visual Prompt
    Tuning, ICCV 2023. Written from the description. Public code passes its arguments in the wrong places, so that its
    static variant never runs; ours is `i_blurry`.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import si_blurry
    >>> sessions = si_blurry(np.arange(1000) % 20, seed=1)
    >>> [len(session.train) for session in sessions], sum(len(session.train) for session in sessions)
    ([100, 100, 150, 450, 200], 1000)
    """
    names, n, k = _classes_of(y, n_sessions, disjoint, blurry)
    random = generator(seed)
    n_disjoint = n * disjoint // 100
    n_blurry = n - n_disjoint
    if drop_remainder:
        n_disjoint = n_disjoint // k * k
        n_blurry = (n - n_disjoint) // k * k
    order = random.permutation(n)
    own = np.split(order[:n_disjoint], _cuts(random, n_disjoint, k))
    shared = np.split(order[n_disjoint : n_disjoint + n_blurry], _cuts(random, n_blurry, k))
    borrowed = rows_of_groups(names.codes, shared)
    if not blur_first_rows:
        borrowed = [random.permutation(rows) for rows in borrowed]
    n_pool = blurry * sum(map(len, borrowed)) // 100
    quotas = np.diff(_cuts(random, n_pool, k), prepend=0, append=n_pool)
    return _mixed(random, names, rows_of_groups(names.codes, own), borrowed, quotas, np.cumsum(quotas)[:-1])


def i_blurry(y: ArrayLike, n_sessions: int = 5, disjoint: int = 50, blurry: int = 10, seed: int = 0) -> list[Session]:
    """Sessions of equally many classes; some classes belong to one session, rows of the others leak (i-Blurry).

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels: integers, strings or booleans.
    n_sessions : int, default=5
        Number of sessions.
    disjoint : int, default=50
        Per cent of the classes that belong to one session only ("N").
    blurry : int, default=10
        Per cent of the rows of the other classes, in each session, that are shared out evenly over all sessions ("M").
    seed : int, default=0
        Seed of everything random.

    Returns
    -------
    list of Session
        Every row once, shuffled within its session. Numbers of classes differ by at most one of each kind.

    Notes
    -----
    Cost: O(n log n).

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: every session is of about the same size, which streams are not; see `si_blurry`.

    References
    ----------
    H. Koh et al., Online Continual Learning on Class Incremental Blurry Task Configuration with Anytime Inference, ICLR
    2022. They fix the splits in files; ours come from the seed, and keep classes that can't be shared out evenly.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import i_blurry
    >>> [len(session.train) for session in i_blurry(np.arange(1000) % 20)]
    [200, 200, 200, 200, 200]
    """
    names, n, k = _classes_of(y, n_sessions, disjoint, blurry)
    random = generator(seed)
    order = random.permutation(n)
    n_disjoint = n * disjoint // 100
    own = np.array_split(order[:n_disjoint], k)
    shared = np.array_split(order[n_disjoint:], k)[::-1]  # so that classes too many don't meet in the first sessions
    borrowed = [random.permutation(rows) for rows in rows_of_groups(names.codes, shared)]
    taken = np.array([blurry * len(rows) // 100 for rows in borrowed])
    back = np.cumsum([len(part) for part in np.array_split(np.arange(taken.sum()), k)])[:-1]
    return _mixed(random, names, rows_of_groups(names.codes, own), borrowed, taken, back)


def _classes_of(y: ArrayLike, n_sessions: int, disjoint: int, blurry: int) -> tuple[Encoded, int, int]:
    as_integer("disjoint", disjoint, 0, 100)
    as_integer("blurry", blurry, 0, 100)
    names = encoded(y)
    return names, len(names.labels), as_integer("n_sessions", n_sessions, 1, len(names.labels))


def _cuts(random: np.random.Generator, n: int, parts: int) -> NDArray[np.int64]:
    """Places in [0, n) that cut n things into parts at random; parts may be empty, but not the last one."""
    return np.sort(random.integers(0, max(n, 1), parts - 1))


def _mixed(
    random: np.random.Generator,
    names: Encoded,
    own: Groups,
    shared: Groups,
    taken: NDArray[np.int64],
    back: NDArray[np.int64],
) -> list[Session]:
    """Take the first `taken` of each session's shared rows into a pool, hand it back shuffled, cut at `back`."""
    pool = random.permutation(np.concatenate([rows[:q] for rows, q in zip(shared, taken, strict=True)]))
    handed = np.split(pool, back)
    parts = [
        random.permutation(np.concatenate([mine, rows[q:], gift]))
        for mine, rows, q, gift in zip(own, shared, taken, handed, strict=True)
    ]
    return sessions_of(names, parts)
