"""Classes of unit rows with a direction and a spread each."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from analytic_cl.heads import LinearHead
from analytic_cl.heads.posteriors import PosteriorHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.learner import Learner
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomFeatures
from analytic_cl.solvers import LinearScores
from analytic_cl.solvers.von_mises_fisher import von_mises_fisher
from analytic_cl.statistics import Moments, State


class VonMisesFisherClassifier(LinearHead, PosteriorHead):
    """Assign each unit row to the likeliest of von Mises-Fisher classes; learn and forget bit for bit.

    A nearest mean by angle that knows how wide each class is, from class sums alone, so that `forget_class` needs no
    rows. The downside: it takes a class for equally wide in all directions; in hundreds of correlated columns it is far
    too sure of widths, which are therefore drawn together.

    Parameters
    ----------
    prior_rows : float >= 0, default=32
        How many rows the spread of all classes together counts for beside those of a class. 0 is the plain estimate of
        each class, which costs a point on text.
    quantizer : "embedding" or FixedPoint(norm="l2"), default="embedding"
        How rows become integers of unit length. Others are refused.
    projection : None
        Random features have no unit length: any is refused.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    coef_, intercept_ : ndarrays of shape (n_classes, n_features) and (n_classes,); one row for two classes
        For dequantised rows, of the classes that have rows. The length of a row of `coef_` is the concentration kappa
        of its class (for two classes, the second's less the first's).
    moments_ : Moments
        The learned state.

    Notes
    -----
    Cost: fit n d additions; predict 2 n_classes d operations a row; memory 8 d bytes a class, and the ledger.

    Exactness: state bit for bit; scores algebraic, within 1e-9 relative of the equations in float64, and within 1e-8 of
    them for what the Bessel function is expanded by.

    References
    ----------
    Banerjee et al., Clustering on the unit hypersphere using von Mises-Fisher distributions, JMLR 6 (2005), for kappa.
    There: from the mean length as it is, which is too long where rows are few, and each class for itself.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.baselines import VonMisesFisherClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> X = np.array([1.0, 0.0, 0.0]) + rng.normal(size=(200, 3)) * np.array([0.05, 0.8])[y][:, None]
    >>> X /= np.linalg.norm(X, axis=1, keepdims=True)  # one direction, two widths
    >>> head = VonMisesFisherClassifier().fit(X, y)
    >>> head.predict([[1.0, 0.05, 0.0], [1.0, 0.8, -0.5]]).tolist()
    [0, 1]
    >>> head.forget_class(1).removed
    100
    """

    needs = von_mises_fisher.needs

    def __init__(
        self,
        prior_rows: float = 32.0,
        *,
        quantizer: str | FixedPoint = "embedding",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.prior_rows = prior_rows
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("prior_rows", self.prior_rows, ())

    def empty_state(self, quantizer: Quantizer) -> State:
        _check_unit(quantizer)
        return super().empty_state(quantizer)

    def adopt(self, learner: Learner, feature_names: NDArray[Any] | None = None) -> None:
        _check_unit(learner.quantizer)
        super().adopt(learner, feature_names)

    def _solve(self, moments: Moments) -> LinearScores:
        return von_mises_fisher(moments, float(self.prior_rows))


def _check_unit(quantizer: Quantizer) -> None:
    if quantizer.rule.norm != "l2" or quantizer.projection is not None:
        raise ValueError(
            f"VonMisesFisherClassifier needs rows of unit length, not {quantizer.describe()}: give "
            'quantizer="embedding" or FixedPoint(norm="l2"), and no projection'
        )
