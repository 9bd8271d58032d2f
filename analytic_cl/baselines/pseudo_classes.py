"""Ridge on classes of which some are made up: what methods solve that keep means of old classes, and no rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytic_cl._blas import product
from analytic_cl.solvers import LinearScores
from analytic_cl.solvers.linear import centre
from analytic_cl.solvers.shrinkage import shrink_within
from analytic_cl.solvers.spd import solve_spd
from analytic_cl.solvers.units import class_means, lengths
from analytic_cl.statistics import ClassGroups, Int64s

Floats = NDArray[np.float64]


@dataclass
class PseudoClasses:
    """Rows of all classes by their moments, in dequantised units: as they are at first, to be made up where old.

    Attributes
    ----------
    state : ClassGroups
        Of which the last group is the current session: its classes have rows, all others are old.
    current : ndarray of bool, shape (n_classes,)
    sizes : ndarray of shape (n_classes,)
        Rows of each class.
    origin : ndarray of int64, shape (width,)
        What means are taken from.
    means : ndarray of shape (n_classes, width)
    """

    state: ClassGroups
    current: NDArray[np.bool_]
    sizes: Floats
    origin: Int64s
    means: Floats

    @classmethod
    def of(cls, state: ClassGroups) -> PseudoClasses:
        last = set(state.groups[-1])
        known = state.moments_of(state.labels).of_order(1)
        origin = centre(known)
        current = np.array([label in last for label in state.labels])
        return cls(state, current, state.counts.astype(np.float64), origin, class_means(known, origin))

    def cosines(self) -> Floats:
        """Of the means of all classes, about what integers of zero stand for, shape (n_classes, n_classes)."""
        whole = self.means + self.state.quantizer.offset + self.state.quantizer.step * self.origin
        unit = whole / lengths(whole)
        return product(unit, np.ascontiguousarray(unit.T))

    def ridge(self, within: Floats) -> LinearScores:
        """Weights on targets of +-1 with an intercept, from the scatter within all classes, its upper triangle.

        Strength as that of ``RLSClassifier()``: of unit rows a penalty of their mean squared distance to the mean, else
        the correlations within the classes are shrunk. With a single group it is that head.
        """
        n, quantizer = self.sizes.sum(), self.state.quantizer
        last = slice(1, None) if len(self.sizes) == 2 else slice(None)  # of two classes the second alone
        mean = self.sizes @ self.means / n
        sums = self.sizes[:, None] * (self.means - mean)
        right = np.asfortranarray((2 * sums - sums.sum(axis=0))[last].T / n)
        a, strength = self._strengthened(within, mean)
        coef = np.ascontiguousarray(solve_spd(a, right, lambda: self._strengthened(within, mean)[0]).T)
        bias = (2 * self.sizes / n - 1)[last] - product(coef, mean[:, None])[:, 0]
        x0 = quantizer.offset + quantizer.step * self.origin
        return LinearScores(self.origin, coef, bias, coef, bias - product(coef, x0[:, None])[:, 0], strength)

    def _strengthened(self, within: Floats, mean: Floats) -> tuple[Floats, float]:
        n = self.sizes.sum()
        spread = (self.means - mean) * np.sqrt(self.sizes / n)[:, None]
        a = within / n
        if self.state.quantizer.rule.norm == "l2":
            a += product(np.ascontiguousarray(spread.T), spread)
            strength = float(a.trace()) or 1.0
            a[np.diag_indices_from(a)] += strength / n
        else:
            strength = shrink_within(a, self.state.moments_of(self.state.groups[-1]))
            a += product(np.ascontiguousarray(spread.T), spread)
        return a, strength
