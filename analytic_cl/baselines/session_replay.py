"""Sessions of labelled rows, replayed as L3A learns them: by integer weights, with labels made up on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers import LinearMap
from analytic_cl.solvers.spd import Floats, solve_spd
from analytic_cl.solvers.units import scatter_matrix
from analytic_cl.statistics import (
    ClassGroups,
    Int64s,
    LabelSetGroups,
    LabelSetMoments,
    Targets,
    WeightedRows,
    membership,
)

STEPS = 256  # of a weight of 1: weights are integers of 1/256, so that sums do not depend on the order of rows
_BLOCK = 4096  # rows that are scored at a time

Flags = NDArray[np.bool_]


class Sessions:
    """Integer rows by session, with the labels that they were learned with.

    A row is of the last session that one of its labels came with; rows without any are left out.

    Parameters
    ----------
    state : ClassGroups or LabelSetGroups
        Which labels came together.
    rows, targets, times
        All that it learned: as a ledger gives rows with their weights.
    """

    def __init__(
        self, state: ClassGroups | LabelSetGroups, rows: NDArray[Any], targets: Targets, times: Int64s | None
    ) -> None:
        self.quantizer, self.n_labels = state.quantizer, len(state.labels)
        self._rows, self._codes, self._times = rows, targets.codes, times
        sets = [value if isinstance(value, frozenset) else frozenset([value]) for value in targets.values]
        self._has = membership(sets, state.labels).toarray().astype(bool)
        number = {label: at for at, group in enumerate(state.groups) for label in group}
        self.of_label = np.array([number[label] for label in state.labels], dtype=np.int64)
        self._of_value = np.array([max((number[label] for label in each), default=-1) for each in sets])

    def __len__(self) -> int:
        return int(self.of_label.max(initial=-1)) + 1

    def rows(self, number: int) -> tuple[NDArray[Any], Flags, Int64s]:
        """Of one session: its rows, which labels each has, and how often each counts."""
        chosen = np.flatnonzero(self._of_value[self._codes] == number)
        times = np.ones(len(chosen), dtype=np.int64) if self._times is None else self._times[chosen]
        return self._rows[chosen], self._has[self._codes[chosen]], times


def last_of_sessions(sessions: Sessions, alpha: float, weighting: float, sure: float) -> Floats:
    """Weights after the last session, shape (n_labels, width), for dequantised rows and targets of 0 and 1.

    Rows get an older label where their score by the weights before the session is above `sure`.

    Cost: a session d^3 / 3 + 2 n_labels d^2, and 2 n_labels d a row; rows are learned with weights of about 8 bits.
    """
    so_far, counts = LabelSetMoments(sessions.quantizer), np.zeros(sessions.n_labels, dtype=np.int64)
    coef = np.zeros((sessions.n_labels, sessions.quantizer.width))
    for number in range(len(sessions)):
        rows, own, times = sessions.rows(number)
        if not len(rows):
            continue
        counts += times @ own
        labels = own
        if number and np.isfinite(sure):
            labels = own | (_scores(sessions, rows, coef) > sure) & (sessions.of_label < number)
        weights = times * np.maximum(1, np.rint(STEPS * rarity(own, counts, weighting))).astype(np.int64)
        distinct, codes = np.unique(labels, axis=0, return_inverse=True)
        sets = [frozenset(np.flatnonzero(row).tolist()) for row in distinct]
        WeightedRows(so_far, rows, Targets(sets, codes.ravel()), weights).add(so_far)
        if np.isfinite(sure) or number == len(sessions) - 1:
            coef = _solved(so_far, sessions.n_labels, alpha)
    return coef


def rarity(own: Flags, counts: Int64s, weighting: float) -> Floats:
    """The mean of a row's own labels' r_k = K n_k^-weighting / sum_j n_j^-weighting, over the K labels with rows."""
    met = counts > 0
    rates = np.where(met, np.maximum(counts, 1.0) ** -weighting, 0.0)
    rates *= met.sum() / rates.sum()
    return np.asarray((own @ rates) / own.sum(axis=1))


def _solved(so_far: LabelSetMoments, n_labels: int, alpha: float) -> Floats:
    """(A + alpha I)^-1 C of what was learned with integer weights."""

    def matrix() -> Floats:
        a = scatter_matrix(so_far.all_rows, "origin", 1 / STEPS)
        a[np.diag_indices_from(a)] += alpha
        return a

    quantizer = so_far.quantizer
    cross = (quantizer.step * so_far.sums + np.outer(so_far.counts, quantizer.offset)) / STEPS
    coef = np.zeros((n_labels, quantizer.width))
    coef[np.array(so_far.labels, dtype=np.int64)] = solve_spd(matrix(), np.asfortranarray(cross.T), matrix).T
    return coef


def _scores(sessions: Sessions, rows: NDArray[Any], coef: Floats) -> Floats:
    origin, offset = np.zeros(sessions.quantizer.width, dtype=np.int64), sessions.quantizer.offset
    scores = LinearMap(sessions.quantizer, origin, coef, coef @ offset)
    parts = [scores.of(rows[start : start + _BLOCK]) for start in range(0, len(rows), _BLOCK)]
    return np.concatenate(parts)
