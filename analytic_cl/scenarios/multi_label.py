"""Sessions of rows with any number of labels each, of which a session knows its own alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analytic_cl.scenarios.by_class import groups_of_classes
from analytic_cl.scenarios.session import Session, generator, indicator


def multi_label(
    y: ArrayLike, n_sessions: int = 10, base: int = 0, seed: int = 0, *, increment: int = 0
) -> list[Session]:
    """Class-incremental sessions of rows with several labels: the labels of all other sessions are absent.

    A session has all rows with at least one of its labels, so a row with labels of several sessions comes again.
    `Session.own_labels` gives what a session knows of its rows.

    Parameters
    ----------
    y : array-like or SciPy sparse matrix of shape (n_rows, n_labels)
        An indicator matrix of 0 and 1; a sparse one is made dense. Labels are the numbers of its columns; columns
        without rows are left out.
    n_sessions : int, default=10
        Number of sessions, the base session included.
    base : int, default=0
        Labels of the first session; 0 shares all labels out evenly.
    seed : int, default=0
        Seed of the order of labels.
    increment : int, default=0
        Labels of each session after the base, instead of `n_sessions`; the last session may get fewer. COCO's
        "B40-C10" is ``base=40, increment=10``.

    Returns
    -------
    list of Session
        ``new_classes`` are the labels of the session. Rows are ascending; those without any label are in no session.

    Raises
    ------
    ValueError
        If there are not enough labels for the sessions, or `y` is no indicator matrix.

    Notes
    -----
    Cost: O(n_rows n_labels).

    Exactness: bit for bit the same for one seed and version of NumPy.

    A downside: a head that is taught a row twice counts it twice. With sample ids, `add_label` of `LDAClassifier` and
    `RLSClassifier` gives a row that is known its further labels, and ends in the state of joint training.

    References
    ----------
    De Min et al., MULTI-LANE, CoLLAs 2024, and Zhang et al., L3A, ICML 2025. There: labels in the order of their names;
    here in one that the seed draws.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import multi_label
    >>> y = np.array([[1, 1, 0], [0, 0, 1], [0, 1, 1], [0, 0, 0]])
    >>> first, second = multi_label(y, n_sessions=2)
    >>> first.new_classes, first.train
    (array([0, 2]), array([0, 1, 2]))
    >>> first.own_labels(y).tolist()
    [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    >>> second.train
    array([0, 2])
    """
    has = indicator(y)
    labels = np.flatnonzero(has.any(axis=0))
    order = generator(seed).permutation(labels)
    sessions, seen = [], np.zeros(0, dtype=np.int64)
    for i, group in enumerate(groups_of_classes(order, n_sessions, base, increment)):
        own, seen = np.sort(group), np.union1d(seen, group)
        rows = np.flatnonzero(has[:, own].any(axis=1)).astype(np.int64)
        sessions.append(Session(f"session {i + 1}", rows, own, seen))
    return sessions
