"""The inverse of a ridge problem and its weights, under rank-one changes that come in blocks.

A row that comes (s = +1) or goes (s = -1) changes A by r u u^T and its right-hand sides B by u t^T. One after another,
k of them are U, R and T, and with C = P U for P = A^-1 (Woodbury; M = R^-1 + U^T C is k by k)

    P <- P - C M^-1 C^T             W = P B <- W + C M^-1 (R^-1 T - U^T W)

in that order of products: O(k d^2). s M is positive definite as long as A is, so with s M = L L^T and G = C L^-T
the change of P is s G G^T. P is not rewritten at once: up to BLOCK such columns wait, P_now = P - G S G^T. A row then
reads half of P once (`dsymv`, or `dsymm` for several rows) and writes nothing, and a `dsyrk` applies a whole block.
That beats a fused pass which applies the last change while it computes the next product, because such a pass reads
and writes half of P for every row: see docs/benchmarks.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from analytic_cl._arrays import writable
from analytic_cl._blas import product
from analytic_cl.solvers.spd import Floats

BLOCK = 64

# A row that goes multiplies errors in P by up to 1 / (its pivot of L L^T), which is one minus its leverage.
_LEAST_PIVOT = 1e-4


class LowRankInverse:
    """P = A^-1 in Fortran order (its lower triangle), W as one row a target, and the changes that wait.

    Exactness: algebraic; errors of rounding add up from change to change.

    Cost: 2 d^2 + 4 d BLOCK + 3 d n_targets multiply-adds a row at most.
    """

    _OWN: tuple[str, ...] = ("p", "w", "g", "signs", "v")  # arrays that are written to

    def __init__(self, p: Floats, w: Floats) -> None:
        self.p = p
        self.w = w  # complete but for the changes from `written` on; perhaps more rows than targets, to grow into
        self.g = np.empty((p.shape[0], BLOCK), order="F")
        self.signs = np.empty(BLOCK)
        self.v = np.empty((BLOCK, len(w)))
        self.waiting = self.written = 0
        self.risk = 0.0  # since the last check: at most 1 for a row that came, 1 / pivot for one that went

    @property
    def n_targets(self) -> int:
        return len(self.w)

    def times(self, u: Floats) -> Floats:
        """P @ u for u of shape (width, k) in Fortran order."""
        if u.shape[1] == 1:
            written = blas.dsymv(1.0, self.p, u[:, 0], lower=1)[:, None]
        else:
            written = blas.dsymm(1.0, self.p, u, lower=1)
        g, signs = self.g[:, : self.waiting], self.signs[: self.waiting, None]
        return np.asarray(written - product(g, signs * product(g.T, u)))

    def follow(self, u: Floats, r: Floats, targets: Floats, sign: int) -> bool:
        """Follow k changes (at most BLOCK): U, shape (width, k) in Fortran order, R (k,) and T (k, n_targets).

        False, with nothing changed, where precision does not allow it.
        """
        rows = len(r)
        if self.waiting + rows > BLOCK:
            self._write()
        c = self.times(u)
        m = product(u.T, c) + np.diag(1 / r)
        factor, info = lapack.dpotrf(sign * m, lower=1)
        pivots = factor.diagonal() ** 2
        if info or pivots.min() < _LEAST_PIVOT:
            return False
        self.risk += float((1 / pivots).sum())
        k, n_targets = self.waiting, self.n_targets
        waiting = slice(self.written, k)
        scores = product(u.T, self.w[:n_targets].T)
        scores += product(product(u.T, self.g[:, waiting]), self.v[waiting, :n_targets])
        new = slice(k, k + rows)
        self.g[:, new] = blas.dtrsm(1.0, factor, c, side=1, lower=1, trans_a=1)
        self.v[new, :n_targets] = sign * blas.dtrsm(1.0, factor, targets / r[:, None] - scores, lower=1)
        self.signs[new] = sign
        self.waiting = new.stop
        return True

    def own(self) -> None:
        """Copy what can't be written to: BLAS would write to it all the same."""
        for name in self._OWN:
            setattr(self, name, writable(getattr(self, name)))

    def write_weights(self) -> None:
        """Apply the changes that wait to W."""
        self.w = writable(self.w)
        k, n_targets = self.waiting, self.n_targets
        if self.written < k:
            g, v = self.g[:, self.written : k], self.v[self.written : k, :n_targets]
            w = self.w[:n_targets].T
            blas.dgemm(1.0, g, np.asfortranarray(v), beta=1.0, c=w, overwrite_c=1)
            self.written = k

    def _write(self) -> None:
        """Apply the changes that wait, those of rows that came and of rows that went apart."""
        self.write_weights()
        for sign in (+1, -1):
            g = np.asfortranarray(self.g[:, : self.waiting][:, self.signs[: self.waiting] == sign])
            if g.size:
                blas.dsyrk(-sign, g, beta=1.0, c=self.p, lower=1, overwrite_c=1)
        self.waiting = self.written = 0


def running(first: NDArray[Any], steps: NDArray[Any]) -> NDArray[Any]:
    """What a sum that starts at `first` is before each of the steps."""
    return first[None] if len(steps) == 1 else first + np.cumsum(steps, axis=0) - steps
