"""Quadratic discriminant analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl.heads.class_grams import ClassGramHead
from analytic_cl.heads.class_parameters import ClassCovariances
from analytic_cl.heads.validation import check_strength, prior_numbers
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import QuadraticScores, qda
from analytic_cl.statistics import ClassGrams


class QDAClassifier(ClassCovariances, ClassGramHead):
    """Quadratic discriminant analysis, scikit-learn's: every class has its own covariance, and nothing is shared.

    To compare with. `GaussianClassifier` is the one to use: it takes as much of a class's own covariance as its rows
    can tell, where this one needs more rows a class than columns, or a `reg_param` that fits their units.

    Parameters
    ----------
    reg_param : float in [0, 1], default=0.0
        Covariances are (1 - reg_param) S_c + reg_param I, in units of the dequantised rows.
    priors : array-like of shape (n_classes,), optional
        Class probabilities in the order of `classes_`; class frequencies by default.
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
    means_, covariance_, priors_ : ndarray (n_classes, n_features), list of ndarray, ndarray (n_classes,)
        As scikit-learn's, of dequantised rows, of classes with rows; covariances without `reg_param`.
    state_ : ClassGrams
        The learned state.

    Notes
    -----
    A class whose covariance is singular is refused when predicting, with a LinAlgError that names it.

    Cost: fit n d^2 operations; a change, then predict: n_classes d^3, and n_c d^2 where the state holds a class as
    rows; n_classes d^2 a row. Memory that of `GaussianClassifier`, and 8 d^2 bytes a class for weights.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic, within 1e-8 relative of scikit-learn's from 1.8 on, on the dequantised rows. Older ones divide by
    n_c - 1, not by n_c.

    References
    ----------
    Hastie, Tibshirani and Friedman, The elements of statistical learning, 2009, section 4.3. No difference.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.baselines import QDAClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) * np.array([[1.0, 1.0], [0.2, 5.0]])[np.arange(300) % 2]
    >>> y = np.array(["round", "long"])[np.arange(300) % 2]
    >>> QDAClassifier().fit(X, y).predict([[0.0, 8.0], [1.5, 0.0]]).tolist()
    ['long', 'round']
    """

    needs = qda.needs

    def __init__(
        self,
        reg_param: float = 0.0,
        priors: ArrayLike | None = None,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.reg_param = reg_param
        self.priors = priors
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("reg_param", self.reg_param, (), high=1)
        if self.priors is not None:
            prior_numbers(self.priors)

    def _solve(self, state: ClassGrams) -> QuadraticScores:
        return qda(state, float(self.reg_param), self._priors_of(state.labels))

    def _compare_rows(self, rows: NDArray[Any], scores: QuadraticScores) -> NDArray[np.float64]:
        return scores.of(self._deviations(rows, scores.centre))
