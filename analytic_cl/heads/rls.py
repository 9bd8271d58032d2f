"""Ridge classification: what recursive least squares converges to."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np

from analytic_cl.heads.linear import LinearHead
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomProjection
from analytic_cl.recursive import RecursiveRidge
from analytic_cl.solvers import LinearScores, ridge
from analytic_cl.statistics import Moments


class RLSClassifier(LinearHead):
    """Regularised least squares on +-1 targets; every update equals a joint fit, bit for bit in the state.

    The head of analytic continual learning; strongest behind a `RandomProjection`. The downside: scores are no
    probabilities (wrap the head in scikit-learn's ``CalibratedClassifierCV`` for those), and rare classes are pulled
    towards -1.

    Parameters
    ----------
    alpha : "auto", "oas", "gcv" or float >= 0, default="auto"
        All but the number are formulas of the state. "auto": behind a projection "oas"; of unit rows a penalty of
        their mean squared distance to the mean; else correlations within the classes are shrunk, as `LDAClassifier`
        does. "oas" shrinks correlations by the oracle approximating formula. "gcv" takes the penalty with the least
        generalised cross-validation error. A number is scikit-learn's ``alpha``, in units of the dequantised rows.
    fit_intercept : bool, default=True
        Whether rows and targets are centred, exactly, before solving.
    solver : {"cholesky", "recursive"}, default="cholesky"
        "cholesky" solves anew, once, when weights are asked for after a change. "recursive", for streams that predict
        after every few rows, keeps the inverse and lets it follow each row in n_features^2 operations; it needs a
        number above 0 as `alpha`, because the other choices move with every row.
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
        For dequantised rows, as scikit-learn's.
    alpha_ : float
        The strength in use: the intensity where correlations are shrunk, else the penalty.
    moments_ : Moments
        The learned state.

    Notes
    -----
    Cost: fit n d^2 operations; a change, then predict: d^3 / 3 + 2 n_classes d^2 once ("gcv": about 10 d^3),
    2 n_classes d a row. Memory 4 d^2 bytes, 8 d^2 more while solving, 8 d a class, and the ledger. "recursive": 2 d^2 +
    6 n_classes d a row learned or forgotten, 2 d^3 at first and after changes of more than d / 2 rows at once; 8 d^2
    bytes more, throughout.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic, within 1e-8 relative of scikit-learn's ``RidgeClassifier`` on the dequantised rows. With
    ``solver="recursive"`` the state is the same, bit for bit, and weights are algebraic: every 1024 rows they and the
    inverse are checked against the state, and made again where they drifted by more than 1e-10 (of the error of a
    fresh inverse, ten times, where a small `alpha` makes that larger).

    References
    ----------
    Zhuang et al., ACIL, NeurIPS 2022; McDonnell et al., RanPAC, NeurIPS 2023. There: a recursion on an inverse that
    loses accuracy with small alpha and large batches, or alpha chosen from the last session alone.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import RLSClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 6)), np.arange(80) % 4
    >>> X[:, :4] += 2 * np.eye(4)[y]
    >>> head = RLSClassifier().fit(X, y, sample_id=range(80))
    >>> receipt = head.forget(sample_id=[7, 11])
    >>> keep = np.setdiff1d(np.arange(80), [7, 11])
    >>> head.state_digest() == RLSClassifier().fit(X[keep], y[keep]).state_digest()
    True

    Probabilities, where they are needed:

    >>> from sklearn.calibration import CalibratedClassifierCV
    >>> CalibratedClassifierCV(RLSClassifier(), cv=3).fit(X, y).predict_proba(X).shape
    (80, 4)
    """

    needs = ridge.needs

    def __init__(
        self,
        alpha: Literal["auto", "oas", "gcv"] | float = "auto",
        fit_intercept: bool = True,
        *,
        solver: Literal["cholesky", "recursive"] = "cholesky",
        quantizer: str | FixedPoint = "auto",
        projection: RandomProjection | None = None,
        track: Track = "auto",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("alpha", self.alpha, ("auto", "oas", "gcv"))
        if not isinstance(self.fit_intercept, bool | np.bool_ | int) or self.fit_intercept not in (0, 1):
            raise ValueError(f"fit_intercept must be True or False, got {self.fit_intercept!r}")
        if self.solver not in ("cholesky", "recursive"):
            raise ValueError(f'solver must be "cholesky" or "recursive", got {self.solver!r}')
        if self.solver == "recursive" and (isinstance(self.alpha, str) or self.alpha == 0):
            raise ValueError(
                f'solver="recursive" needs a number above 0 as alpha, got {self.alpha!r}: "oas" and "gcv" choose '
                "another strength after every row, which an inverse can't follow, and without any there may be none"
            )

    def _solve(self, moments: Moments) -> LinearScores:
        if self.solver == "cholesky":
            return ridge(moments, self.alpha, bool(self.fit_intercept))
        follower = self._solved.get("recursive")
        if follower is None or (follower.alpha, follower.fit_intercept) != (self.alpha, bool(self.fit_intercept)):
            self.drop_caches()
            follower = self._solved["recursive"] = RecursiveRidge(cast(float, self.alpha), bool(self.fit_intercept))
            self._listen(follower.queue)
        return cast(LinearScores, follower.scores(moments))

    @property
    def alpha_(self) -> float | None:
        return self._scores().strength
