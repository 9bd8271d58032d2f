"""The space in which learned classes differ: coordinates of rows in it, and which classes lie near each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from analytic_cl._integers import as_integer
from analytic_cl._locks import changing, reading
from analytic_cl.heads.posteriors import PosteriorHead
from analytic_cl.solvers import Discriminants, log_pair_errors
from analytic_cl.statistics import Label


class ConfusablePair(NamedTuple):
    """Two classes, and the share of their rows that is expected to get the other's name, were they the only ones."""

    first: Label
    second: Label
    error: float


class DiscriminantSpace(ClassNamePrefixFeaturesOutMixin, TransformerMixin, PosteriorHead):  # type: ignore[misc]  # scikit-learn ships no types
    """The part of a head that has discriminant coordinates.

    A subclass defines ``_space()``, the `Discriminants` of the state as it is, and ``_widths()``, the variances that
    `log_pair_errors` needs.
    """

    def _space(self) -> Discriminants:
        raise NotImplementedError(f"{type(self).__name__} must define _space")

    def _widths(self) -> NDArray[np.float64]:
        raise NotImplementedError(f"{type(self).__name__} must define _widths")

    def _space_of_classes(self) -> Discriminants:
        self._check_fitted()
        if len(self._labelled.labels) < 2:
            raise ValueError(
                f"discriminant space needs two classes with rows, got {len(self._labelled.labels)}: one class has no "
                "directions in which classes differ"
            )
        return self._space()

    @property
    @reading
    def discriminants_(self) -> Discriminants:
        """The space that `transform` maps to, and where classes with rows lie in it, in the order of ``state_.labels``.

        Raises ValueError where fewer than two classes have rows.
        """
        return self._space_of_classes()

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
        return self.fit(X, y, sample_id=sample_id).transform(X)

    @reading
    def log_pair_errors(self) -> NDArray[np.float64]:
        """Logarithms of the errors of `confusable_pairs`, shape (n_classes, n_classes), of classes that have rows.

        Symmetric, in the order of ``state_.labels``; minus infinity on the diagonal. -log error is a distance to draw
        or cluster classes by.

        Exactness: a pure function of the state, bit for bit on one machine and number of threads.
        """
        space = self._space_of_classes()
        return log_pair_errors(space, self._priors_of(self._labelled.labels), self._widths())

    @reading
    def confusable_pairs(self, n: int = 20) -> list[ConfusablePair]:
        """The pairs of classes that are most easily taken for each other, by the state alone: no row is needed.

        Parameters
        ----------
        n : int, default=20
            How many pairs, at most.

        Returns
        -------
        list of ConfusablePair
            ``(first, second, error)``, the largest error first. The error is the share of rows of the two classes that
            would get the other's name if there were only these two, under the head's model and priors.

        Raises
        ------
        ValueError
            Where fewer than two classes have rows.

        Notes
        -----
        The order is good: half of all confusions of CLINC150's test rows lie in one per cent of the pairs. The numbers
        of `LDAClassifier` are far too small, because Gaussians in many dimensions are far too sure;
        ``temperature="folds"`` brings them to three quarters of what test rows show. `GaussianClassifier`, which knows
        how wide each class is, comes nearer pair by pair where classes have hundreds of rows: see ``docs/heads.md``.

        Cost: that of solving, once after a change; n_classes^2 r, and for own covariances r d^2 a class.

        Exactness: a pure function of the state, bit for bit on one machine and number of threads.

        Examples
        --------
        >>> from analytic_cl import LDAClassifier
        >>> X = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.1], [3.0, 0.0], [20.0, 1.0], [21.0, 1.0]]
        >>> head = LDAClassifier().fit(X, ["ape", "ape", "monkey", "monkey", "bee", "bee"])
        >>> first, second, error = head.confusable_pairs()[0]
        >>> first, second
        ('ape', 'monkey')
        """
        n = as_integer("n", n, 1)
        errors, labels = self.log_pair_errors(), self._labelled.labels
        a, b = np.triu_indices(len(labels), 1)
        order = np.argsort(-errors[a, b], kind="stable")[:n]
        return [ConfusablePair(labels[a[at]], labels[b[at]], float(np.exp(errors[a[at], b[at]]))) for at in order]


# Around what scikit-learn has put around them: names of columns must be those of the same state.
DiscriminantSpace.transform = reading(DiscriminantSpace.transform)  # type: ignore[method-assign]
DiscriminantSpace.fit_transform = changing(DiscriminantSpace.fit_transform)  # type: ignore[method-assign]
