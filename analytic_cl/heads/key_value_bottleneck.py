"""The discrete key-value bottleneck, without gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NoReturn, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._locks import reading
from analytic_cl.heads.base import Head
from analytic_cl.heads.log_probabilities import LogProbabilities, log_posteriors
from analytic_cl.heads.prediction import posteriors, shares
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import Track
from analytic_cl.quantizers import FixedPoint, NearestKeys, Quantizer, RandomFeatures, SignKeys
from analytic_cl.solvers import READ_OUTS, ReadOut, read_out
from analytic_cl.statistics import KeyCounts


class KeyValueBottleneckClassifier(LogProbabilities, Head):
    """Codebooks of discrete keys that count classes: learning adds one, forgetting subtracts one.

    Each codebook turns a row into one of 2^bits keys; the value of a key is its count of rows by class; codebooks vote.
    More accurate than nearest means, without a matrix to solve, and `forget_class` needs no rows. The downside: below
    LDA on most features, and memory grows with classes, 4 n_codebooks 2^bits bytes each (1 MB by default).

    Parameters
    ----------
    n_codebooks : int, default=1024
        Codebooks; more are more accurate, and slower.
    bits : int from 1 to 10, default=8
        Bits of a key. Keys are signs of random projections: they see no data, so nothing of a row stays in them.
    read_out : {"naive bayes", "mean posterior", "mean log posterior"}, default="naive bayes"
        How codebooks vote; may be changed at any time, nothing is learned again. Naive Bayes corrects for class sizes.
    smoothing : float > 0, default=0.05
        Added to every count.
    random_state : int, default=0
        Seed of the keys. Heads that are to be merged need the same one.
    keys : "signs" or NearestKeys, default="signs"
        Where keys come from. "signs" sees no data. `NearestKeys` hold centres made from public rows, in place of
        `n_codebooks`, `bits` and `random_state`; rows that shaped the centres are outside what forgetting covers.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection or FourierFeatures, optional
        Random features in front; implies the embedding quantizer. The keys rarely need one.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    state_ : KeyCounts
        The learned state.

    Notes
    -----
    Cost: 2 n_codebooks bits d operations a row for its keys, n_codebooks to learn or forget it, n_codebooks n_classes
    to score it. Nothing is solved. Memory 4 n_codebooks 2^bits bytes a class, twice that while classes grow.

    Exactness: state bit for bit; scores a pure function of it, a row alone and in a batch the same bits.

    References
    ----------
    Traeuble et al., Discrete key-value bottleneck, ICML 2023. There: keys fitted to data by moving averages, values
    learned by gradient descent; here keys that see no data and counts. Shah et al., Unlearning via sparse
    representations (2023), mask the keys of what is to be forgotten; here it is subtracted, exactly.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import KeyValueBottleneckClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> X = rng.normal(size=(90, 12)) + 4 * rng.normal(size=(3, 12))[y]
    >>> head = KeyValueBottleneckClassifier(n_codebooks=64).fit(X, y)
    >>> receipt = head.forget(X[:5], y[:5])
    >>> head.state_digest() == KeyValueBottleneckClassifier(n_codebooks=64).fit(X[5:], y[5:]).state_digest()
    True
    >>> head.set_params(read_out="mean posterior").predict(X[:3]).tolist()
    [0, 1, 2]
    """

    needs = read_out.needs

    def __init__(
        self,
        n_codebooks: int = 1024,
        bits: int = 8,
        read_out: ReadOut = "naive bayes",
        smoothing: float = 0.05,
        random_state: int = 0,
        *,
        keys: Literal["signs"] | NearestKeys = "signs",
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.n_codebooks = n_codebooks
        self.bits = bits
        self.read_out = read_out
        self.smoothing = smoothing
        self.random_state = random_state
        self.keys = keys
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.read_out not in READ_OUTS:
            raise ValueError(f"read_out must be one of {', '.join(map(repr, READ_OUTS))}, got {self.read_out!r}")
        check_strength("smoothing", self.smoothing, ())
        if not self.smoothing > 0:
            raise ValueError(
                f"smoothing must be above 0, got {self.smoothing!r}: a key that was never hit has no logarithm"
            )
        keys = self._keys()
        if self.__sklearn_is_fitted__() and keys != self._state.keys:
            raise ValueError(f"keys changed since the first rows were learned with {self._state.keys}: fit a new head")

    def _keys(self) -> SignKeys | NearestKeys:
        if isinstance(self.keys, NearestKeys):
            return self.keys
        if not isinstance(self.keys, str) or self.keys != "signs":
            raise ValueError(f"keys must be 'signs' or NearestKeys, got {self.keys!r}")
        return SignKeys(self.n_codebooks, self.bits, self.random_state)

    def empty_state(self, quantizer: Quantizer) -> KeyCounts:
        keys = self._keys()
        if isinstance(keys, NearestKeys) and keys.quantizer != replace(quantizer, source=keys.quantizer.source):
            raise ValueError(
                f"keys were made behind another quantizer ({keys.quantizer.describe()}) than the rows come through "
                f"({quantizer.describe()}): make them from rows of the same kind, with the same quantizer"
            )
        return KeyCounts(quantizer, keys)

    @property
    def _state(self) -> KeyCounts:
        return cast(KeyCounts, self.state_)

    @classmethod
    def from_moments(cls, moments: Any, **parameters: Any) -> NoReturn:
        """Refused: counts of keys can't be made from moments."""
        raise TypeError(f"{cls.__name__} learns counts of keys, which moments don't tell: fit it on the rows")

    def _prepared(self) -> None:
        self._check_fitted()
        self.check_parameters()

    def _compare_rows(self, rows: NDArray[Any], prepared: None) -> NDArray[np.float64]:
        scores = read_out(self._state, self._state.keys.keys(rows), self.read_out, float(self.smoothing))
        return scores[:, 1:] - scores[:, :1] if scores.shape[1] == 2 else scores

    @reading
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Posterior of each class, shape (n_samples, n_classes), rows summing to 1.

        Naive Bayes takes codebooks for independent, which they are not: it is over-confident. "mean posterior" is not.
        """
        return self._of_all_classes(self.probabilities_of(self._scored(X, self._compare_rows)))

    def probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the classes by scores as of `scores_of`."""
        return shares(scores) if self.read_out == "mean posterior" else posteriors(scores)

    def log_probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of `probabilities_of`, without underflow."""
        return np.log(shares(scores)) if self.read_out == "mean posterior" else log_posteriors(scores)
