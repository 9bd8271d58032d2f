"""Linear discriminant analysis."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, log_softmax

from analytic_cl._locks import reading
from analytic_cl.heads.linear import LinearHead
from analytic_cl.heads.prediction import posteriors
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomProjection
from analytic_cl.solvers import LinearScores, lda
from analytic_cl.statistics import Moments


class LDAClassifier(LinearHead):
    """Linear discriminant analysis that learns class by class and forgets row by row, bit for bit.

    Usually the most accurate of the plain heads, and it has posteriors. The downside: it assumes one covariance for
    all classes, and keeps a matrix of n_features^2 / 2 integers.

    Parameters
    ----------
    shrinkage : "oas" or float in [0, 1], default="oas"
        "oas" shrinks correlations by the oracle approximating formula, from the state, and less where rows are more
        than three times the columns. A number is scikit-learn's: (1 - shrinkage) covariance + shrinkage * mean
        variance * I.
    priors : array-like of shape (n_classes,), optional
        Class probabilities in the order of `classes_`, at the time of predicting; class frequencies by default. They
        enter the intercepts only (scikit-learn's also weight its covariance).
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection, optional
        Random features in front; implies the embedding quantizer.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    coef_, intercept_ : ndarrays of shape (n_classes, n_features) and (n_classes,); one row for two classes
        For dequantised rows, as scikit-learn's, of the classes that have rows.
    shrinkage_ : float
        The intensity in use.
    moments_ : Moments
        The learned state.

    Notes
    -----
    Cost: fit n d^2 operations; a change, then predict: d^3 / 3 + 5 n_classes d^2 once, 2 n_classes d a row. Memory
    4 d^2 bytes, 8 d^2 more while solving, 8 d a class, and the ledger.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic, within 1e-8 relative of scikit-learn's ``solver="lsqr"`` on the dequantised rows.

    References
    ----------
    Hayes and Kanan, Lifelong machine learning with deep streaming LDA, CVPRW 2020. There: a float32 covariance that
    weights rows by the order of arrival; here the within-class covariance itself.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 4)) + 3 * np.eye(4)[np.arange(90) % 3]
    >>> y = np.array(["ape", "bee", "cat"])[np.arange(90) % 3]
    >>> head = LDAClassifier().partial_fit(X[y != "cat"], y[y != "cat"])
    >>> head = head.partial_fit(X[y == "cat"], y[y == "cat"])
    >>> head.state_digest() == LDAClassifier().fit(X, y).state_digest()
    True
    >>> head.predict(3 * np.eye(4)[:3]).tolist()
    ['ape', 'bee', 'cat']
    """

    needs = lda.needs

    def __init__(
        self,
        shrinkage: Literal["oas"] | float = "oas",
        priors: ArrayLike | None = None,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomProjection | None = None,
        track: Track = "auto",
    ) -> None:
        self.shrinkage = shrinkage
        self.priors = priors
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("shrinkage", self.shrinkage, ("oas",), high=1)
        if self.priors is not None:
            priors = self._prior_numbers()
            if priors.ndim != 1 or not (priors > 0).all() or not np.isclose(priors.sum(), 1.0):
                raise ValueError(f"priors must be positive and sum to 1, got {self.priors!r}")

    def _prior_numbers(self) -> NDArray[np.float64]:
        try:
            return np.asarray(self.priors, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"priors must be a list of numbers, one a class in the order of classes_, got {self.priors!r}"
            ) from None

    def _solve(self, moments: Moments) -> LinearScores:
        priors = None if self.priors is None else self._prior_numbers()
        if priors is not None:
            labels, places = self._all_labels(), self._with_rows()
            if priors.size != len(labels):
                raise ValueError(f"{priors.size} priors for {len(labels)} classes: {labels}")
            if places is not None:
                priors = priors[places] / priors[places].sum()
        return lda(moments, self.shrinkage, priors)

    @property
    def shrinkage_(self) -> float | None:
        return self._scores().strength

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
