"""Rows in the space in which learned classes differ: the half of a discriminant analysis that is a transformer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from analytic_cl._locks import changing, reading
from analytic_cl.heads.prediction import Prediction
from analytic_cl.solvers import Discriminants


class DiscriminantTransform(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Prediction):  # type: ignore[misc]  # scikit-learn ships no types
    """The part of a head that has discriminant coordinates.

    A subclass defines ``_space()``: the `Discriminants` of the state as it is.
    """

    def _space(self) -> Discriminants:
        raise NotImplementedError(f"{type(self).__name__} must define _space")

    def _space_of_classes(self) -> Discriminants:
        self._check_fitted()
        if len(self._labelled.labels) < 2:
            raise ValueError(
                f"transform needs two classes with rows, got {len(self._labelled.labels)}: one class has no directions "
                "in which classes differ"
            )
        return self._space()

    @property
    @reading
    def _n_features_out(self) -> int:
        return int(self._space_of_classes().directions.shape[1])

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Coordinates of rows in discriminant space, for plots, neighbours, clusters or another classifier.

        As scikit-learn's ``LinearDiscriminantAnalysis.transform`` with all components: the mean of all learned rows is
        the origin, the directions are those in which class means differ, that which separates most first, and within
        a class rows have variance 1 along each, uncorrelated, as far as the shrunk covariance is right. There, linear
        discriminant analysis of equally frequent classes answers with the nearest class mean.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        coordinates : ndarray of float64, or what `set_output` asks for, shape (n_samples, n_components)
            ``n_components = min(n_classes - 1, width)``, less where class means lie in a smaller space; the width is
            that behind the projection. The largest loading of each direction is positive.

        Raises
        ------
        ValueError
            Where fewer than two classes have rows.

        Notes
        -----
        The space moves whenever rows are learned or forgotten: transform again what is to be compared, and fit again
        what was fitted on coordinates. Coordinates are not part of the state; kept ones are copies of rows that
        `forget` can't reach.

        Cost: that of solving, once after a change; 2 r d a row.

        Exactness: the directions are a pure function of the state, bit for bit on one machine and number of threads;
        coordinates algebraic. Two directions that separate classes equally well may turn into each other elsewhere.

        References
        ----------
        Fisher, The use of multiple measurements in taxonomic problems, Annals of Eugenics 7 (1936). Fukunaga and
        Koontz, IEEE Transactions on Computers C-19 (1970), for joint diagonalisation. There: the sample covariance;
        here the shrunk one.

        Examples
        --------
        >>> import numpy as np
        >>> from analytic_cl import LDAClassifier
        >>> rng = np.random.default_rng(0)
        >>> y = np.arange(90) % 3
        >>> X = rng.normal(size=(90, 5)) + 4 * np.eye(5)[y]
        >>> head = LDAClassifier().fit(X, y)
        >>> head.transform(X).shape
        (90, 2)
        >>> head.get_feature_names_out().tolist()
        ['ldaclassifier0', 'ldaclassifier1']
        """
        space = self._space_of_classes()
        return self._by_rows(X, lambda rows: space.coordinates(self._deviations(rows, space.centre)))

    def fit_transform(self, X: ArrayLike, y: ArrayLike, *, sample_id: Any = None) -> NDArray[np.float64]:
        """``fit(X, y, sample_id=sample_id).transform(X)``, with no change by another thread in between."""
        return self.fit(X, y, sample_id=sample_id).transform(X)  # type: ignore[no-any-return]


# Around what scikit-learn has put around them: names of columns must be those of the same state.
DiscriminantTransform.transform = reading(DiscriminantTransform.transform)  # type: ignore[method-assign]
DiscriminantTransform.fit_transform = changing(DiscriminantTransform.fit_transform)  # type: ignore[method-assign]
