"""The inverse of ridge on targets of +-1 and its weights, under rows that come and go.

With centring, mean m of n rows and u = x - m, a row x that comes (s = +1) or goes (s = -1; m with it) changes

    A = centred G + alpha I     by   r u u^T,    r = s n / (n + s)
    B, its right-hand sides     by   u t^T,      t_c = 2 r [x is of class c] - 2 s n_c / (n + s)

and without centring u = x, r = s, t_c = s (2 [x is of class c] - 1). See `low_rank` for what becomes of P = A^-1.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from analytic_cl.recursive.low_rank import BLOCK, LowRankInverse, running
from analytic_cl.solvers import cross_products, regularised
from analytic_cl.solvers.spd import Floats, factor_spd
from analytic_cl.statistics import Label, Moments


class RidgeInverse(LowRankInverse):
    """The inverse, with one row of weights a class: more rows than classes, to grow into.

    Exactness and cost as `LowRankInverse`.
    """

    _OWN = (*LowRankInverse._OWN, "counts", "total")

    def __init__(self, moments: Moments, p: Floats, w: Floats, centred: bool) -> None:
        super().__init__(p, w)
        self.quantizer = moments.quantizer
        self.centred = centred
        self.place: dict[Label, int] = {label: place for place, label in enumerate(moments.labels)}
        self.counts = moments.counts.astype(np.float64)
        self.total = moments.total

    @property
    def n_targets(self) -> int:
        return len(self.place)

    @classmethod
    def of(cls, moments: Moments, alpha: float, centred: bool) -> Self | None:
        """The inverse for a state; None where A is singular to working precision. Cost: d^3 multiply-adds."""
        factor = factor_spd(regularised(moments, alpha, centred)[0])
        if factor is None:
            return None
        w = lapack.dpotrs(factor, np.asfortranarray(cross_products(moments, centred).T), lower=1)[0]
        p = lapack.dpotri(factor, lower=1, overwrite_c=1)[0]
        return cls(moments, p, np.ascontiguousarray(w.T), centred)

    def coef(self, labels: list[Label]) -> Floats:
        """Weights of these classes, shape (len(labels), width): a copy."""
        self.write_weights()
        places = [self.place[label] for label in labels]
        return self.w[: len(places)].copy() if places == list(range(len(places))) else self.w[places]

    def change(self, rows: NDArray[Any], labels: list[Label], sign: int) -> bool:
        """Follow rows that came (sign +1) or went (-1). False where precision does not allow it: make it anew."""
        self.own()
        for label in labels:
            if label not in self.place:
                self._add_class(label)
        places = np.array([self.place[label] for label in labels])
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            if not self._change_block(rows[block], places[block], sign):
                return False
        for label in set(labels):
            if self.counts[self.place[label]] == 0:
                self._drop_class(label)
        return True

    def _change_block(self, rows: NDArray[Any], places: NDArray[np.int64], sign: int) -> bool:
        if not self.follow(*self._rank_one_changes(rows, places, sign), sign):
            return False
        self.counts += sign * np.bincount(places, minlength=len(self.place))
        self.total += sign * rows.sum(axis=0, dtype=np.int64)
        return True

    def _rank_one_changes(
        self, rows: NDArray[Any], places: NDArray[np.int64], sign: int
    ) -> tuple[Floats, Floats, Floats]:
        """U as columns, R and T for rows one after another; n x - S, a row's deviation times n, is an integer."""
        x, of_class = rows.astype(np.int64), np.zeros((len(rows), len(self.place)))
        of_class[np.arange(len(x)), places] = 1.0
        if not self.centred:
            u, r = self.quantizer.offset + self.quantizer.step * x, np.full(len(x), float(sign))
            return np.asfortranarray(u.T), r, sign * (2 * of_class - 1)
        n = int(self.counts.sum()) + sign * np.arange(len(x))[:, None]
        sums, counts = running(self.total, sign * x), running(self.counts, sign * of_class)
        r = sign * n / (n + sign)
        u = self.quantizer.step * ((n * x - sums) / n)
        return np.asfortranarray(u.T), r[:, 0], 2 * r * of_class - 2 * sign / (n + sign) * counts

    def _add_class(self, label: Label) -> None:
        """Weights of a class that all rows so far are not of: its targets are -1 throughout."""
        self.write_weights()
        place = len(self.place)
        if place == len(self.w):
            room = 2 * place
            w = np.zeros((room, self.w.shape[1]))
            w[:place] = self.w
            self.w, self.v = w, np.empty((BLOCK, room))
        if self.centred:
            self.w[place] = 0.0
        else:
            x_sum = self.counts.sum() * self.quantizer.offset + self.quantizer.step * self.total
            self.w[place] = -self.times(x_sum[:, None])[:, 0]
        self.place[label] = place
        self.counts = np.append(self.counts, 0.0)

    def _drop_class(self, label: Label) -> None:
        """Forget a class without rows, moving the last one into its place."""
        self.write_weights()
        place, last = self.place.pop(label), len(self.place)
        for moved, at in self.place.items():
            if at == last:
                self.place[moved] = place
                self.w[place], self.counts[place] = self.w[last], self.counts[last]
                break
        self.w[last] = 0.0
        self.counts = self.counts[:last].copy()
