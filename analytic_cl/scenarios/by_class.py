"""Scenarios that choose sessions by class: incremental, few-shot, and recurring random subsets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl.scenarios.session import Encoded, Session, encoded, generator, rows_of_groups, sessions_of


def class_incremental(
    y: ArrayLike, n_sessions: int = 10, base: int = 0, seed: int = 0, *, increment: int = 0
) -> list[Session]:
    """Sessions that bring new classes each, all rows of a class at once.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels: integers, strings or booleans.
    n_sessions : int, default=10
        Number of sessions, the base session included.
    base : int, default=0
        Classes of the first session; 0 shares all classes out evenly. "B50 with 5 steps" is ``base=50, n_sessions=6``.
    seed : int, default=0
        Seed of the order of classes.
    increment : int, default=0
        Classes of each session after the base, instead of `n_sessions`; the last session may get fewer.

    Returns
    -------
    list of Session
        Every row once. Sizes in classes differ by at most one where the number of classes can't be divided (without
        `increment`); rows of a session are ascending.

    Raises
    ------
    ValueError
        If there are not enough classes for the sessions, or `y` holds no labels.

    Notes
    -----
    Cost: one sort of the labels, O(n log n).

    Exactness: bit for bit the same for one seed and version of NumPy, whose generators may change their streams.

    A downside: sessions whose classes never come back are the extreme case. Real streams repeat; see `si_blurry`.

    References
    ----------
    S. Rebuffi et al., iCaRL, CVPR 2017. Public implementations refuse numbers of classes that can't be divided; ours
    makes sessions that differ by one class.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import class_incremental
    >>> sessions = class_incremental(np.arange(100) % 10, n_sessions=6, base=5)
    >>> [len(session.new_classes) for session in sessions]
    [5, 1, 1, 1, 1, 1]
    """
    distinct, codes = encoded(y)
    groups = groups_of_classes(generator(seed).permutation(len(distinct)), n_sessions, base, increment)
    return sessions_of(Encoded(distinct, codes), rows_of_groups(codes, groups))


def groups_of_classes(order: NDArray[np.int64], n_sessions: int, base: int, increment: int) -> list[NDArray[np.int64]]:
    """Classes of each session, from an order of all: parameters as those of `class_incremental`."""
    n, base = len(order), as_integer("base", base, 0)
    increment = as_integer("increment", increment, 0)
    if base and base >= n:
        raise ValueError(f"base must leave classes for later sessions: it is {base} of {n} classes")
    groups, rest = ([order[:base]], order[base:]) if base else ([], order)
    if increment:
        return groups + np.split(rest, range(increment, len(rest), increment))
    later = as_integer("n_sessions", n_sessions, 2 if base else 1) - len(groups)
    if later > len(rest):
        where = f" after the base of {base}" if base else ""
        raise ValueError(f"n_sessions={n_sessions} needs {later} classes{where}; there are {len(rest)}")
    return groups + np.array_split(rest, later)


def few_shot_class_incremental(
    y: ArrayLike, base: int = 60, way: int = 5, shot: int = 5, seed: int = 0
) -> list[Session]:
    """A base session with all rows of its classes, then sessions of few new classes with few rows each.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels: integers, strings or booleans.
    base : int, default=60
        Classes of the base session.
    way : int, default=5
        New classes of each later session; must divide the classes after the base.
    shot : int, default=5
        Rows of each of them, drawn at random; the other rows of these classes are not used.
    seed : int, default=0
        Seed of the order of classes and of the rows.

    Returns
    -------
    list of Session
        The defaults on 100 classes give the usual 1 + 8 sessions.

    Raises
    ------
    ValueError
        If `way` doesn't divide the classes after the base, or a class has fewer than `shot` rows.

    Notes
    -----
    Cost: O(n log n).

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: results of published tables depend on the rows drawn, which they fix in files of indices; ours come from
    the seed. Report several.

    References
    ----------
    X. Tao et al., Few-Shot Class-Incremental Learning, CVPR 2020. They fix classes and rows; ours are drawn by seed.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import few_shot_class_incremental
    >>> sessions = few_shot_class_incremental(np.arange(1000) % 10, base=6, way=2, shot=5)
    >>> [len(session.train) for session in sessions]
    [600, 10, 10]
    """
    distinct, codes = encoded(y)
    n, counts = len(distinct), np.bincount(codes)
    base, way, shot = as_integer("base", base, 1, n), as_integer("way", way, 1), as_integer("shot", shot, 1)
    if (n - base) % way:
        raise ValueError(
            f"way={way} doesn't divide the {n - base} classes after a base of {base}; there are {n} classes"
        )
    random = generator(seed)
    order = random.permutation(n)
    scarce = [k for k in order[base:] if counts[k] < shot]
    if scarce:
        raise ValueError(f"shot={shot} needs {shot} rows a class; class {distinct[scarce[0]]} has {counts[scarce[0]]}")
    parts = rows_of_groups(codes, [order[:base]])
    for group in np.split(order[base:], range(way, n - base, way)) if n > base else []:
        chosen = [random.choice(np.flatnonzero(codes == k), shot, replace=False) for k in group]
        parts.append(np.sort(np.concatenate(chosen)))
    return sessions_of(Encoded(distinct, codes), parts)


def scole(y: ArrayLike, n_sessions: int = 100, classes_per_session: int = 2, seed: int = 0) -> list[Session]:
    """Sessions of random subsets of classes that come back again and again, with all their rows (SCoLe).

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels: integers, strings or booleans.
    n_sessions : int, default=100
        Number of sessions; up to 1,000 in the paper.
    classes_per_session : int, default=2
        Classes of each session, drawn uniformly, without replacement within a session.
    seed : int, default=0
        Seed of the draws.

    Returns
    -------
    list of Session
        Every row at most once in a session, but again in every session that has its class. Not all classes need to
        occur.

    Notes
    -----
    Cost: O(n n_sessions) at worst, for the rows of the result.

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: a head that is taught a row twice counts it twice; with sample ids it refuses. Learn only rows that are
    new, or mean the weights.

    References
    ----------
    T. Lesort et al., Challenging Common Assumptions about Catastrophic Forgetting, CoLLAs 2023. Uniform frequencies
    only; the paper also has decreasing ones.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import scole
    >>> [session.train.tolist() for session in scole(np.arange(6) % 3, n_sessions=3, seed=3)]
    [[0, 1, 3, 4], [0, 2, 3, 5], [1, 2, 4, 5]]
    """
    distinct, codes = encoded(y)
    size = as_integer("classes_per_session", classes_per_session, 1, len(distinct))
    random = generator(seed)
    draws = [random.choice(len(distinct), size, replace=False) for _ in range(as_integer("n_sessions", n_sessions, 1))]
    of_class = rows_of_groups(codes, list(np.arange(len(distinct))[:, None]))
    trains = (np.sort(np.concatenate([of_class[k] for k in draw])) for draw in draws)
    return sessions_of(Encoded(distinct, codes), trains)
