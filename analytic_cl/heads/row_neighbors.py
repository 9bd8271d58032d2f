"""Neighbours under the name that scikit-learn has for them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl._locks import reading
from analytic_cl.heads.prediction import Prediction


class Found(Protocol):
    """Positions of rows, nearest first."""

    @property
    def positions(self) -> NDArray[np.int64]: ...
    def squared(self) -> NDArray[np.float64]: ...


class RowNeighbors(Prediction):
    """Part of heads that define ``_nearest(X, k)`` and ``_unit()``, what a distance of 1 stands for."""

    def _nearest(self, X: ArrayLike, k: int | None = None) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _nearest")

    def _unit(self) -> float:
        raise NotImplementedError(f"{type(self).__name__} must define _unit")

    @reading
    def kneighbors(
        self, X: ArrayLike, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]] | NDArray[np.int64]:
        """The nearest learned rows, as scikit-learn's method of this name gives them; `neighbors` tells whose they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Needed: neighbours of the learned rows among themselves are not looked for.
        n_neighbors : int, optional
            How many, `n_neighbors` of the constructor by default; all where fewer were learned.
        return_distance : bool, default=True

        Returns
        -------
        distances : ndarray of shape (n_samples, k)
            As of `neighbors`: Euclidean, in the units of dequantised rows; of unit rows that of their directions.
            Only with `return_distance`.
        positions : ndarray of int64, shape (n_samples, k)
            Places in ``state_.table``: those in the order of learning, until rows are forgotten.

        Notes
        -----
        Between equal distances the bytes of the row decide, not the order of arrival, as in scikit-learn.

        Exactness: bit for bit.

        Examples
        --------
        >>> from analytic_cl import NearestNeighborsClassifier
        >>> head = NearestNeighborsClassifier(1).fit([[0.0, 0.0], [0.0, 1.0], [4.0, 4.0]], ["near", "near", "far"])
        >>> distances, positions = head.kneighbors([[0.0, 0.75], [3.0, 4.0]])
        >>> distances.tolist(), positions.tolist()
        ([[0.25], [1.0]], [[1], [2]])
        """
        found: Found = self._nearest(X, None if n_neighbors is None else as_integer("n_neighbors", n_neighbors, 1))
        if not return_distance:
            return found.positions
        return np.sqrt(found.squared()) * self._unit(), found.positions
