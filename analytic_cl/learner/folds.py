"""Held-out rows from what was learned: states without a fold of the rows, by subtraction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl.learner.learner import Learner
from analytic_cl.ledger.siphash import siphash_rows
from analytic_cl.statistics import Int64s, LabelledState, Targets, repeated

N_FOLDS = 5
MOST = 20_000  # rows that are ever held out, of all folds


@dataclass(frozen=True)
class Fold:
    """Rows with their targets, and a state of all other rows."""

    state: LabelledState
    rows: NDArray[Any]
    targets: Targets


def keeps_all_rows(learner: Learner) -> bool:
    """Whether the ledger has the integers of every row."""
    return learner.ledger.kept.n_rows == learner.state.n_rows


def folds(learner: Learner) -> Iterator[Fold]:
    """Up to five folds. The rows of each class are dealt out in the order of a hash of their integers.

    So the order of arrival has no part in it, every class loses a fifth of its rows, and equal rows of a class, such as
    those that a weight stands for, are in one fold. Of more than 20,000 rows, those of the smallest hashes are held
    out, and the others are in every state. A fold that holds no row, or all rows, is left out.

    Raises ValueError where the ledger does not keep all rows.

    Exactness: the set of folds is a pure function of the rows that were learned; each state is that of learning the
    other rows.

    Cost: as learning the held-out rows once; one copy of the state at a time.
    """
    ledger = learner.ledger
    if not keeps_all_rows(learner):
        raise ValueError(
            f"folds need the learned rows, and the ledger keeps {ledger.kept.n_rows} of {learner.state.n_rows}: learn "
            'with track="rows", or with a sample_id for every row; or choose by a formula of the state, or a number'
        )
    whole = cast(LabelledState, learner.state)
    rows, codes, order, fold_of, times = deal(learner)
    for number in range(N_FOLDS):
        own = fold_of == number
        held = order[own]
        out, targets = repeated(
            rows[held], Targets(whole.labels, codes[held]).used(), None if times is None else times[own]
        )
        if 0 < len(out) < whole.n_rows:
            state = whole.copy()
            state.subtract(out, targets)
            yield Fold(state, out, targets)


class Dealt(NamedTuple):
    """All learned rows and the place of each one's label among the sorted ones; an order of the rows by class and hash,
    which is their own, and the fold of each in that order, -1 where a row is never held out; and, where some have a
    weight, how many of the equal rows that each stands for are held out.
    """

    rows: NDArray[Any]
    codes: NDArray[np.int64]
    order: NDArray[np.intp]
    fold_of: NDArray[np.int64]
    times: Int64s | None


def deal(learner: Learner) -> Dealt:
    """What a learner has learned, dealt out to folds; its ledger must keep all rows."""
    rows, targets, weights = learner.ledger.weighted_rows_of(learner.ledger.find_all())
    place = {value: at for at, value in enumerate(cast(LabelledState, learner.state).labels)}
    codes = np.array([place[value] for value in targets.values])[targets.codes]
    hashes = siphash_rows(rows.astype(rows.dtype.newbyteorder("<"), copy=False), np.zeros((len(rows), 2), np.uint64))
    order = np.lexsort((hashes[:, 0], hashes[:, 1], codes))
    sorted_codes, hashes = codes[order], hashes[order]
    first = np.lexsort((sorted_codes, hashes[:, 0], hashes[:, 1]))
    times = None if weights is None else _among_first(weights[order], first)
    held = np.sort(first[:MOST]) if times is None else np.flatnonzero(times)
    fold_of = np.full(len(rows), -1)
    fold_of[held] = (_ranks(sorted_codes[held], hashes[held]) + sorted_codes[held]) % N_FOLDS
    return Dealt(rows, codes, order, fold_of, times)


def _among_first(weights: Int64s, first: NDArray[np.intp]) -> Int64s:
    """Of rows that stand for several, how many are among the first of all, in some order."""
    times = np.zeros(len(weights), dtype=np.int64)
    before = np.cumsum(weights[first]) - weights[first]
    times[first] = np.clip(MOST - before, 0, weights[first])
    return times


def _ranks(codes: NDArray[np.int64], hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Place of each hash among the distinct ones of its code, both sorted: 0, 1, ..."""
    first = np.flatnonzero(np.diff(codes, prepend=-1))
    new = np.any(np.diff(hashes, axis=0, prepend=~hashes[:1]) != 0, axis=1)
    new[first] = True
    numbers = np.cumsum(new)
    return np.asarray(numbers - numbers[first][np.searchsorted(codes[first], codes)])
