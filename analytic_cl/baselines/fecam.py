"""FeCAM: a Mahalanobis distance of its own for every class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.heads.class_grams import ClassGramHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import QuadraticScores, fecam
from analytic_cl.solvers.units import lengths
from analytic_cl.statistics import ClassGrams


class FeCAMClassifier(ClassGramHead):
    """Nearest class mean by a Mahalanobis distance for each class: its shrunk covariance, as correlations.

    The published baseline, to compare with; `GaussianClassifier` is more accurate, and has posteriors.

    Parameters
    ----------
    gamma1, gamma2 : floats >= 0, default=1.0
        How many times the mean variance is added to a class's variances, and the mean covariance to its covariances.
        The paper has 1 and 1 for convolutional networks trained from scratch, 1 and 0 for pre-trained transformers.
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
    state_ : ClassGrams
        The learned state.

    Notes
    -----
    The paper raises features to the power 1/2 first (Tukey's transformation), where a network leaves none below zero:
    ``fit(np.sqrt(X), y)``. Covariances are those of rows behind the quantizer, so of unit rows behind the embedding
    one; the paper's are of rows of any length. For distances rows and means have unit length in both.

    Cost: fit n d^2 operations; a change, then predict: n_classes d^3, and n_c d^2 where the state holds a class as
    rows; n_classes d^2 a row. Memory that of `GaussianClassifier`, and 8 d^2 bytes a class for weights.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic.

    References
    ----------
    Goswami, Liu, Twardowski and van de Weijer, FeCAM: exploiting the heterogeneity of class distributions in
    exemplar-free continual learning, NeurIPS 2023. There: covariances of one session's float rows, so that a class
    can't come back; here of all its rows, and forgettable. A class of one row, whose covariance is zero there, is
    given uncorrelated columns.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.baselines import FeCAMClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = 4 + rng.normal(size=(90, 4)) + 4 * np.eye(4)[np.arange(90) % 3]
    >>> y = np.array(["ape", "bee", "cat"])[np.arange(90) % 3]
    >>> FeCAMClassifier().fit(np.sqrt(X), y).predict(np.sqrt(4 + 4 * np.eye(4)[:3])).tolist()
    ['ape', 'bee', 'cat']
    """

    needs = fecam.needs

    def __init__(
        self,
        gamma1: float = 1.0,
        gamma2: float = 1.0,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.gamma1 = gamma1
        self.gamma2 = gamma2
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("gamma1", self.gamma1, ())
        check_strength("gamma2", self.gamma2, ())

    def _solve(self, state: ClassGrams) -> QuadraticScores:
        return fecam(state, float(self.gamma1), float(self.gamma2))

    def _compare_rows(self, rows: NDArray[Any], scores: QuadraticScores) -> NDArray[np.float64]:
        x = self.quantizer_.dequantise(rows)
        return scores.of(x / lengths(x))
