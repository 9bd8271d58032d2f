"""The inverse of a ridge problem and its weights, under rows that come and go.

With centring, mean m of n rows and u = x - m, a row x that comes (s = +1) or goes (s = -1; m with it) changes

    A = centred G + alpha I     by   r u u^T,    r = s n / (n + s)
    B, its right-hand sides     by   u t^T,      t_c = 2 r [x is of class c] - 2 s n_c / (n + s)

and without centring u = x, r = s, t_c = s (2 [x is of class c] - 1). Both are of rank one with the same u, so
one product g = P u serves P = A^-1 and W = P B:

    P <- P - r / (1 + r u.g) g g^T             W <- W + g (t - r W^T u)^T / (1 + r u.g)

P is not rewritten row by row. Up to BLOCK changes wait as columns g_i with factors f_i, P_now = P - sum f_i g_i g_i^T:
a row then reads half of P once (`dsymv`, or `dsymm` for several rows) and writes nothing, and one `dsyrk` a block
applies what waits. This beats one fused pass that applies the last change while it computes the next product, which
reads and writes half of P a row: see docs/benchmarks.md.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from analytic_cl.solvers import normal_equations
from analytic_cl.solvers.spd import Floats, factor_spd
from analytic_cl.statistics import EncodedLabels, Label, Moments

BLOCK = 32

# Where 1 + r u.g, the ratio of two determinants, is smaller, a row that goes takes too many digits with it.
_LEAST_GROWTH = 1e-6


class RidgeInverse:
    """P = A^-1 in Fortran order (its lower triangle), W as one row a class, and the changes that wait.

    Exactness: algebraic; errors of rounding add up from change to change.

    Cost: d^2 + 4 d BLOCK + 3 d n_classes multiply-adds a row.
    """

    def __init__(self, moments: Moments, p: Floats, w: Floats, centred: bool) -> None:
        d = moments.door.width
        self.door = moments.door
        self.centred = centred
        self.place: dict[Label, int] = {label: place for place, label in enumerate(moments.labels)}
        self.counts = moments.counts.astype(np.float64)
        self.total = moments.total
        self.p = p
        self.w = w  # complete but for the changes from `written` on; more rows than classes, to grow into
        self.g = np.empty((d, BLOCK), order="F")
        self.f = np.empty(BLOCK)
        self.v = np.empty((BLOCK, len(w)))
        self.waiting = self.written = 0

    @classmethod
    def of(cls, moments: Moments, alpha: float, centred: bool) -> Self | None:
        """The inverse for a state; None where A is singular to working precision. Cost: d^3 multiply-adds."""
        problem = normal_equations(moments, centred)
        problem.a[np.diag_indices_from(problem.a)] += alpha
        factor = factor_spd(problem.a)
        if factor is None:
            return None
        w = lapack.dpotrs(factor, np.asfortranarray(problem.cross), lower=1)[0]
        p = lapack.dpotri(factor, lower=1, overwrite_c=1)[0]
        return cls(moments, p, np.ascontiguousarray(w.T), centred)

    def coef(self, labels: list[Label]) -> Floats:
        """Weights of these classes, shape (len(labels), width): a copy."""
        self._write_weights()
        return self.w[[self.place[label] for label in labels]]

    def times(self, u: Floats) -> Floats:
        """P @ u for u of shape (width, k) in Fortran order."""
        g, f = self.g[:, : self.waiting], self.f[: self.waiting, None]
        return np.asarray(self._unwritten_times(u) - g @ (f * (g.T @ u)))

    def _unwritten_times(self, u: Floats) -> Floats:
        """P @ u without the changes that wait."""
        if u.shape[1] == 1:
            return np.asarray(blas.dsymv(1.0, self.p, u[:, 0], lower=1)[:, None])
        return np.asarray(blas.dsymm(1.0, self.p, u, lower=1))

    def change(self, rows: NDArray[Any], encoded: EncodedLabels, sign: int) -> bool:
        """Follow rows that came (sign +1) or went (-1). False where precision does not allow it: make it anew."""
        done = 0
        while done < len(rows):
            if self.waiting == BLOCK:
                self._write()
            part = rows[done : done + BLOCK - self.waiting]
            u = self._deviations(part, sign)
            products = self._unwritten_times(u)
            for i in range(len(part)):
                label = encoded.labels[encoded.codes[done + i]]
                if label not in self.place:
                    self._add_class(label)
                if not self._follow(u[:, i], products[:, i], self.place[label], sign):
                    return False
                self.total += sign * part[i].astype(np.int64)
                if self.counts[self.place[label]] == 0:
                    self._drop_class(label)
            done += len(part)
        return True

    def _deviations(self, rows: NDArray[Any], sign: int) -> Floats:
        """U of each row in turn, as columns: n x - S is an integer, exact."""
        x = rows.astype(np.int64)
        if not self.centred:
            return np.asfortranarray((self.door.offset + self.door.step * x).T)
        n = int(self.counts.sum()) + sign * np.arange(len(x))[:, None]
        before = self.total + sign * (np.cumsum(x, axis=0) - x)
        return np.asfortranarray((self.door.step * ((n * x - before) / n)).T)

    def _follow(self, u: Floats, product: Floats, place: int, sign: int) -> bool:
        k, n, n_classes = self.waiting, float(self.counts.sum()), len(self.place)
        g, f = self.g[:, :k], self.f[:k]
        overlaps = u @ g
        column = product - g @ (f * overlaps)
        r = sign * n / (n + sign) if self.centred else float(sign)
        growth = 1 + r * float(u @ column)
        if not growth > _LEAST_GROWTH:
            return False
        scores = self.w[:n_classes] @ u + overlaps[self.written :] @ self.v[self.written : k, :n_classes]
        targets = -2 * sign / (n + sign) * self.counts if self.centred else np.full(n_classes, -float(sign))
        targets[place] += 2 * r
        self.g[:, k], self.f[k] = column, r / growth
        self.v[k, :n_classes] = (targets - r * scores) / growth
        self.counts[place] += sign
        self.waiting += 1
        return True

    def _write_weights(self) -> None:
        k, n_classes = self.waiting, len(self.place)
        if self.written < k:
            g, v = self.g[:, self.written : k], self.v[self.written : k, :n_classes]
            w = self.w[:n_classes].T
            blas.dgemm(1.0, g, np.asfortranarray(v), beta=1.0, c=w, overwrite_c=1)
            self.written = k

    def _write(self) -> None:
        """Apply the changes that wait, those of rows that came and of rows that went apart."""
        self._write_weights()
        for came in (True, False):
            chosen = (self.f[: self.waiting] > 0) == came
            f = np.sqrt(np.abs(self.f[: self.waiting][chosen]))
            if f.size:
                g = np.asfortranarray(self.g[:, : self.waiting][:, chosen] * f)
                blas.dsyrk(-1.0 if came else 1.0, g, beta=1.0, c=self.p, lower=1, overwrite_c=1)
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
            x_sum = self.counts.sum() * self.door.offset + self.door.step * self.total
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
