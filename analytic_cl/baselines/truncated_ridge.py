"""Least squares behind a random projection, with weak directions left out."""

from __future__ import annotations

from analytic_cl.heads import LinearHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import LinearScores
from analytic_cl.solvers.truncated import truncated_least_squares
from analytic_cl.statistics import Moments


class TruncatedRidgeClassifier(LinearHead):
    """Least squares without the weakest directions of the rows: what LoRanPAC approximates, bit for bit.

    For wide random features, whose Gram matrix is badly conditioned: directions that hardly any row has are left out,
    where ridge would shrink all. The downside: a solve takes several times as long as ridge's, and where directions of
    nearly equal width are cut apart, one more row may exchange them.

    Parameters
    ----------
    discard : float in [0, 1), default=0.25
        Share of the directions that rows can have, min(n_rows, width), that is left out: those in which rows are the
        shortest. 0 leaves only null directions out.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection or FourierFeatures, optional
        Random features in front, as in the paper; implies the embedding quantizer.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    coef_, intercept_ : ndarrays of shape (n_classes, width) and (n_classes,); one row for two classes
        For dequantised rows, of the classes that have rows. There is no intercept: it is 0.
    rank_ : int
        Number of directions in use.
    moments_ : Moments
        The learned state.

    Notes
    -----
    Cost: fit n d^2 operations; a change, then predict: 4/3 d^3, half of it at the speed of memory (some
    ten times as long as ridge, for 5,000 random features), 2 n_classes d a row. Memory 2 to 4 d^2 bytes, 8 d^2 more
    while solving, 8 d a class, and the ledger.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic, within 1e-8 relative of least squares on the dequantised rows where what is cut off lies apart
    from what stays.

    References
    ----------
    Peng et al., LoRanPAC: Low-rank random features and pre-trained models for bridging theory and practice in continual
    learning, ICLR 2025. There: a truncated factor that is updated, and truncated again, after every thousand rows, so
    that it depends on their order and no row can be taken out; here the Gram matrix of all rows, truncated once.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import RandomProjection
    >>> from analytic_cl.baselines import TruncatedRidgeClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3
    >>> X = rng.normal(size=(60, 8)) + 3 * np.eye(8)[y]
    >>> head = TruncatedRidgeClassifier(projection=RandomProjection(40)).fit(X, y)
    >>> head.predict(3 * np.eye(8)[:3]).tolist()
    [0, 1, 2]
    >>> head.rank_
    30
    """

    needs = truncated_least_squares.needs

    def __init__(
        self,
        discard: float = 0.25,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.discard = discard
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("discard", self.discard, (), high=1)
        if self.discard == 1:
            raise ValueError("discard must be below 1: with all directions left out, nothing is left to classify by")

    def _solve(self, moments: Moments) -> LinearScores:
        return truncated_least_squares(moments, float(self.discard))

    @property
    def rank_(self) -> int:
        return int(self._prepared().strength)
