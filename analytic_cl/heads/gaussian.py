"""Gaussian classes with a covariance each."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._locks import reading
from analytic_cl.heads.calibration import Calibration
from analytic_cl.heads.class_grams import ClassGramHead
from analytic_cl.heads.class_parameters import ClassParameters
from analytic_cl.heads.discriminant_space import DiscriminantSpace
from analytic_cl.heads.validation import check_strength, check_temperature, prior_numbers
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import (
    CANDIDATES,
    Discriminants,
    DiscriminantScores,
    GaussianScores,
    Shrinkage,
    class_gaussian,
    class_widths,
    own_class_odds,
)
from analytic_cl.statistics import ClassGrams

Solved = GaussianScores | DiscriminantScores


class GaussianClassifier(DiscriminantSpace, ClassParameters, ClassGramHead):
    """Discriminant analysis with a covariance for every class, held in check by the one that all share.

    Mostly the most accurate head without a projection where classes have 50 rows or more, and no worse than
    `LDAClassifier` with few. A class is forgotten without its rows. The downside is memory: the rows, or a matrix of
    n_features^2 / 2 integers a class.

    Parameters
    ----------
    covariance : {"auto", "class", "pooled"}, default="auto"
        "class": each class has its own, with the shared one as a prior; "pooled": all share one, as in
        ``LDAClassifier(means="shrunk")``; "auto": "class" where the covariances differ by more than chance.
    shrinkage : "oas", "folds" or float in [0, 1], default="oas"
        Of the shared covariance, as in `LDAClassifier`. "folds" needs a ledger that keeps all rows (``track="rows"`` or
        ids).
    priors : array-like of shape (n_classes,), optional
        Class probabilities in the order of `classes_`; class frequencies by default.
    temperature : float > 0 or "folds", default=1.0
        What scores are divided by for probabilities, which by themselves are far too sure of high-dimensional rows.
        "folds" takes the one, and the tail, of least negative log-likelihood of held-out rows; it needs a ledger that
        keeps all rows.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection or FourierFeatures, optional
        Random features in front; implies the embedding quantizer. It adds little here, and matrices are large behind
        it.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    covariance_ : {"pooled", "discriminant", "whitened"}
        What is in use: one covariance, or one a class among the directions in which class means differ, or among all.
    means_, priors_ : ndarrays of shape (n_classes, n_features) and (n_classes,)
        Class means as they were learned, of dequantised rows, and class probabilities in use; of classes with rows.
    shrinkage_ : float
        The intensity in use.
    temperature_, calibration_ : float and Calibration
        The temperature in use; with the tail that "folds" finds.
    state_ : ClassGrams
        The learned state; ``state_.moments()`` is what heads with one covariance learn.

    Notes
    -----
    Class means are shrunk as in ``LDAClassifier(means="shrunk")``. With a covariance of its own is scored a row's
    likeliest ten classes by the shared one; the others keep their distance behind the last of them. What is chosen, and
    why, is in `analytic_cl.solvers.class_gaussian`; what it brings on real data in ``docs/class-covariances.md``.

    Cost: fit n d^2 operations once rows are many, a copy before; a change, then predict: that of `LDAClassifier` and a
    class min(n_c, d) d^2 to 3 min(n_c, d) d^2, a minute for 100 classes of 1280 columns; 9 to 17 times that of
    `LDAClassifier` a row. Memory the smaller of n_c d and 2 d^2 bytes a class behind an 8-bit quantizer (12 d^2 behind
    32 bits); more than 8 GiB is refused. "folds": 25 solves, and 5 for a temperature, with a copy of the state each,
    and a pass over at most 20,000 rows; at the first prediction after a change.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic.

    References
    ----------
    Friedman, Regularized discriminant analysis, JASA 84 (1989). There: strengths by cross-validation; here from the
    counts.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import GaussianClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) * np.array([[1.0, 1.0], [0.2, 5.0]])[np.arange(300) % 2]
    >>> y = np.array(["round", "long"])[np.arange(300) % 2]
    >>> head = GaussianClassifier().fit(X, y)
    >>> head.predict([[0.0, 8.0], [1.5, 0.0]]).tolist()
    ['long', 'round']
    >>> receipt = head.forget_class("long")
    >>> head.classes_.tolist()
    ['round']
    """

    needs = class_gaussian.needs

    def __init__(
        self,
        covariance: Literal["auto", "class", "pooled"] = "auto",
        shrinkage: Literal["oas", "folds"] | float = "oas",
        priors: ArrayLike | None = None,
        *,
        temperature: Literal["folds"] | float = 1.0,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.covariance = covariance
        self.shrinkage = shrinkage
        self.priors = priors
        self.temperature = temperature
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.covariance not in ("auto", "class", "pooled"):
            raise ValueError(f'covariance must be "auto", "class" or "pooled", got {self.covariance!r}')
        check_strength("shrinkage", self.shrinkage, ("oas", "folds"), high=1)
        check_temperature(self.temperature)
        if self.priors is not None:
            prior_numbers(self.priors)

    @property
    def covariance_(self) -> str:
        solved = self._prepared()
        return solved.space if isinstance(solved, GaussianScores) else "pooled"

    @property
    def shrinkage_(self) -> float:
        return cast(float, self._prepared().strength)

    @property
    @reading
    def calibration_(self) -> Calibration:
        return self._calibrated(self._chosen(CANDIDATES, self.shrinkage), self.temperature)

    # ---- scores

    def _solve(self, state: ClassGrams) -> Solved:
        return self._solve_by(state, self._chosen(CANDIDATES, self.shrinkage))

    def _solve_by(self, state: ClassGrams, strength: Shrinkage) -> Solved:
        return class_gaussian(state, self.covariance, strength, self._priors_of(state.labels))

    def _compare_rows(self, rows: NDArray[Any], solved: Solved) -> NDArray[np.float64]:
        return solved.of(self._deviations(rows, solved.centre))

    def _space(self) -> Discriminants:
        solved = self._prepared()
        return solved.pooled.space if isinstance(solved, GaussianScores) else cast(DiscriminantScores, solved).space

    def _widths(self) -> NDArray[np.float64]:
        own = cast(ClassGrams, self.state_) if isinstance(self._prepared(), GaussianScores) else None
        return class_widths(self._space(), own)

    @reading
    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """How normal each row is, shape (n_samples,): log-odds of the learned classes against a class never seen.

        With the classes' own covariances where these are in use in discriminant space, else as `LDAClassifier` has it.
        All classes count alike. Needs two classes: novelty is looked for along the directions in which classes differ.
        """
        self._check_has_directions()
        return self._normality_of(X, lambda: own_class_odds(self._prepared()))
