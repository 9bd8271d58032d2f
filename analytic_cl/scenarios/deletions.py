"""Continual forgetting: deletion requests between the sessions of a scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl.scenarios.by_class import class_incremental
from analytic_cl.scenarios.session import (
    DeletionRequest,
    Rows,
    Session,
    encoded,
    generator,
    labels_of,
    one_a_row,
    sessions_of,
)

WHATS = ("rows", "classes", "subjects")


def continual_forgetting(
    y: ArrayLike,
    n_sessions: int = 10,
    what: str = "rows",
    amount: int = 1,
    seed: int = 0,
    *,
    subjects: ArrayLike | None = None,
    sessions: Sequence[Session] | None = None,
) -> list[Session]:
    """After every session someone asks for rows to be forgotten: random rows classes, or all of a subject.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels: integers, strings or booleans.
    n_sessions : int, default=10
        Sessions of the class-incremental scenario (same `seed`) that the requests are added to.
    what : {"rows", "classes", "subjects"}, default="rows"
        What a request names.
    amount : int, default=1
        Rows, classes or subjects to be forgotten after each session, drawn from what was learned and is not forgotten.
        Rows make one request together, classes and subjects one each.
    seed : int, default=0
        Seed of the draws.
    subjects : array-like of shape (n_rows,), optional
        Whom each row is about; for ``what="subjects"``.
    sessions : sequence of Session, optional
        Another scenario over the same `y`, instead of the class-incremental one. Requests it has already come first.

    Returns
    -------
    list of Session
        With `requests`. A row that was forgotten is never learned again; other rows of a forgotten class or subject
        may come later where the scenario has them, since nobody had asked for them.

    Raises
    ------
    ValueError
        If a session's requests would leave nothing learned, or subjects are missing.

    Notes
    -----
    Cost: O(n) a session.

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: people don't ask at random. Requests drawn uniformly are mostly about ordinary rows, which are the
    easiest ones for approximate methods.

    References
    ----------
    H. Zhao et al., Continual Forgetting for Pre-trained Vision Models, CVPR 2024. They forget groups of classes between
    no other learning; ours learns on, and forgets rows and subjects too.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import continual_forgetting
    >>> for session in continual_forgetting(np.arange(12) % 4, n_sessions=2, what="classes"):
    ...     print(session.new_classes, [(request.reason, request.rows) for request in session.requests])
    [0 2] [('class 2', array([ 2,  6, 10]))]
    [1 3] [('class 0', array([0, 4, 8]))]
    """
    if what not in WHATS:
        raise ValueError(f"what must be one of {', '.join(WHATS)}; got {what!r}")
    y = labels_of(y)
    if what == "subjects" and subjects is None:
        raise ValueError('what="subjects" needs subjects: an array with one value a row')
    whom = (
        y if subjects is None or what != "subjects" else labels_of(one_a_row(subjects, "subjects", len(y)), "subjects")
    )
    amount, random = as_integer("amount", amount, 1), generator(seed, 2)
    given = class_incremental(y, n_sessions, seed=seed) if sessions is None else sessions
    held, forgotten = np.zeros(len(y), dtype=bool), np.zeros(len(y), dtype=bool)
    trains: list[Rows] = []
    requests: list[tuple[DeletionRequest, ...]] = []
    for session in given:
        trains.append(session.train[~forgotten[session.train]])
        held[trains[-1]] = True
        earlier = [DeletionRequest(request.rows[held[request.rows]], request.reason) for request in session.requests]
        for request in earlier:
            _forget(request, held, forgotten)
        drawn = _draw(random, np.flatnonzero(held), whom, what, amount, session.name)
        for request in drawn:
            _forget(request, held, forgotten)
        requests.append((*earlier, *drawn))
    return sessions_of(
        encoded(y), trains, [session.name for session in given], [session.test for session in given], requests
    )


def _forget(request: DeletionRequest, held: NDArray[np.bool_], forgotten: NDArray[np.bool_]) -> None:
    held[request.rows] = False
    forgotten[request.rows] = True


def _draw(
    random: np.random.Generator, rows: Rows, whom: NDArray[Any], what: str, amount: int, name: str
) -> list[DeletionRequest]:
    """Requests about some of the rows that are learned; `whom` names the class or subject of each row."""
    choices: NDArray[Any] = rows if what == "rows" else np.unique(whom[rows])
    if amount >= len(choices):
        raise ValueError(f"amount={amount} would leave nothing learned: after {name} there are {len(choices)} {what}")
    chosen = np.sort(random.choice(choices, amount, replace=False))
    if what == "rows":
        return [DeletionRequest(chosen, "random rows")]
    kind = "class" if what == "classes" else "subject"
    return [DeletionRequest(rows[whom[rows] == value], f"{kind} {value}") for value in chosen]
