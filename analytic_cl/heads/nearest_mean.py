"""Nearest class mean."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from analytic_cl._blas import product, squared_lengths
from analytic_cl._locks import reading
from analytic_cl.heads.leading_digits import Rough
from analytic_cl.heads.linear import LinearHead
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomFeatures
from analytic_cl.solvers import LinearScores, Normality, cosine_nearest_mean, euclidean_nearest_mean
from analytic_cl.solvers.linear import centre
from analytic_cl.solvers.units import class_means, lengths
from analytic_cl.statistics import Moments


class NearestMeanClassifier(LinearHead):
    """Assign each row to the class with the nearest mean; learn and forget bit for bit.

    The cheapest head: it keeps class counts and sums only, so `forget_class` needs no rows. The downside: it ignores
    how features vary together, which costs it some points against `LDAClassifier`, most on raw tabular columns.

    Parameters
    ----------
    metric : {"auto", "cosine", "euclidean"}, default="auto"
        Similarity to a mean by angle, or by distance. "auto" is "cosine" for rows of unit length (the embedding
        quantizer, a projection), else "euclidean".
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection or FourierFeatures, optional
        Random features in front; implies the embedding quantizer.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    centroids_ : ndarray of shape (n_classes, n_features), float64
        Class means of the dequantised rows.
    moments_ : Moments
        The learned state.

    Notes
    -----
    Cost: fit n d additions; predict 2 n_classes d operations a row; memory 8 d bytes a class, and the ledger;
    for scores of int8 rows 30 d more.

    Exactness: state bit for bit; scores algebraic, within about 1e-12 relative of exact arithmetic.

    References
    ----------
    SimpleCIL (Zhou et al., IJCV 2024) for cosine, Janson et al. 2022 for euclidean. There: float32 running means,
    which depend on the order of arrival.

    Examples
    --------
    >>> from analytic_cl import NearestMeanClassifier
    >>> head = NearestMeanClassifier().fit([[0.0, 0.0], [0.0, 2.0], [5.0, 5.0]], ["a", "a", "b"])
    >>> head.predict([[1.0, 1.0], [4.0, 4.0]]).tolist()
    ['a', 'b']
    >>> head.forget_class("b").removed
    1
    >>> head.classes_.tolist()
    ['a']
    """

    needs = euclidean_nearest_mean.needs
    takes_sparse_rows = True

    def __init__(
        self,
        metric: Literal["auto", "cosine", "euclidean"] = "auto",
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.metric = metric
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.metric not in ("auto", "cosine", "euclidean"):
            raise ValueError(f'metric must be "auto", "cosine" or "euclidean", got {self.metric!r}')

    def _by_angle(self, quantizer: Quantizer) -> bool:
        return self.metric == "cosine" or (self.metric == "auto" and quantizer.rule.norm == "l2")

    def _solve(self, moments: Moments) -> LinearScores:
        return cosine_nearest_mean(moments) if self._by_angle(moments.quantizer) else euclidean_nearest_mean(moments)

    @property
    @reading
    def centroids_(self) -> NDArray[np.float64]:
        check_is_fitted(self)
        return class_means(self.moments_)

    def _compare_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        found = super()._compare_rows(rows, scores)
        if self._by_angle(self.quantizer_):
            found /= self.quantizer_.lengths(rows)[:, None]
        return found

    def _roughly(self, rows: NDArray[Any], scores: LinearScores) -> Rough | None:
        return super()._roughly(rows, scores)  # of any length: which class is the best doesn't depend on it

    @reading
    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """How normal each row is, shape (n_samples,): the largest cosine to a mean, or minus the least distance."""
        self._check_fitted()
        return self._normality_of(X, self._closeness)

    def _closeness(self) -> Normality:
        moments, cosine = self.moments_, self._by_angle(self.quantizer_)
        origin = np.zeros(self.quantizer_.width, dtype=np.int64) if cosine else centre(moments)
        means = class_means(moments) if cosine else class_means(moments, origin)
        squares = np.einsum("ij,ij->i", means, means)
        unit = means / lengths(means)

        def score(rows: NDArray[np.float64]) -> NDArray[np.float64]:
            x = rows + self.quantizer_.offset if cosine else rows
            own = squared_lengths(x)
            if cosine:
                return np.asarray(product(x, unit.T).max(axis=1) / np.where(own > 0, np.sqrt(own), 1.0))
            return np.asarray(-np.sqrt(np.maximum(own + (squares - 2 * product(x, means.T)).min(axis=1), 0.0)))

        return origin, score
