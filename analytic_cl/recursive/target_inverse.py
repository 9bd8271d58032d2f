"""The inverse of ridge on numeric targets and its weights, under rows that come and go.

With centring, means m and v of n rows and targets and u = x - m, a row x with target y that comes (s = +1) or goes
(s = -1) changes A by r u u^T and B by r u (y - v)^T, r = s n / (n + s); without centring by s x x^T and s x y^T.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from analytic_cl.recursive.low_rank import BLOCK, LowRankInverse, running
from analytic_cl.solvers import regularised, target_cross
from analytic_cl.solvers.spd import Floats, factor_spd
from analytic_cl.statistics import RegressionMoments


class TargetInverse(LowRankInverse):
    """The inverse, with one row of weights an output.

    Exactness and cost as `LowRankInverse`.
    """

    _OWN = (*LowRankInverse._OWN, "total", "targets")

    def __init__(self, state: RegressionMoments, p: Floats, w: Floats, centred: bool) -> None:
        super().__init__(p, w)
        self.quantizer = state.quantizer
        self.centred = centred
        self.n = state.n_rows
        self.total = state.total[: self.quantizer.row_width].copy()
        self.targets = state.target_sums().astype(np.int64)

    @classmethod
    def of(cls, state: RegressionMoments, alpha: float, centred: bool) -> Self | None:
        """The inverse for a state; None where A is singular to working precision. Cost: d^3 multiply-adds."""
        factor = factor_spd(regularised(state.rows_alone(), alpha, centred)[0])
        if factor is None:
            return None
        w = lapack.dpotrs(factor, target_cross(state, centred), lower=1)[0]
        p = lapack.dpotri(factor, lower=1, overwrite_c=1)[0]
        return cls(state, p, np.ascontiguousarray(w.T), centred)

    def coef(self) -> Floats:
        """Weights, shape (n_outputs, row_width): a copy."""
        self.write_weights()
        return self.w.copy()

    def change(self, joint: NDArray[Any], sign: int) -> bool:
        """Follow joint rows that came (sign +1) or went (-1). False where precision does not allow it: make it anew."""
        self.own()
        for start in range(0, len(joint), BLOCK):
            block = joint[start : start + BLOCK]
            x = block[:, : self.quantizer.row_width].astype(np.int64)
            y = self.quantizer.integer_targets(block)
            if not self.follow(*self._rank_one_changes(x, y, sign), sign):
                return False
            self.n += sign * len(block)
            self.total += sign * x.sum(axis=0)
            self.targets += sign * y.sum(axis=0)
        return True

    def _rank_one_changes(self, x: NDArray[np.int64], y: NDArray[np.int64], sign: int) -> tuple[Floats, Floats, Floats]:
        """U as columns, R and T; a deviation from a mean, times n, is an integer."""
        q = self.quantizer
        if not self.centred:
            u, r = q.offset + q.step * x, np.full(len(x), float(sign))
            return np.asfortranarray(u.T), r, sign * (q.target_offset + q.target_step * y)
        n = self.n + sign * np.arange(len(x))[:, None]
        r = sign * n / (n + sign)
        u = q.step * ((n * x - running(self.total, sign * x)) / n)
        v = q.target_step * ((n * y - running(self.targets, sign * y)) / n)
        return np.asfortranarray(u.T), r[:, 0], r * v
