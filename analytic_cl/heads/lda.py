"""Linear discriminant analysis."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._locks import reading
from analytic_cl.heads.calibration import Calibration
from analytic_cl.heads.class_parameters import SharedCovariance
from analytic_cl.heads.discriminant_space import DiscriminantSpace
from analytic_cl.heads.label_sets import LabelSetHead
from analytic_cl.heads.leading_digits import Rough
from analytic_cl.heads.linear import LinearHead
from analytic_cl.heads.validation import check_strength, check_temperature, prior_numbers
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import (
    CANDIDATES,
    Discriminants,
    DiscriminantScores,
    LinearScores,
    Shrinkage,
    class_widths,
    discriminants,
    known_class_odds,
    label_lda,
    lda,
    shrunk_means_lda,
)
from analytic_cl.statistics import LabelSetMoments, Moments

_WIDE = 4  # columns for each class from which on the coordinates of rows take most of the time


class LDAClassifier(LabelSetHead, DiscriminantSpace, SharedCovariance, LinearHead):
    """Linear discriminant analysis that learns class by class and forgets row by row, bit for bit.

    Usually the most accurate of the plain heads, and it has posteriors. The downside: it assumes one covariance for
    all classes, and keeps a matrix of n_features^2 / 2 integers.

    Parameters
    ----------
    shrinkage : "oas", "folds" or float in [0, 1], default="oas"
        "oas" shrinks correlations by the oracle approximating formula, from the state, and less where rows are more
        than three times the columns: right for the covariance, and for classes where these have many rows. "folds",
        for few rows (below some 30 a class), takes that, .5, .65, .8 or .95: the first that names the class of held-out
        rows as well as the best does, within one standard error. It needs a ledger that keeps all rows
        (``track="rows"`` or ids). A number is scikit-learn's: (1 - shrinkage) covariance + shrinkage * mean variance
        * I.
    priors : array-like of shape (n_classes,), optional
        Class probabilities in the order of `classes_`, at the time of predicting; class frequencies by default. They
        enter the intercepts only (scikit-learn's also weight its covariance).
    means : {"shrunk", "plain"}, default="shrunk"
        "shrunk" draws the means of classes of few rows towards the mean of all, by how much more class means differ
        than their rows' noise explains, and widens those classes by what stays uncertain: from the state, without a
        parameter. The same on balanced data; many points better for small classes among large ones. "plain" takes
        means as they are, which gives linear scores.
    temperature : float > 0 or "folds", default=1.0
        What scores are divided by for probabilities, which by themselves are far too sure of high-dimensional rows.
        "folds" takes the one, and the tail, of least negative log-likelihood of held-out rows; it needs a ledger that
        keeps all rows.
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
        For dequantised rows, as scikit-learn's, of the classes that have rows. Only with ``means="plain"``.
    shrinkage_ : float
        The intensity in use.
    temperature_, calibration_ : float and Calibration
        The temperature in use; with the tail that "folds" finds.
    means_, covariance_, priors_ : ndarrays of shape (n_classes, n_features), (n_features, n_features), (n_classes,)
        Class means as they were learned, the shrunk covariance within classes, and class probabilities in use; of
        dequantised rows, of classes with rows.
    moments_ : Moments or LabelSetMoments
        The learned state.

    Notes
    -----
    Cost: fit n d^2 operations; a change, then predict: 2/3 d^3 + 5 n_classes d^2 once, and 2 r d + 4 r n_classes a row,
    r the smaller of d and n_classes - 1, or 2 n_classes d where classes have equally many rows (``means="plain"``:
    d^3 / 3, and 2 n_classes d a row). Memory 2 to 4 d^2 bytes,
    8 d^2 more while solving, 8 d a class, and the ledger. "folds": 25 solves, and 5 for a temperature, with a copy of
    the state each, and a pass over at most 20,000 rows; at the first prediction after a change.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic, with plain means within 1e-8 relative of scikit-learn's ``solver="lsqr"`` on the dequantised rows.

    Rows may have any number of labels: y is an indicator matrix, or a set for each row, and each label a problem of two
    classes, with plain means. A number as `shrinkage` then is within 1e-8 relative of one scikit-learn model a label.
    See ``docs/multi-label.md``.

    References
    ----------
    Hayes and Kanan, Lifelong machine learning with deep streaming LDA, CVPRW 2020. There: a float32 covariance that
    weights rows by the order of arrival; here the within-class covariance itself.

    Ioffe, Probabilistic linear discriminant analysis, ECCV 2006, for shrunk means. There: classes of equal size; here
    each class is shrunk by its own number of rows.

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
    takes_sparse_rows = True
    needs_of_label_sets = label_lda.needs

    def __init__(
        self,
        shrinkage: Literal["oas", "folds"] | float = "oas",
        priors: ArrayLike | None = None,
        *,
        means: Literal["shrunk", "plain"] = "shrunk",
        temperature: Literal["folds"] | float = 1.0,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.shrinkage = shrinkage
        self.priors = priors
        self.means = means
        self.temperature = temperature
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("shrinkage", self.shrinkage, ("oas", "folds"), high=1)
        check_temperature(self.temperature)
        if self.means not in ("shrunk", "plain"):
            raise ValueError(f'means must be "shrunk" or "plain", got {self.means!r}')
        if self.priors is not None:
            prior_numbers(self.priors)

    def check_label_set_parameters(self) -> None:
        if self.shrinkage == "folds":
            raise ValueError('shrinkage="folds" holds out rows by their class, and here they have any number of labels')
        if self.temperature == "folds":
            raise ValueError('temperature="folds" holds out rows by their class: give a number for sets of labels')
        if self.priors is not None:
            raise ValueError("priors are of classes, one a row: for sets of labels leave them out")

    def _solve_label_sets(self, state: LabelSetMoments) -> LinearScores:
        return label_lda(state, self.shrinkage)

    def _solve_by_classes(self, moments: Moments) -> LinearScores | DiscriminantScores:
        return self._solve_by(moments, self._chosen(CANDIDATES, self.shrinkage))

    def _solve_by(self, moments: Moments, strength: Shrinkage) -> LinearScores | DiscriminantScores:
        solve = lda if self.means == "plain" else shrunk_means_lda
        return solve(moments, strength, self._priors_of(moments.labels))

    def _compare_rows(self, rows: NDArray[Any], scores: LinearScores | DiscriminantScores) -> NDArray[np.float64]:
        if isinstance(scores, LinearScores) or scores.is_linear:
            return self._mapped(rows, scores)
        return scores.of_coordinates(self._mapped(rows, scores), two_as_one=True)

    def _roughly(self, rows: NDArray[Any], scores: LinearScores | DiscriminantScores) -> Rough | None:
        if isinstance(scores, LinearScores) or scores.is_linear:
            return super()._roughly(rows, scores)
        if self.quantizer_.width < _WIDE * len(scores.linear):
            return None
        found = self._map(scores).leading(rows)
        if found is None:
            return None
        compared, doubt = scores.of_leading(found)
        return Rough(self._in_shape(compared), doubt)

    def _score_rows(self, rows: NDArray[Any], scores: LinearScores | DiscriminantScores) -> NDArray[np.float64]:
        if isinstance(scores, LinearScores):
            return super()._score_rows(rows, scores)
        return self._compare_rows(rows, scores)

    @property
    def coef_(self) -> NDArray[np.float64]:
        return self._plain("coef_").coef.copy()

    @property
    def intercept_(self) -> NDArray[np.float64]:
        return self._plain("intercept_").intercept.copy()

    def _plain(self, name: str) -> LinearScores:
        self._check_fitted()
        if self.means != "plain" and not self.has_label_sets:
            raise AttributeError(
                f'{name} exists with means="plain" only: with shrunk means, scores are not linear in the row'
            )
        return cast(LinearScores, self._prepared())

    @reading
    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """How normal each row is, shape (n_samples,): log-odds of the learned classes against a class never seen.

        Both as the model of shrunk means has them, whatever `means` is. Needs two classes: novelty is looked for along
        the directions in which classes differ, so it is sharper the more classes there are.
        """
        self._check_has_directions()
        return self._normality_of(X, lambda: known_class_odds(self._space()))

    def _space(self) -> Discriminants:
        if self.has_label_sets:
            raise ValueError("labels that overlap have no discriminant space: it is one of classes, one a row")
        scores = self._prepared()
        if isinstance(scores, DiscriminantScores):
            return scores.space
        found = self._once("space", lambda: discriminants(self.moments_, self._chosen(CANDIDATES, self.shrinkage)))
        return cast(Discriminants, found)

    def _widths(self) -> NDArray[np.float64]:
        return self.temperature_ * class_widths(self._space())  # what scores are divided by is how wide classes are

    @property
    @reading
    def calibration_(self) -> Calibration:
        return self._calibrated(self._chosen(CANDIDATES, self.shrinkage), self.temperature)

    def _covariance_strength(self) -> Shrinkage:
        return self._chosen(CANDIDATES, self.shrinkage)

    @property
    def shrinkage_(self) -> float | None:
        return cast("float | None", self._prepared().strength)

    def probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the classes by scores as of `scores_of`; of labels that overlap, each by itself."""
        return self._label_probabilities(scores) if self.has_label_sets else super().probabilities_of(scores)

    def log_probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of `probabilities_of`, without underflow."""
        return (
            self._label_probabilities(scores, log=True) if self.has_label_sets else super().log_probabilities_of(scores)
        )
