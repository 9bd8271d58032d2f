"""Rows that count several times, in a time that hardly depends on how often."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._sparse import array_or_sparse
from analytic_cl.statistics.state import Change, State
from analytic_cl.statistics.targets import Targets
from analytic_cl.statistics.wide import Int64s

_WORTH_A_STATE = 16  # repeated rows for each time that a state is doubled, below which repeating costs less

_MOST_REPEATED = 2**24  # rows of a state that has to have them one by one
_MOST_TOLD = 4096  # rows that a cache is told of one by one


def repeated(
    rows: NDArray[Any], targets: Targets, weights: Int64s | None, most: int = _MOST_REPEATED
) -> tuple[NDArray[Any], Targets]:
    """Every row, and its target, as often as its weight says. Raises ValueError for too many."""
    if weights is None:
        return rows, targets
    n = int(weights.sum())
    if n > most:
        raise ValueError(f"weights of sum {n} stand for more rows than the {most} that can be held here one by one")
    return rows[np.repeat(np.arange(len(rows)), weights)], Targets(targets.values, np.repeat(targets.codes, weights))


class WeightedRows:
    """Integer rows with targets, each as often as its weight says, as one change of a state.

    Parameters
    ----------
    state : State
        Of the kind and quantizer that the rows are meant for; not changed.
    rows, targets
        As `State.add` takes them.
    weights : ndarray of int64, shape (n,), optional
        From 1 on, of a sum below 2^53; one each by default.

    Notes
    -----
    By Horner's scheme over the bits of the weights: an empty state is doubled, takes the rows whose highest bit is set,
    is doubled again, and so on; then it is merged as a whole, or unmerged. States that can't take out what was merged
    are handed repeated rows.

    Exactness: bit for bit that of repeated rows.

    Cost: that of as many rows as the weights have bits that are set, and of doubling a state once a bit. Memory: one
    more state.
    """

    def __init__(self, state: State, rows: NDArray[Any], targets: Targets, weights: Int64s | None = None) -> None:
        self._state: State | None = None
        self._weights = weights
        self.n_rows = targets.codes.size if weights is None else int(weights.sum())
        if weights is not None and state.can_unmerge and not _few(weights):
            self._rows, self._targets = array_or_sparse(rows), targets
            self._state = self._summed(state.empty(), weights)
        else:
            self._rows, self._targets = repeated(rows, targets, weights)

    def _summed(self, state: State, weights: Int64s) -> State:
        for bit in range(int(weights.max()).bit_length() - 1, -1, -1):
            if state.n_rows:
                self._double(state)
            chosen = np.flatnonzero((weights >> bit) & 1)
            if chosen.size:
                part = Targets(self._targets.values, self._targets.codes[chosen]).used()
                state.add(self._rows[chosen], part, from_quantizer=True)
        return state

    def _double(self, state: State) -> None:
        try:
            state.double()
        except ValueError as error:  # for want of room
            raise ValueError(f"weights of sum {self.n_rows} are too large: {error}") from error

    def check_learnable(self, state: State) -> None:
        """As `State.check_learnable`."""
        state.check_learnable(self._rows, self._targets)
        if self._state is not None:
            state.check_mergeable(self._state)

    def add(self, state: State) -> None:
        if self._state is None:
            state.add(self._rows, self._targets, from_quantizer=True)
        else:
            state.merge(self._state)

    def subtract(self, state: State) -> None:
        if self._state is None:
            state.subtract(self._rows, self._targets)
        else:
            state.unmerge(self._state)

    def undo(self, state: State, sign: int) -> None:
        """Undo an `add` (sign +1) or a `subtract` (sign -1) that just happened."""
        if self._state is None:
            state.undo(self._rows, self._targets, sign)
        elif sign > 0:
            state.unmerge(self._state)
        else:
            state.merge(self._state)

    def changes(self, sign: int) -> list[Change] | None:
        """What caches are told; None where that would be too many rows."""
        if self._state is None:
            return [Change(array_or_sparse(self._rows), self._targets, sign)]
        if self.n_rows > _MOST_TOLD:
            return None
        return [Change(*repeated(self._rows, self._targets, self._weights), sign)]


def _few(weights: Int64s) -> bool:
    """Whether repeating rows costs less than another state does."""
    bits = int(weights.max()).bit_length()
    more = int(weights.sum()) - int(np.bitwise_count(weights).sum(dtype=np.int64))
    return more <= _WORTH_A_STATE * (bits + 1)
