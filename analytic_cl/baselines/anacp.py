"""Analytic contrastive projection."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl._integers import as_integer
from analytic_cl._locks import reading
from analytic_cl.baselines.class_targets import Targets, TargetScores, target_scores
from analytic_cl.heads.solved import SolvedHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.learner import Learner
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures, RandomProjection
from analytic_cl.statistics import Moments


class AnaCPClassifier(SolvedHead):
    """Random features projected onto targets of classes that were spread apart; the nearest target by angle answers.

    AnaCP without its replay, so that it is a function of the state: learned and forgotten bit for bit. Class sizes have
    no part in the answer beyond the projection. The downside: a matrix over all random features and the row beside
    them, for an accuracy that ridge on the same features has, too.

    Parameters
    ----------
    targets : {"code", "paper"}, default="code"
        How spread class means are taken back from whitened space: "paper" by the square root of the covariance within
        classes, as is written; "code" by its inverse, as the authors' program does, which leads along discriminant
        directions. On features that are not centred, such as those of a ReLU network, "paper" is far worse.
    branches : int, default=3
        Into how many equal parts the random features are cut. Each is solved alone, and cosines are averaged.
    alpha : float >= 0, default=100.0
        Penalty of each branch, in units of the dequantised features.
    quantizer : "auto" or "embedding", default="auto"
        The projection implies the embedding quantizer.
    projection : RandomProjection with ``keep_input=True``
        Needed: there is no answer without. Its `n_components` must be a multiple of `branches`; the paper has 15,000.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    targets_ : ndarray of shape (n_classes, n_features)
        Unit vectors that rows are projected onto, of the classes that have rows.
    moments_ : Moments
        The learned state, of rows beside their random features.

    Notes
    -----
    `decision_function` gives mean cosines to targets (for two classes, the second's less the first's). Discriminant
    analysis of the projections, the other read-out without replay, does not depend on the targets at all.

    Cost: fit n (d + M)^2 operations for M random features; a change, then predict: M^3 / (3 branches^2) + 9 d^3 once,
    2 n_classes M a row. Memory 4 (d + M)^2 bytes, 8 (M / branches)^2 and 32 d^2 more while solving, and the ledger.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic, within 1e-8 of the equations in float64 on the dequantised rows.

    References
    ----------
    Momeni et al., AnaCP: Toward upper-bound continual learning via analytic contrastive projection, NeurIPS 2025.
    There: GELU of Gaussian projections in float32; a covariance that weighs sessions by their order; a classifier
    trained on random draws from class Gaussians, anew at every update.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import RandomProjection
    >>> from analytic_cl.baselines import AnaCPClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3
    >>> X = rng.normal(size=(60, 8)) + 3 * np.eye(8)[y]
    >>> head = AnaCPClassifier(projection=RandomProjection(60, keep_input=True)).fit(X, y)
    >>> head.predict(3 * np.eye(8)[:3]).tolist()
    [0, 1, 2]
    >>> head.targets_.shape
    (3, 8)
    """

    needs = target_scores.needs

    def __init__(
        self,
        targets: Targets = "code",
        branches: int = 3,
        alpha: float = 100.0,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.targets = targets
        self.branches = branches
        self.alpha = alpha
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.targets not in ("code", "paper"):
            raise ValueError(f'targets must be "code" or "paper", got {self.targets!r}')
        check_strength("alpha", self.alpha, ())
        self._check_projection(self.projection)

    def _check_projection(self, projection: Any) -> None:
        branches = as_integer("branches", self.branches, 1)
        fits = isinstance(projection, RandomProjection) and projection.choices() == {"keep_input": True}
        if not fits or projection.n_components % branches:
            raise ValueError(
                "AnaCPClassifier needs projection=RandomProjection(n_components, keep_input=True), n_components a "
                f"multiple of branches={branches}; got {projection!r}"
            )

    def adopt(self, learner: Learner, feature_names: NDArray[Any] | None = None) -> None:
        self._check_projection(learner.quantizer.projection)
        super().adopt(learner, feature_names)

    def _solve(self, moments: Moments) -> TargetScores:
        return target_scores(moments, self.targets, int(self.branches), float(self.alpha))

    @property
    def moments_(self) -> Moments:
        """The learned state."""
        return cast(Moments, self.state_)

    @property
    @reading
    def targets_(self) -> NDArray[np.float64]:
        return np.array(self._prepared().targets)

    def _compare_rows(self, rows: NDArray[Any], scores: Any) -> NDArray[np.float64]:
        features = rows[:, self.n_features_in_ :].astype(np.float64)
        features *= self.quantizer_.step[-1]
        return np.asarray(scores.of(features))
