"""Learned rows as candidates look at them: with or without random features, all or without a fold."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers import Quantizer
from analytic_cl.solvers import DiscriminantScores, Shrinkage, shrunk_means_lda
from analytic_cl.statistics import Label, Moments, Targets


class Sample:
    """Integer rows sorted by class, with the states that solvers take; each is made when it is first asked for.

    Parameters
    ----------
    quantizer : Quantizer
    rows : ndarray of shape (n, width)
    labels : list
        Of the classes, sorted; all have rows.
    codes : ndarray of int64, shape (n,)
        Place of each row's label, ascending.
    moments : Moments, optional
        Of these rows, where they are known.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        rows: NDArray[Any],
        labels: list[Label],
        codes: NDArray[np.int64],
        moments: Moments | None = None,
    ) -> None:
        self.quantizer, self.rows, self.labels, self.codes = quantizer, rows, labels, codes
        if moments is not None:
            self.moments = moments
        self._pooled: dict[Shrinkage, DiscriminantScores] = {}

    @cached_property
    def moments(self) -> Moments:
        moments = Moments(self.quantizer)
        moments.add(self.rows, Targets(self.labels, self.codes))
        return moments

    def lda(self, shrinkage: Shrinkage) -> DiscriminantScores:
        """Solved once for each strength: several candidates start from it."""
        if shrinkage not in self._pooled:
            self._pooled[shrinkage] = shrunk_means_lda(self.moments, shrinkage)
        return self._pooled[shrinkage]

    def without(self, held: NDArray[np.bool_]) -> Sample:
        """The other rows, their moments by subtraction."""
        moments = self.moments.copy()
        moments.subtract(self.rows[held], Targets(self.labels, self.codes[held]).used())
        left, codes = np.unique(self.codes[~held], return_inverse=True)
        return Sample(self.quantizer, self.rows[~held], [self.labels[c] for c in left.tolist()], codes, moments)
