"""What scikit-learn's discriminant analysis calls its parts, by the same names, in the units of dequantised rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._locks import reading
from analytic_cl.heads.posteriors import PosteriorHead
from analytic_cl.solvers.units import class_means, scatter_matrix
from analytic_cl.solvers.within import within_covariance
from analytic_cl.statistics import ClassGrams, LabelSetMoments, Moments


class ClassParameters(PosteriorHead):
    """Part of heads of Gaussian classes: means and priors, of classes with rows, in the order of ``state_.labels``."""

    def _moments(self) -> Moments:
        state: Any = self.state_
        if isinstance(state, LabelSetMoments):
            raise AttributeError("labels that overlap are no classes: they have no means, priors and covariance")
        return state.moments() if isinstance(state, ClassGrams) else state

    @property
    @reading
    def means_(self) -> NDArray[np.float64]:
        """Class means as they were learned, shape (n_classes, n_features), behind a projection its width.

        Exactness: each a quotient of integers, rounded once and scaled.
        """
        return class_means(self._moments())

    @property
    @reading
    def priors_(self) -> NDArray[np.float64]:
        """Class probabilities in use, shape (n_classes,)."""
        moments = self._moments()
        given, counts = self._priors_of(moments.labels), moments.counts
        return np.asarray(counts / counts.sum() if given is None else given)


class SharedCovariance(ClassParameters):
    """Part of heads with one covariance for all classes, shrunk by ``shrinkage_``."""

    @property
    @reading
    def covariance_(self) -> NDArray[np.float64]:
        """Covariance within classes, shrunk, shape (n_features, n_features).

        That of scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr")``, with classes weighted by frequencies
        whatever `priors` says. Cost: a square of floats, 3 n_classes n_features^2.
        """
        return _mirrored(within_covariance(self._moments(), self._covariance_strength()).covariance)

    def _covariance_strength(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _covariance_strength")


class ClassCovariances(ClassParameters):
    """Part of heads with a covariance of each class as it is."""

    @property
    @reading
    def covariance_(self) -> list[NDArray[np.float64]]:
        """Covariance of each class, not regularised, a list of arrays of shape (n_features, n_features).

        That of scikit-learn's ``QuadraticDiscriminantAnalysis`` from 1.8 on: divided by the rows of the class.
        """
        state: Any = self.state_
        return [
            _mirrored(scatter_matrix(state.moments_of(label), "class means", 1 / state.count(label)))
            for label in state.labels
        ]


def _mirrored(upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """A symmetric matrix from its upper triangle."""
    whole = np.triu(upper)
    return np.asarray(whole + np.triu(whole, 1).T)
