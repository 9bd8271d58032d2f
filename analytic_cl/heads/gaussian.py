"""Gaussian classes with a covariance each."""

from __future__ import annotations

from typing import Any, Literal, NoReturn, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, log_softmax

from analytic_cl._locks import reading
from analytic_cl.heads.base import Head
from analytic_cl.heads.prediction import posteriors
from analytic_cl.heads.transform import DiscriminantTransform
from analytic_cl.heads.validation import check_strength, prior_numbers
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomProjection
from analytic_cl.solvers import Discriminants, DiscriminantScores, GaussianScores, class_gaussian
from analytic_cl.statistics import ClassGrams

Solved = GaussianScores | DiscriminantScores


class GaussianClassifier(DiscriminantTransform, Head):
    """Discriminant analysis with a covariance for every class, held in check by the one that all share.

    Mostly the most accurate head without a projection where classes have 50 rows or more, and no worse than
    `LDAClassifier` with few. A class is forgotten without its rows. The downside is memory: the rows, or a matrix of
    n_features^2 / 2 integers a class.

    Parameters
    ----------
    covariance : {"auto", "class", "pooled"}, default="auto"
        "class": each class has its own, with the shared one as a prior; "pooled": all share one, as in
        ``LDAClassifier(means="shrunk")``; "auto": "class" where the covariances differ by more than chance.
    shrinkage : "oas" or float in [0, 1], default="oas"
        Of the shared covariance, as in `LDAClassifier`.
    priors : array-like of shape (n_classes,), optional
        Class probabilities in the order of `classes_`; class frequencies by default.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection, optional
        Random features in front; implies the embedding quantizer. It adds little here, and matrices are large behind
        it.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    covariance_ : {"pooled", "discriminant", "whitened"}
        What is in use: one covariance, or one a class among the directions in which class means differ, or among all.
    shrinkage_ : float
        The intensity in use.
    state_ : ClassGrams
        The learned state; ``state_.moments()`` is what heads with one covariance learn.

    Notes
    -----
    Class means are shrunk as in ``LDAClassifier(means="shrunk")``. With a covariance of its own is scored a row's
    likeliest ten classes by the shared one; the others keep their distance behind the last of them. What is chosen, and
    why, is in `analytic_cl.solvers.class_gaussian`; what it brings on real data in ``docs/class-covariances.md``.
    `transform` gives coordinates by the shared covariance, as `LDAClassifier` does.

    Cost: fit n d^2 operations once rows are many, a copy before; a change, then predict: that of `LDAClassifier` and a
    class min(n_c, d) d^2 to 3 min(n_c, d) d^2, a minute for 100 classes of 1280 columns; 2 to 5 times that of
    `LDAClassifier` a row. Memory the smaller of n_c d and 2 d^2 bytes a class behind an 8-bit quantizer (12 d^2 behind
    32 bits); more than 8 GiB is refused.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic.

    References
    ----------
    Friedman, Regularized discriminant analysis, JASA 84 (1989). There: strengths by cross-validation; here from the
    counts.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import GaussianClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) * np.array([[1.0, 1.0], [0.2, 5.0]])[np.arange(300) % 2]
    >>> y = np.array(["round", "long"])[np.arange(300) % 2]
    >>> head = GaussianClassifier().fit(X, y)
    >>> head.predict([[0.0, 8.0], [1.5, 0.0]]).tolist()
    ['long', 'round']
    >>> receipt = head.forget_class("long")
    >>> head.classes_.tolist()
    ['round']
    """

    needs = class_gaussian.needs

    def __init__(
        self,
        covariance: Literal["auto", "class", "pooled"] = "auto",
        shrinkage: Literal["oas"] | float = "oas",
        priors: ArrayLike | None = None,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomProjection | None = None,
        track: Track = "auto",
    ) -> None:
        self.covariance = covariance
        self.shrinkage = shrinkage
        self.priors = priors
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.covariance not in ("auto", "class", "pooled"):
            raise ValueError(f'covariance must be "auto", "class" or "pooled", got {self.covariance!r}')
        check_strength("shrinkage", self.shrinkage, ("oas",), high=1)
        if self.priors is not None:
            prior_numbers(self.priors)

    def empty_state(self, quantizer: Quantizer) -> ClassGrams:
        return ClassGrams(quantizer)

    @classmethod
    def from_moments(cls, moments: Any, **parameters: Any) -> NoReturn:
        """Refused: one matrix for all classes doesn't tell what each has."""
        raise TypeError(f"{cls.__name__} needs a Gram matrix of each class, which moments don't have: fit it on rows")

    @property
    def covariance_(self) -> str:
        solved = self._prepared()
        return solved.space if isinstance(solved, GaussianScores) else "pooled"

    @property
    def shrinkage_(self) -> float:
        return self._prepared().strength

    # ---- scores

    @reading
    def _prepared(self) -> Solved:
        """Weights for the state as it is: solved once per change of state or parameters."""
        self._check_fitted()
        state = cast(ClassGrams, self.state_)
        values = (self.shrinkage, self.priors)
        parameters = tuple(
            v if isinstance(v, str | None) else np.asarray(v, dtype=np.float64).tobytes() for v in values
        )
        key = (state.revision, self._declared, self.covariance, *parameters)
        solved = self._solved.get("current")
        if solved is None or solved[0] != key:
            self.check_parameters()
            solved = key, class_gaussian(state, self.covariance, self.shrinkage, self._priors_with_rows())
            self._solved["current"] = solved
        return cast(Solved, solved[1])

    def _priors_with_rows(self) -> NDArray[np.float64] | None:
        """`priors` of the classes that have rows."""
        if self.priors is None:
            return None
        priors, labels, places = prior_numbers(self.priors), self._all_labels(), self._with_rows()
        if priors.size != len(labels):
            raise ValueError(f"{priors.size} priors for {len(labels)} classes: {labels}")
        return priors if places is None else priors[places] / priors[places].sum()

    def _compare_rows(self, rows: NDArray[Any], prepared: Solved) -> NDArray[np.float64]:
        return prepared.of(self._deviations(rows, prepared.centre))

    def _space(self) -> Discriminants:
        prepared = self._prepared()
        return prepared.pooled.space if isinstance(prepared, GaussianScores) else prepared.space

    @reading
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Posterior of each class, shape (n_samples, n_classes), rows summing to 1."""
        return self._of_all_classes(self.probabilities_of(self._scored(X, self._compare_rows)))

    def probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the classes by scores as of `scores_of`."""
        return posteriors(scores)

    @reading
    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of `predict_proba`, without underflow; the lowest finite number for classes without rows."""
        scores = self._scored(X, self._compare_rows)
        if scores.ndim == 1:
            found: NDArray[np.float64] = np.stack([log_expit(-scores), log_expit(scores)], axis=1)
        else:
            found = np.asarray(log_softmax(scores, axis=1))
        return self._of_all_classes(found, float(np.finfo(np.float64).min))
