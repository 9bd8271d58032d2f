"""Ridge regression: incremental, forgettable, with one output or several."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from analytic_cl._locks import reading
from analytic_cl.heads.regression import Regression
from analytic_cl.heads.solved import Solved
from analytic_cl.heads.validation import check_solver, check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.recursive import RecursiveRegression
from analytic_cl.solvers import LinearScores, PredictiveVariance, predictive_variance, ridge_regression
from analytic_cl.statistics import RegressionMoments

Floats = NDArray[np.float64]


class RLSRegressor(Regression, Solved):
    """Ridge regression whose every update, and every row forgotten, equals a joint fit, bit for bit in the state.

    For numbers in place of classes, one a row or several: prices, ratings, forecasts, embeddings of labels. The
    downside: targets need a range that is declared beforehand (`target_quantizer`), and beyond it they are refused.

    Parameters
    ----------
    alpha : "gcv", "oas" or float >= 0, default="gcv"
        The penalty. "gcv" takes the one with the least generalised cross-validation error, common to all outputs;
        "oas" shrinks correlations of the rows by the oracle approximating formula. Both are formulas of the state. A
        number is scikit-learn's ``alpha``, in units of the dequantised rows.
    fit_intercept : bool, default=True
        Whether rows and targets are centred, exactly, before solving.
    solver : {"cholesky", "recursive"}, default="cholesky"
        "cholesky" solves anew, once, when weights are asked for after a change. "recursive", for streams that predict
        after every few rows, keeps the inverse and lets it follow each row in n_features^2 operations; it needs a
        number above 0 as `alpha`, because the other choices move with every row.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    target_quantizer : "auto" or FixedPoint, default="auto"
        How targets become integers. "auto" is ``FixedPoint(32, scale=2**12)``: from -522,231 to 522,231 in steps of
        0.00024. Targets out of range are an error that names the rows. Another scale, or ``bounds``, by output if they
        are tuples, move range and steps; no norm.
    projection : RandomProjection, optional
        Random features in front; implies the embedding quantizer.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows, with their targets. "auto": the integers of rows with a `sample_id`, a
        keyed digest of others.

    Attributes
    ----------
    coef_, intercept_ : ndarrays of shape (n_features,) and (), or (n_outputs, n_features) and (n_outputs,)
        For dequantised rows, shaped as scikit-learn's ``Ridge`` has them: one column of targets counts as none.
    alpha_ : float
        The penalty in force; with "oas" the intensity of the shrinkage.
    moments_ : RegressionMoments
        The learned state.

    Notes
    -----
    Cost: fit n d^2 operations; a change, then predict: d^3 / 3 + 2 d^2 n_outputs once ("gcv" four times that), d
    n_outputs a row; recursive 2 d^2 a change. Memory 2 to 4 d^2 bytes (12 d^2 behind 32 bits), 12 d^2 more while
    solving, and the ledger. An output counts as four features behind 8 and 16 bits, as one behind 32.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    predictions algebraic, within 1e-8 relative of scikit-learn's ``Ridge`` on the dequantised rows and targets. Targets
    of +-1 give the weights of `RLSClassifier` for two classes, bit for bit. With ``solver="recursive"`` the state is
    the same, bit for bit, and weights are algebraic, as described there.

    References
    ----------
    Hoerl and Kennard, Ridge regression, Technometrics 12 (1970); Golub, Heath and Wahba, Technometrics 21 (1979), for
    "gcv". There from the rows; here from integer sums, from which rows can be taken out again.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import RLSRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(80, 3))
    >>> y = X @ [1.0, 2.0, 3.0] + 0.1 * rng.normal(size=80)
    >>> head = RLSRegressor(alpha=0.1).fit(X, y, sample_id=range(80))
    >>> head.coef_.round(1).tolist()
    [1.0, 2.0, 3.0]
    >>> receipt = head.rectify(y=[0.5], sample_id=[7])
    >>> receipt = head.forget(sample_id=[7, 11])
    >>> keep = np.setdiff1d(np.arange(80), [7, 11])
    >>> head.state_digest() == RLSRegressor().fit(X[keep], y[keep]).state_digest()
    True
    >>> low, high = head.predict_interval(X, coverage=0.95)
    >>> bool(np.mean((low <= y) & (y <= high)) > 0.9)
    True
    """

    needs = ridge_regression.needs
    takes_sparse_rows = True

    def __init__(
        self,
        alpha: Literal["gcv", "oas"] | float = "gcv",
        fit_intercept: bool = True,
        *,
        solver: Literal["cholesky", "recursive"] = "cholesky",
        quantizer: str | FixedPoint = "auto",
        target_quantizer: Literal["auto"] | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.quantizer = quantizer
        self.target_quantizer = target_quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("alpha", self.alpha, ("gcv", "oas"))
        check_solver(self.solver, self.alpha, self.fit_intercept)

    def _solve(self, state: RegressionMoments) -> LinearScores:
        if self.solver == "cholesky":
            return ridge_regression(state, self.alpha, bool(self.fit_intercept))
        return self._followed(RecursiveRegression, state, cast(float, self.alpha), bool(self.fit_intercept))

    @reading
    def predict(self, X: ArrayLike, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Prediction for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        return_std : bool, default=False
            Also the standard deviation of a new target about each prediction: noise, estimated from what is left of the
            learned targets, and doubt about the weights.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        std : ndarray of the same shape, if `return_std`

        Notes
        -----
        Exactness: algebraic. A row alone and the same row in a batch agree to 1e-12 of the largest prediction.

        Cost: `return_std` adds 5/3 d^3 once a change, and 2 d^2 a row.
        """
        scores = self._prepared()
        if not return_std:
            return self._in_shape(self._by_rows(X, lambda rows: self._mapped(rows, scores)))
        variance = self._variance(scores)
        k = len(scores.coef)

        def both(rows: NDArray[Any]) -> Floats:
            spread = variance.of(self._deviations(rows, scores.centre))
            return np.concatenate([self._mapped(rows, scores), spread], axis=1)

        found = self._by_rows(X, both)
        return self._in_shape(found[:, :k]), self._in_shape(np.sqrt(found[:, k:]))

    @reading
    def predict_interval(self, X: ArrayLike, coverage: float = 0.9) -> tuple[Floats, Floats]:
        """Lower and upper bounds that a new target lies between with a probability of `coverage`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        coverage : float in (0, 1), default=0.9

        Returns
        -------
        low, high : ndarrays of shape (n_samples,) or (n_samples, n_outputs)

        Notes
        -----
        By Student's t with N - df degrees of freedom: right where targets are linear in the row, with normal noise of
        one size; each output by itself.

        Exactness: algebraic, as `predict`.
        """
        check_strength("coverage", coverage, (), high=1)
        if coverage in (0, 1):
            raise ValueError(f"coverage must be between 0 and 1, got {coverage!r}")
        centre, std = self.predict(X, return_std=True)
        reach = std * student.ppf((1 + coverage) / 2, self._variance(self._prepared()).residual_degrees)
        return centre - reach, centre + reach

    def _variance(self, scores: LinearScores) -> PredictiveVariance:
        alpha = "oas" if self.alpha == "oas" else cast(float, scores.strength)
        return cast(
            PredictiveVariance,
            self._once("variance", lambda: predictive_variance(self.moments_, scores, alpha, bool(self.fit_intercept))),
        )

    def empty_answer(self) -> Floats:
        return np.empty((0,) if self._joint.n_targets == 1 else (0, self._joint.n_targets))

    def _in_shape(self, found: Floats) -> Floats:
        return found[:, 0] if self._joint.n_targets == 1 else found

    @property
    def coef_(self) -> Floats:
        coef = cast(Floats, self._prepared().coef)
        return (coef[0] if self._joint.n_targets == 1 else coef).copy()

    @property
    def intercept_(self) -> Floats | float:
        intercept = cast(Floats, self._prepared().intercept)
        if not self.fit_intercept:
            return 0.0
        return float(intercept[0]) if self._joint.n_outputs is None else intercept.copy()

    @property
    def alpha_(self) -> float:
        return cast(float, self._prepared().strength)
