"""Gaussian naive Bayes."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl.heads.class_grams import ClassGramHead
from analytic_cl.heads.posteriors import PosteriorHead
from analytic_cl.heads.validation import check_strength, prior_numbers
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, RandomFeatures
from analytic_cl.solvers import NaiveBayesScores, naive_bayes
from analytic_cl.statistics import ClassGrams


class NaiveBayesClassifier(ClassGramHead, PosteriorHead):
    """Gaussian naive Bayes, scikit-learn's ``GaussianNB``, that forgets: of a class's covariance only the diagonal.

    To compare with. Columns count as independent within a class, which is far from true of embeddings.

    Parameters
    ----------
    var_smoothing : float > 0, default=1e-9
        Share of the largest variance of a column of all rows that is added to all variances.
    priors : array-like of shape (n_classes,), optional
        Class probabilities in the order of `classes_`; class frequencies by default.
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
    theta_, var_ : ndarrays of shape (n_classes, n_features)
        Means and variances of the classes that have rows, of dequantised rows.
    class_prior_ : ndarray of shape (n_classes,)
        Class probabilities in use.
    epsilon_ : float
        What was added to all variances.
    state_ : ClassGrams
        The learned state.

    Notes
    -----
    Cost: fit n d^2 operations, because the state has all of each class's Gram matrix, of which only the diagonal is
    read; a change, then predict: n_classes d^2, and n_c d^2 where the state holds a class as rows; 4 n_classes d a
    row. Memory that of `GaussianClassifier`.

    Exactness: state bit for bit; weights a pure function of it, bit for bit on one machine and number of threads;
    scores algebraic, within 1e-8 relative of scikit-learn's on the dequantised rows. Its `partial_fit` sets what is
    added to the variances from the last batch alone; here it is that of all rows.

    References
    ----------
    Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979, is what
    scikit-learn adds batches by, in floating point. Here sums are integers, and rows are taken away as well.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.baselines import NaiveBayesClassifier
    >>> X = np.array([[-1.0, -1.0], [-2.0, -1.0], [-3.0, -2.0], [1.0, 1.0], [2.0, 1.0], [3.0, 2.0]])
    >>> NaiveBayesClassifier().fit(X, [1, 1, 1, 2, 2, 2]).predict([[-0.8, -1.0]]).tolist()
    [1]
    """

    needs = naive_bayes.needs

    def __init__(
        self,
        var_smoothing: float = 1e-9,
        priors: ArrayLike | None = None,
        *,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.var_smoothing = var_smoothing
        self.priors = priors
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        check_strength("var_smoothing", self.var_smoothing, ())
        if self.var_smoothing == 0:
            raise ValueError("var_smoothing must be above 0: a column that a class has one value in would decide alone")
        if self.priors is not None:
            prior_numbers(self.priors)

    @property
    def theta_(self) -> NDArray[np.float64]:
        solved = self._solved_now()
        quantizer = self.quantizer_
        return np.asarray(solved.means + (quantizer.offset + quantizer.step * solved.centre))

    @property
    def var_(self) -> NDArray[np.float64]:
        return self._solved_now().variances.copy()

    @property
    def class_prior_(self) -> NDArray[np.float64]:
        return np.exp(self._solved_now().log_priors)

    @property
    def epsilon_(self) -> float:
        return self._solved_now().epsilon

    def _solved_now(self) -> NaiveBayesScores:
        return cast(NaiveBayesScores, self._prepared())

    def _solve(self, state: ClassGrams) -> NaiveBayesScores:
        return naive_bayes(state, float(self.var_smoothing), self._priors_of(state.labels))

    def _compare_rows(self, rows: NDArray[Any], scores: NaiveBayesScores) -> NDArray[np.float64]:
        return scores.of(self._deviations(rows, scores.centre))
