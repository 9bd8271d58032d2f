"""Ridge classification: what recursive least squares converges to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metaestimators import available_if

from analytic_cl._locks import reading
from analytic_cl.heads.calibration import Calibration
from analytic_cl.heads.class_vectors import class_vectors, stacked
from analytic_cl.heads.label_sets import LabelSetHead
from analytic_cl.heads.leading_digits import Rough
from analytic_cl.heads.linear import LinearHead
from analytic_cl.heads.log_probabilities import LOWEST, log_posteriors
from analytic_cl.heads.prediction import posteriors
from analytic_cl.heads.validation import check_solver, check_strength, check_temperature
from analytic_cl.learner import keeps_all_rows
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomFeatures
from analytic_cl.recursive import RecursiveRidge
from analytic_cl.solvers import CANDIDATES, LinearScores, Shrinkage, label_ridge, leverage, ridge
from analytic_cl.statistics import LabelSetMoments, Moments, State


class RLSClassifier(LabelSetHead, LinearHead):
    """Regularised least squares on +-1 targets; every update equals a joint fit, bit for bit in the state.

    The head of analytic continual learning; strongest behind a `RandomProjection`. The downside: rare classes are
    pulled towards -1 (see `balance`), and scores are no probabilities unless a temperature makes them so.

    Parameters
    ----------
    alpha : "auto", "oas", "gcv", "folds" or float >= 0, default="auto"
        "auto", "oas" and "gcv" are formulas of the state. "auto": behind a projection "oas"; of unit rows a penalty of
        their mean squared distance to the mean; else correlations within the classes are shrunk, as `LDAClassifier`
        does. "oas" shrinks correlations by the oracle approximating formula. "gcv" takes the penalty with the least
        generalised cross-validation error. "folds", for few rows, shrinks correlations by "oas", .5, .65, .8 or .95:
        the first that names the class of held-out rows as well as the best does, within one standard error. It needs a
        ledger that keeps all rows (``track="rows"`` or ids). A number is scikit-learn's ``alpha``, in units of the
        dequantised rows.
    fit_intercept : bool, default=True
        Whether rows and targets are centred, exactly, before solving.
    balance : float in [0, 1], default=0.0
        Classes count as if they had n_c^(1 - balance) rows, with the scatter within all classes: 1 makes them of one
        size. For long tails, where plain ridge hardly answers with small classes; also see `LDAClassifier`.
    prior_coef : mapping of label to array-like of shape (n_features,), optional
        Weights that a class is pulled towards, in place of 0, in the units of `coef_`: of an older head, of another
        site's, or made from texts. Strong regularisation gives back these weights, weak the data's. Classes without
        any are pulled to 0, vectors of classes without rows wait for them; of two classes, half the difference counts.
        Behind a projection they are weights of its features.
    temperature : "folds" or float > 0, default="folds"
        What scores are divided by for probabilities. "folds" takes the one of least negative log-likelihood of held-out
        rows. There is `predict_proba` with a number, or where the ledger keeps all rows.
    solver : {"cholesky", "recursive"}, default="cholesky"
        "cholesky" solves anew, once, when weights are asked for after a change. "recursive", for streams that predict
        after every few rows, keeps the inverse and lets it follow each row in n_features^2 operations; it needs a
        number above 0 as `alpha`, because the other choices move with every row.
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
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)`` or as columns of a matrix.
    coef_, intercept_ : ndarrays of shape (n_classes, n_features) and (n_classes,); one row for two classes
        For dequantised rows, as scikit-learn's.
    alpha_ : float
        The strength in use: the intensity where correlations are shrunk, else the penalty.
    temperature_, calibration_ : float and Calibration
        The temperature in use; with the tail that "folds" finds.
    moments_ : Moments or LabelSetMoments
        The learned state.

    Notes
    -----
    Cost: fit n d^2 operations; a change, then predict: d^3 / 3 + 2 n_classes d^2 once ("gcv": about 10 d^3),
    2 n_classes d a row. Memory 2 to 4 d^2 bytes, 8 d^2 more while solving (12 d^2 from 2,048 columns on, where classes
    are few), 8 d a class, and the ledger. "recursive": 2 d^2 + 6 n_classes d a row learned or forgotten, 2 d^3 at first
    and after changes of more than d / 2 rows at once; 8 d^2 bytes more, throughout. "folds": 25 solves, and 5 for a
    temperature, with a copy of the state each, and a pass over at most 20,000 rows, once after a change.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic, within 1e-8 relative of scikit-learn's ``RidgeClassifier`` on the dequantised rows. With
    ``solver="recursive"`` the state is the same, bit for bit, and weights are algebraic: every 1024 rows they and the
    inverse are checked against the state, and made again where they drifted by more than 1e-10 (of the error of a
    fresh inverse, ten times, where a small `alpha` makes that larger).

    Rows may have any number of labels: y is an indicator matrix, or a set for each row, with a target of +-1 a label.
    See ``docs/multi-label.md``.

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

    Probabilities, where the ledger keeps rows:

    >>> head.predict_proba(X).shape
    (80, 4)
    """

    needs = ridge.needs
    takes_sparse_rows = True
    needs_of_label_sets = label_ridge.needs

    def __init__(
        self,
        alpha: Literal["auto", "oas", "gcv", "folds"] | float = "auto",
        fit_intercept: bool = True,
        *,
        balance: float = 0.0,
        prior_coef: Mapping[Any, ArrayLike] | None = None,
        temperature: Literal["folds"] | float = "folds",
        solver: Literal["cholesky", "recursive"] = "cholesky",
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.balance = balance
        self.prior_coef = prior_coef
        self.temperature = temperature
        self.solver = solver
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("alpha", self.alpha, ("auto", "oas", "gcv", "folds"))
        check_strength("balance", self.balance, (), high=1)
        if self.prior_coef is not None:
            class_vectors("prior_coef", self.prior_coef)
        check_temperature(self.temperature)
        check_solver(self.solver, self.alpha, self.fit_intercept)
        if self.solver == "recursive" and self.balance:
            raise ValueError(
                f'solver="recursive" needs balance=0, got {self.balance!r}: with weights of classes, one row changes '
                "all of its class"
            )
        if self.solver == "recursive" and self.prior_coef is not None:
            raise ValueError(
                'solver="recursive" needs prior_coef=None: given weights change the targets of all rows at once; use '
                'solver="cholesky"'
            )

    def empty_state(self, quantizer: Quantizer) -> State:
        if self.prior_coef is not None:  # refused before a row is learned
            stacked("prior_coef", self.prior_coef, [], quantizer.width)
        return super().empty_state(quantizer)

    def check_label_set_parameters(self) -> None:
        if self.alpha == "folds":
            raise ValueError('alpha="folds" holds out rows by their class, and here they have any number of labels')
        if self.balance:
            raise ValueError(f"labels overlap, so that they can't be balanced as classes: balance={self.balance!r}")
        if self.solver == "recursive":
            raise ValueError('solver="recursive" follows one label a row: use solver="cholesky" for sets of labels')

    def _solve_label_sets(self, state: LabelSetMoments) -> LinearScores:
        towards = None
        if self.prior_coef is not None:
            towards = stacked("prior_coef", self.prior_coef, state.labels, state.quantizer.width)
        return label_ridge(state, self.alpha, bool(self.fit_intercept), towards)

    def _solve_by_classes(self, moments: Moments) -> LinearScores:
        if self.solver == "cholesky":
            return self._solve_by(moments, self._chosen(CANDIDATES, self.alpha))
        return self._followed(RecursiveRidge, moments, cast(float, self.alpha), bool(self.fit_intercept))

    def _solve_by(self, moments: Moments, strength: Shrinkage) -> LinearScores:
        towards = None
        if self.prior_coef is not None:
            towards = stacked("prior_coef", self.prior_coef, moments.labels, moments.quantizer.width)
        return ridge(moments, strength, bool(self.fit_intercept), float(self.balance), towards)

    def _compare_rows(self, rows: NDArray[Any], scores: LinearScores) -> NDArray[np.float64]:
        if self.solver == "recursive":  # weights of one row each: making integers of them would take longer
            return scores.of(self._deviations(rows, scores.centre))
        return super()._compare_rows(rows, scores)

    def _roughly(self, rows: NDArray[Any], scores: LinearScores) -> Rough | None:
        return None if self.solver == "recursive" else super()._roughly(rows, scores)

    @reading
    def _has_temperature(self) -> bool:
        if isinstance(self.temperature, str) and self.has_label_sets:
            raise AttributeError("probabilities of labels that overlap need a number as temperature")
        if isinstance(self.temperature, str) and not (self.__sklearn_is_fitted__() and keeps_all_rows(self.learner_)):
            raise AttributeError(
                "probabilities of ridge need a temperature: a number, or rows to find it with, kept by track='rows' or "
                "a sample_id for every row"
            )
        return True

    @available_if(_has_temperature)  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    @reading
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Softmax of scores by `calibration_`, shape (n_samples, n_classes), rows summing to 1.

        Of labels that overlap the logistic function of each score over `temperature`, which must be a number.
        """
        return self._of_all_classes(self.probabilities_of(self._scored(X, self._compare_rows)))

    @available_if(_has_temperature)  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    @reading
    def probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the classes by scores as of `scores_of`."""
        if self.has_label_sets:
            return self._label_probabilities(scores)
        return posteriors(self.calibration_.of(scores))

    @available_if(_has_temperature)  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    @reading
    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of `predict_proba`, without underflow; the lowest finite number for classes without rows."""
        scores = self._scored(X, self._compare_rows)
        if self.has_label_sets:
            found = self._label_probabilities(scores, log=True)
        else:
            found = log_posteriors(self.calibration_.of(scores))
        return self._of_all_classes(found, LOWEST)

    @reading
    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """How normal each row is, shape (n_samples,): minus its leverage, about the mean of all rows.

        For ``alpha="gcv"`` with the alpha that was chosen.
        """
        self._check_fitted()
        state = self.state_
        rows = state.all_rows if isinstance(state, LabelSetMoments) else self.moments_
        return self._normality_of(X, lambda: leverage(rows, self._alpha_in_use()))

    def _alpha_in_use(self) -> Shrinkage:
        return cast(float, self.alpha_) if self.alpha == "gcv" else self._chosen(CANDIDATES, self.alpha)

    @property
    @reading
    def calibration_(self) -> Calibration:
        return self._calibrated(self._chosen(CANDIDATES, self.alpha), self.temperature)

    @property
    @reading
    def temperature_(self) -> float:
        return 1 / self.calibration_.factor

    @property
    def alpha_(self) -> float | None:
        return cast("float | None", self._prepared().strength)
