"""Heads of ours under the names and with the parameters of scikit-learn's classifiers.

An adapter only translates: parameters when it is fitted, and the names of two methods. Whatever else is asked of it, a
head of ours answers. A parameter that ours lacks is refused, unless its value means what ours does anyway.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.discriminant_analysis
import sklearn.linear_model
import sklearn.neighbors
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin

from analytic_cl import LDAClassifier, NearestMeanClassifier, NearestNeighborsClassifier, RLSClassifier

made: list[str] = []  # names of adapters, one for each that was made since this was last cleared


class Adapter(ClassifierMixin, BaseEstimator):
    """Base: a subclass has scikit-learn's parameters, and says which head they mean."""

    def __new__(cls, *args: Any, **parameters: Any) -> Any:
        made.append(cls.__name__)
        return super().__new__(cls)

    def head(self) -> Any:
        """An unfitted head of ours."""
        raise NotImplementedError

    def only(self, **means: tuple[Any, ...]) -> None:
        """Refuse values of parameters that are not among those which ours has too."""
        for name, values in means.items():
            value = getattr(self, name)
            if not any(value is same or (isinstance(value, str | int | float) and value == same) for same in values):
                raise TypeError(f"ours has no parameter {name}={value!r}")

    def fit(self, X: Any, y: Any, **more: Any) -> Any:
        self.head_ = self.head().fit(X, y, **more)
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "head_" or name in self._get_param_names():
            raise AttributeError(name)
        return getattr(self.__dict__.get("head_") or self.head(), name)


class LinearDiscriminantAnalysis(Adapter):
    """All of scikit-learn's solvers solve what ours does."""

    def __init__(
        self,
        solver="svd",
        shrinkage=None,
        priors=None,
        n_components=None,
        store_covariance=False,
        tol=1e-4,
        covariance_estimator=None,
    ):
        self.solver = solver
        self.shrinkage = shrinkage
        self.priors = priors
        self.n_components = n_components
        self.store_covariance = store_covariance
        self.tol = tol
        self.covariance_estimator = covariance_estimator

    def head(self) -> LDAClassifier:
        self.only(n_components=(None,), store_covariance=(False,), covariance_estimator=(None,))
        shrinkage = {None: 0.0, "auto": "oas"}.get(self.shrinkage, self.shrinkage)
        return LDAClassifier(shrinkage, self.priors, means="plain")


class Ridge(Adapter):
    """Of two classes, scikit-learn's ridge classifiers show the weights of the second as a vector."""

    @property
    def coef_(self) -> Any:
        coef = self.head_.coef_
        return coef[0] if len(coef) == 1 else coef


class RidgeClassifier(Ridge):
    """All of scikit-learn's solvers solve what ours does, some of them roughly."""

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        copy_X=True,
        max_iter=None,
        tol=1e-4,
        class_weight=None,
        solver="auto",
        positive=False,
        random_state=None,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    def head(self) -> RLSClassifier:
        self.only(class_weight=(None,), positive=(False,))
        return RLSClassifier(self.alpha, self.fit_intercept)


class RidgeClassifierCV(Ridge):
    """Of several penalties, ours takes the best there is; of one, that one."""

    def __init__(
        self,
        alphas=(0.1, 1.0, 10.0),
        *,
        fit_intercept=True,
        scoring=None,
        cv=None,
        class_weight=None,
        store_cv_results=False,
    ):
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.class_weight = class_weight
        self.store_cv_results = store_cv_results

    def head(self) -> RLSClassifier:
        self.only(scoring=(None,), cv=(None,), class_weight=(None,), store_cv_results=(False,))
        alphas = np.atleast_1d(np.asarray(self.alphas, dtype=object))
        return RLSClassifier(alphas[0] if len(alphas) == 1 else "gcv", self.fit_intercept)


class NearestCentroid(Adapter):
    """The euclidean metric is in both."""

    def __init__(self, metric="euclidean", *, shrink_threshold=None, priors="uniform"):
        self.metric = metric
        self.shrink_threshold = shrink_threshold
        self.priors = priors

    def head(self) -> NearestMeanClassifier:
        self.only(metric=("euclidean",), shrink_threshold=(None,), priors=("uniform",))
        return NearestMeanClassifier("euclidean")


class KNeighborsClassifier(Adapter):
    """All of scikit-learn's algorithms find the neighbours that ours does. Positions of rows are their ids in ours."""

    def __init__(
        self,
        n_neighbors=5,
        *,
        weights="uniform",
        algorithm="auto",
        leaf_size=30,
        p=2,
        metric="minkowski",
        metric_params=None,
        n_jobs=None,
    ):
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def head(self) -> NearestNeighborsClassifier:
        self.only(weights=("uniform", None), p=(2,), metric=("minkowski", "euclidean", "l2"), metric_params=(None,))
        return NearestNeighborsClassifier(self.n_neighbors, "majority")

    def fit(self, X: Any, y: Any) -> Any:
        return super().fit(X, y, sample_id=range(len(y)))

    def kneighbors(self, X: Any, n_neighbors: int | None = None, return_distance: bool = True) -> Any:
        found = self.head_.neighbors(X, n_neighbors)
        places = found.ids.astype(np.int64)
        return (found.distances, places) if return_distance else places

    def kneighbors_graph(self, X: Any, n_neighbors: int | None = None, mode: str = "connectivity") -> Any:
        distances, places = self.kneighbors(X, n_neighbors)
        values = distances if mode == "distance" else np.ones_like(distances)
        starts = np.arange(len(places) + 1) * places.shape[1]
        return csr_matrix((values.ravel(), places.ravel(), starts), (len(places), self.head_.state_.n_rows))


REBOUND = {
    sklearn.discriminant_analysis: (LinearDiscriminantAnalysis,),
    sklearn.linear_model: (RidgeClassifier, RidgeClassifierCV),
    sklearn.neighbors: (NearestCentroid, KNeighborsClassifier),
}


def rebind() -> None:
    """From now on ``from sklearn.neighbors import NearestCentroid`` gives ours, to whoever did not import it before."""
    for module, adapters in REBOUND.items():
        for adapter in adapters:
            setattr(module, adapter.__name__, adapter)


def given_in(values: Any) -> bool:
    """Whether an adapter, or its class, is among these parameters of a test."""
    return any(
        isinstance(value, Adapter)
        or (isinstance(value, type) and issubclass(value, Adapter))
        or (isinstance(value, tuple | list) and given_in(value))
        for value in values
    )
