"""AIR: analytic imbalance rectifier."""

from __future__ import annotations

from typing import cast

from analytic_cl.heads.class_grams import ClassGramHead
from analytic_cl.heads.linear import LinearHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import LinearScores, air
from analytic_cl.statistics import ClassGrams, Moments


class AIRClassifier(ClassGramHead, LinearHead):
    """Ridge without an intercept in which every class counts alike, by a Gram matrix of each.

    The published baseline, to compare with. ``RLSClassifier(balance=1)`` does nearly the same with one matrix for all
    classes, and has an intercept.

    Parameters
    ----------
    alpha : float >= 0, default=1.0
        The penalty, in units of the dequantised rows.
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
    coef_, intercept_ : ndarrays of shape (n_classes, n_features) and (n_classes,); one row for two classes
        For dequantised rows; the intercept is zero.
    state_ : ClassGrams
        The learned state.

    Notes
    -----
    The paper has random features in front, ``projection=RandomProjection(5000)``: a matrix of 50 MB a class once rows
    are many, and more than 8 GiB in all is refused.

    Cost: fit n d^2 operations; a change, then predict: d^3 / 3, d^2 for every size of a class, n_c d^2 where the state
    holds a class as rows; 2 n_classes d a row. Memory that of `GaussianClassifier`, and 16 d^2 bytes while solving.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic; where all classes have as many rows, those of ``RLSClassifier(alpha, fit_intercept=False)``.

    References
    ----------
    Fang et al., AIR: analytic imbalance rectifier for continual learning, arXiv 2408.10349. There: a float64 square a
    class, four times the memory, and targets of 0 and 1, which name the same classes.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.baselines import AIRClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], [95, 5])
    >>> X = rng.normal(size=(100, 3)) + 2 * np.eye(3)[y]
    >>> head = AIRClassifier().fit(X, y)
    >>> receipt = head.forget_class(0)
    >>> head.state_digest() == AIRClassifier().fit(X[95:], y[95:]).state_digest()
    True
    """

    needs = air.needs

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.alpha = alpha
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("alpha", self.alpha, ())

    @property
    def moments_(self) -> Moments:
        """What all classes have in common."""
        return cast(ClassGrams, self.state_).moments()

    def _solve(self, state: ClassGrams) -> LinearScores:
        return air(state, float(self.alpha))
