"""Scenarios that choose sessions by domain, by time, or as one pass in mini-batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from analytic_cl._integers import as_integer
from analytic_cl.scenarios.session import (
    DeletionRequest,
    Rows,
    Session,
    encoded,
    generator,
    labels_of,
    one_a_row,
    rows_of_groups,
    sessions_of,
)
from analytic_cl.scenarios.times import in_order_of


def domain_incremental(y: ArrayLike, domains: ArrayLike, seed: int | None = None) -> list[Session]:
    """One session a domain: a site, a device, a style. Classes mostly stay the same.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels: integers, strings or booleans.
    domains : array-like of shape (n_rows,)
        The domain of each row.
    seed : int, optional
        Seed of the order of domains. None, the default, keeps the order in which they first occur.

    Returns
    -------
    list of Session
        Every row once; the name of a session is its domain as a string.

    Notes
    -----
    Cost: O(n log n).

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: test rows need domains of their own; `Session.test_rows` looks at classes only.

    References
    ----------
    G. van de Ven et al., Three Types of Incremental Learning, Nature Machine Intelligence 2022. No difference.

    Examples
    --------
    >>> from analytic_cl.scenarios import domain_incremental
    >>> for session in domain_incremental([0, 1, 0, 1], ["photo", "sketch", "photo", "photo"]):
    ...     print(session.name, session.train, session.new_classes)
    photo [0 2 3] [0 1]
    sketch [1] []
    """
    names = encoded(y)
    domains = labels_of(one_a_row(domains, "domains", len(names.codes)), "domains")
    distinct, first, codes = np.unique(domains, return_index=True, return_inverse=True)
    order = np.argsort(first) if seed is None else generator(seed).permutation(len(distinct))
    return sessions_of(names, rows_of_groups(codes, list(order[:, None])), [str(distinct[k]) for k in order])


def time_ordered(y: ArrayLike, times: ArrayLike, n_sessions: int = 10) -> list[Session]:
    """Blocks in the order of time, each to be predicted first and learned afterwards (prequential evaluation).

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels: integers, strings or booleans.
    times : array-like of shape (n_rows,)
        When each row came: numbers, datetime64, dates or datetimes (with time zones: compared as moments), or text,
        which is sorted by characters: write 2026-01-31 09:05. Rows of equal time stay in order.
    n_sessions : int, default=10
        Number of blocks; sizes differ by at most one row.

    Returns
    -------
    list of Session
        Every row once in `train`. `test` is the same block, but empty for the first, when nothing is learned yet.

    Raises
    ------
    ValueError
        If a time is missing (NaN or NaT), text is plainly a time but does not sort as one ("9:00" comes after "10:00"),
        some times have a zone and others none, or there are fewer rows than blocks.

    Notes
    -----
    Cost: one sort.

    Exactness: bit for bit; nothing is random.

    A downside: rows of one block are predicted before any of them is learned, as if all labels came at its end; more,
    smaller blocks come closer to a label after every row. Blocks may divide rows of equal time.

    References
    ----------
    J. Gama et al., On Evaluating Stream Learning Algorithms, Machine Learning 2013. In blocks instead of single rows.

    Examples
    --------
    >>> from analytic_cl.scenarios import time_ordered
    >>> for session in time_ordered(["a", "b", "a", "b"], [2021, 2024, 2022, 2023], n_sessions=2):
    ...     print(session.test, session.train)
    [] [0 2]
    [3 1] [3 1]
    """
    names = encoded(y)
    times = one_a_row(times, "times", len(names.codes))
    blocks = np.array_split(in_order_of(times), as_integer("n_sessions", n_sessions, 1, len(times)))
    return sessions_of(names, blocks, tests=[blocks[0][:0], *blocks[1:]])


def online(
    y: ArrayLike, batch_size: int = 64, seed: int = 0, *, sessions: Sequence[Session] | None = None
) -> list[Session]:
    """One pass in mini-batches: every batch is a session.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels: integers, strings or booleans.
    batch_size : int, default=64
        Rows of a batch; the last batch of a session may have fewer.
    seed : int, default=0
        Seed of the order of rows.
    sessions : sequence of Session, optional
        Of another scenario over the same `y`: each is shuffled and cut into batches by itself. Without, all rows are.

    Returns
    -------
    list of Session
        Every row of the given sessions once. The requests of a session stay with its last batch, rows to predict with
        its first.

    Notes
    -----
    Cost: O(n), and O(n_classes) a batch.

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: names tell where a given session ends ("session 2, batch 7"); nothing else does.

    References
    ----------
    R. Aljundi et al., Gradient Based Sample Selection for Online Continual Learning, NeurIPS 2019. No difference.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import class_incremental, online
    >>> y = np.arange(10) % 4
    >>> [len(batch.train) for batch in online(y, 4)]
    [4, 4, 2]
    >>> [batch.name for batch in online(y, 5, sessions=class_incremental(y, 2))]
    ['session 1, batch 1', 'session 2, batch 1']
    """
    classes = encoded(y)
    size = as_integer("batch_size", batch_size, 1)
    random = generator(seed, 1)
    given = (
        [Session("", np.arange(len(classes.codes)), classes.labels, classes.labels)] if sessions is None else sessions
    )
    trains: list[Rows] = []
    names: list[str] = []
    tests: list[Rows] = []
    requests: list[tuple[DeletionRequest, ...]] = []
    for session in given:
        batches = np.split(random.permutation(session.train), range(size, len(session.train), size))
        prefix = f"{session.name}, " if session.name else ""
        trains += batches
        names += [f"{prefix}batch {i + 1}" for i in range(len(batches))]
        tests += [session.test] + [session.test[:0]] * (len(batches) - 1)
        requests += [()] * (len(batches) - 1) + [session.requests]
    return sessions_of(classes, trains, names, tests, requests)
