"""The inverse of a ridge problem and its weights, under rows that come and go.

With centring, mean m of n rows and u = x - m, a row x that comes (s = +1) or goes (s = -1; m with it) changes

    A = centred G + alpha I     by   r u u^T,    r = s n / (n + s)
    B, its right-hand sides     by   u t^T,      t_c = 2 r [x is of class c] - 2 s n_c / (n + s)

and without centring u = x, r = s, t_c = s (2 [x is of class c] - 1). One row after another, k of them are U, R and T,
and with C = P U for P = A^-1 (Woodbury; M = R^-1 + U^T C is k by k)

    P <- P - C M^-1 C^T             W = P B <- W + C M^-1 (R^-1 T - U^T W)

in that order of products: O(k d^2). s M is positive definite as long as A is, so with s M = L L^T and G = C L^-T
the change of P is s G G^T. P is not rewritten at once: up to BLOCK such columns wait, P_now = P - G S G^T. A row then
reads half of P once (`dsymv`, or `dsymm` for several rows) and writes nothing, and a `dsyrk` applies a whole block.
That beats a fused pass which applies the last change while it computes the next product, because such a pass reads
and writes half of P for every row: see docs/benchmarks.md.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from analytic_cl._arrays import writable
from analytic_cl._blas import product
from analytic_cl.solvers import cross_products, regularised
from analytic_cl.solvers.spd import Floats, factor_spd
from analytic_cl.statistics import Label, Moments

BLOCK = 64

# A row that goes multiplies errors in P by up to 1 / (its pivot of L L^T), which is one minus its leverage.
_LEAST_PIVOT = 1e-4


class RidgeInverse:
    """P = A^-1 in Fortran order (its lower triangle), W as one row a class, and the changes that wait.

    Exactness: algebraic; errors of rounding add up from change to change.

    Cost: 2 d^2 + 4 d BLOCK + 3 d n_classes multiply-adds a row at most.
    """

    def __init__(self, moments: Moments, p: Floats, w: Floats, centred: bool) -> None:
        d = moments.quantizer.width
        self.quantizer = moments.quantizer
        self.centred = centred
        self.place: dict[Label, int] = {label: place for place, label in enumerate(moments.labels)}
        self.counts = moments.counts.astype(np.float64)
        self.total = moments.total
        self.p = p
        self.w = w  # complete but for the changes from `written` on; more rows than classes, to grow into
        self.g = np.empty((d, BLOCK), order="F")
        self.signs = np.empty(BLOCK)
        self.v = np.empty((BLOCK, len(w)))
        self.waiting = self.written = 0
        self.risk = 0.0  # since the last check: at most 1 for a row that came, 1 / pivot for one that went

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
        self._write_weights()
        places = [self.place[label] for label in labels]
        return self.w[: len(places)].copy() if places == list(range(len(places))) else self.w[places]

    def times(self, u: Floats) -> Floats:
        """P @ u for u of shape (width, k) in Fortran order."""
        if u.shape[1] == 1:
            written = blas.dsymv(1.0, self.p, u[:, 0], lower=1)[:, None]
        else:
            written = blas.dsymm(1.0, self.p, u, lower=1)
        g, signs = self.g[:, : self.waiting], self.signs[: self.waiting, None]
        return np.asarray(written - product(g, signs * product(g.T, u)))

    def change(self, rows: NDArray[Any], labels: list[Label], sign: int) -> bool:
        """Follow rows that came (sign +1) or went (-1). False where precision does not allow it: make it anew."""
        self._own()
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
        if self.waiting + len(rows) > BLOCK:
            self._write()
        u, r, targets = self._rank_one_changes(rows, places, sign)
        c = self.times(u)
        m = product(u.T, c) + np.diag(1 / r)
        factor, info = lapack.dpotrf(sign * m, lower=1)
        pivots = factor.diagonal() ** 2
        if info or pivots.min() < _LEAST_PIVOT:
            return False
        self.risk += float((1 / pivots).sum())
        k, n_classes = self.waiting, len(self.place)
        waiting = slice(self.written, k)
        scores = product(u.T, self.w[:n_classes].T)
        scores += product(product(u.T, self.g[:, waiting]), self.v[waiting, :n_classes])
        new = slice(k, k + len(rows))
        self.g[:, new] = blas.dtrsm(1.0, factor, c, side=1, lower=1, trans_a=1)
        self.v[new, :n_classes] = sign * blas.dtrsm(1.0, factor, targets / r[:, None] - scores, lower=1)
        self.signs[new] = sign
        self.waiting = new.stop
        self.counts += sign * np.bincount(places, minlength=n_classes)
        self.total += sign * rows.sum(axis=0, dtype=np.int64)
        return True

    def _rank_one_changes(self, rows: NDArray[Any], places: NDArray[np.int64], sign: int) -> tuple[Floats, ...]:
        """U as columns, R and T for rows one after another; n x - S, a row's deviation times n, is an integer."""
        x, of_class = rows.astype(np.int64), np.zeros((len(rows), len(self.place)))
        of_class[np.arange(len(x)), places] = 1.0
        if not self.centred:
            u, r = self.quantizer.offset + self.quantizer.step * x, np.full(len(x), float(sign))
            return np.asfortranarray(u.T), r, sign * (2 * of_class - 1)
        n = int(self.counts.sum()) + sign * np.arange(len(x))[:, None]
        sums, counts = _running(self.total, sign * x), _running(self.counts, sign * of_class)
        r = sign * n / (n + sign)
        u = self.quantizer.step * ((n * x - sums) / n)
        return np.asfortranarray(u.T), r[:, 0], 2 * r * of_class - 2 * sign / (n + sign) * counts

    def _own(self) -> None:
        """Copy what can't be written to: BLAS would write to it all the same."""
        for name in ("counts", "total", "p", "w", "g", "signs", "v"):
            setattr(self, name, writable(getattr(self, name)))

    def _write_weights(self) -> None:
        self.w = writable(self.w)
        k, n_classes = self.waiting, len(self.place)
        if self.written < k:
            g, v = self.g[:, self.written : k], self.v[self.written : k, :n_classes]
            w = self.w[:n_classes].T
            blas.dgemm(1.0, g, np.asfortranarray(v), beta=1.0, c=w, overwrite_c=1)
            self.written = k

    def _write(self) -> None:
        """Apply the changes that wait, those of rows that came and of rows that went apart."""
        self._write_weights()
        for sign in (+1, -1):
            g = np.asfortranarray(self.g[:, : self.waiting][:, self.signs[: self.waiting] == sign])
            if g.size:
                blas.dsyrk(-sign, g, beta=1.0, c=self.p, lower=1, overwrite_c=1)
        self.waiting = self.written = 0

    def _add_class(self, label: Label) -> None:
        """Weights of a class that all rows so far are not of: its targets are -1 throughout."""
        self._write_weights()
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
        self._write_weights()
        place, last = self.place.pop(label), len(self.place)
        for moved, at in self.place.items():
            if at == last:
                self.place[moved] = place
                self.w[place], self.counts[place] = self.w[last], self.counts[last]
                break
        self.w[last] = 0.0
        self.counts = self.counts[:last].copy()


def _running(first: NDArray[Any], steps: NDArray[Any]) -> NDArray[Any]:
    """What a sum that starts at `first` is before each of the steps."""
    return first[None] if len(steps) == 1 else first + np.cumsum(steps, axis=0) - steps
