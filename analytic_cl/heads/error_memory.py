"""A frozen classifier, corrected by what a memory has learned since."""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from analytic_cl._containers import local
from analytic_cl._locks import Guarded, changing, holding, reading
from analytic_cl.heads.base import Head
from analytic_cl.heads.key_value_bottleneck import KeyValueBottleneckClassifier
from analytic_cl.heads.nearest_neighbors import NearestNeighborsClassifier
from analytic_cl.heads.scoring import LabelScore
from analytic_cl.heads.validation import check_strength
from analytic_cl.learner import Receipt
from analytic_cl.memory import LearnedRows
from analytic_cl.statistics import Label, as_label, encode_labels
from analytic_cl.statistics.labels import check_one_kind, label_array

_ROWS = 8192  # that are shown to the base at a time

_NO_ROWS = "gamma below 1 needs a memory of neighbours: buckets don't know the rows behind them"


class ErrorMemory(Guarded, LabelScore, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A frozen base model, corrected by the errors that it makes on the nearest rows of a memory.

    The base is never touched; the memory learns new rows and classes at once, and forgets exactly. The downside: the
    base still knows what it was trained on, which is outside every guarantee here, and a prediction costs a search on
    top of the base's own.

    Parameters
    ----------
    base : classifier
        Fitted, with ``predict_proba``. It is used as it is, and is not cloned.
    memory : NearestNeighborsClassifier or KeyValueBottleneckClassifier, optional
        What remembers, as a template: neighbours (the default), or counts in hash buckets, which keep no rows.
    weight : float from 0 to 1, default=0.5
        How much of the correction is applied.
    gamma : float from 0 to 1, default=1.0
        1 corrects towards the labels of the neighbours: a mixture of base and memory. 0 corrects by the mean error of
        the base on the neighbours, which leaves alone what the base gets right, and asks it about up to `n_neighbors`
        rows for each. Below 1 the memory must be of neighbours, with rows that the base can read: no projection, and
        no normalising quantizer unless the base is a `Head`, which has one too.

    Attributes
    ----------
    memory_ : Head
        The memory. Its ledger and its digest are those of this model.
    classes_ : ndarray of shape (n_classes,)
        Sorted labels of the base and the memory.

    Notes
    -----
    With base probabilities p(x), neighbours' labels y_i, and a_i their shares of the vote,

        p + weight * (gamma (sum a_i y_i - p) + (1 - gamma) sum a_i (y_i - p(x_i))),

    clipped to [0, 1], each row divided by its sum.

    Cost: the base's and the memory's; below gamma 1, `n_neighbors` base predictions a row.

    Exactness: the memory bit for bit; predictions algebraic, as far as the base's are.

    References
    ----------
    Zhu et al., ReLoop2, KDD 2023. There the base's predictions are stored with the rows, here they are asked for
    again, because they are a function of the rows; the bucket memory sums labels over all rows, not the last ones.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import ErrorMemory, LDAClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> X = rng.normal(size=(90, 4)) + 6 * rng.normal(size=(3, 4))[y]
    >>> base = LDAClassifier().fit(X[y < 2], y[y < 2])
    >>> model = ErrorMemory(base, weight=0.9).partial_fit(X[y == 2], y[y == 2], sample_id=np.flatnonzero(y == 2))
    >>> model.partial_fit(X[y < 2], y[y < 2]).score(X, y)
    1.0
    >>> model.forget(sample_id=[2, 5]).removed
    2
    """

    memory_: Head

    def __init__(
        self,
        base: Any,
        memory: NearestNeighborsClassifier | KeyValueBottleneckClassifier | None = None,
        weight: float = 0.5,
        gamma: float = 1.0,
    ) -> None:
        self.base = base
        self.memory = memory
        self.weight = weight
        self.gamma = gamma

    # ---- learn and forget: the memory's

    @changing
    def fit(self, X: ArrayLike, y: ArrayLike, *, sample_id: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn rows into an empty memory; see `Head.fit`."""
        return self._with(self._empty_memory().fit(X, y, sample_id=sample_id, sample_weight=sample_weight))

    @changing
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        *,
        sample_id: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn more rows; see `Head.partial_fit`."""
        memory = self.memory_ if self.__sklearn_is_fitted__() else self._empty_memory()
        return self._with(memory.partial_fit(X, y, classes, sample_id=sample_id, sample_weight=sample_weight))

    @changing
    def forget(self, X: ArrayLike | None = None, y: ArrayLike | None = None, **how: Any) -> Receipt:
        """Take rows out of the memory; see `Head.forget`. What the base was trained on stays in the base."""
        check_is_fitted(self)
        return self.memory_.forget(X, y, **how)

    @changing
    def forget_class(self, label: Any, **how: Any) -> Receipt:
        """Take a class out of the memory; see `Head.forget_class`."""
        check_is_fitted(self)
        return self.memory_.forget_class(label, **how)

    @changing
    def rectify(self, X: ArrayLike, y: ArrayLike, *, sample_id: Any, **how: Any) -> Receipt:
        """Replace rows of the memory; see `Head.rectify`."""
        check_is_fitted(self)
        return self.memory_.rectify(X, y, sample_id=sample_id, **how)

    def merge(self, other: ErrorMemory) -> Self:
        """Take in copies of the rows of another memory over an equal base; see `Head.merge`."""
        if not isinstance(other, ErrorMemory):
            raise TypeError(f"merge needs another ErrorMemory, got {type(other).__name__}")
        with holding(changed=(self,), read=(other,)):
            if other.__sklearn_is_fitted__():
                memory = self.memory_ if self.__sklearn_is_fitted__() else self._empty_memory()
                self._with(memory.merge(other.memory_))
        return self

    @reading
    def state_digest(self) -> str:
        """Digest of what the memory learned; the base is not in it."""
        return self.memory_.state_digest() if "memory_" in self.__dict__ else self._empty_memory().state_digest()

    @reading
    def save(self, path: Any) -> None:
        """Write the memory as `Head.save` does; the base is yours to keep."""
        check_is_fitted(self)
        self.memory_.save(path)

    @classmethod
    def load(cls, path: Any, base: Any, weight: float = 0.5, gamma: float = 1.0) -> Self:
        """Put a saved memory in front of a base."""
        from analytic_cl.heads import load

        memory = load(path)
        model = cls(base, cast(Any, clone(memory)), weight, gamma)
        model._empty_memory()
        return model._with(memory)

    def __sklearn_clone__(self) -> Self:
        """Unfitted, over the same base: a clone of that would have learned nothing."""
        parameters = self.get_params(deep=False)
        return type(self)(**{k: v if k == "base" else clone(v, safe=False) for k, v in parameters.items()})

    def _with(self, memory: Head) -> Self:
        self._labels(memory)
        self.memory_ = memory
        return self

    def _labels(self, memory: Head) -> list[Label]:
        """Sorted labels of the base and a memory. Raises ValueError where the two are of different kinds."""
        mine, theirs = encode_labels(self.base.classes_).values, encode_labels(memory.classes_).values
        check_one_kind([*mine, *theirs])
        return sorted({*mine, *theirs})

    def __sklearn_is_fitted__(self) -> bool:
        return "memory_" in self.__dict__ and self.memory_.__sklearn_is_fitted__()

    def _empty_memory(self) -> Head:
        """A new memory, if all parameters can be meant."""
        check_is_fitted(self.base)
        if not hasattr(self.base, "predict_proba"):
            raise TypeError(f"the base, a {type(self.base).__name__}, has no predict_proba: calibrate it first")
        for name in ("weight", "gamma"):
            check_strength(name, getattr(self, name), (), 1)
        memory = NearestNeighborsClassifier() if self.memory is None else self.memory
        if not isinstance(memory, NearestNeighborsClassifier | KeyValueBottleneckClassifier):
            raise TypeError(
                "memory must be a NearestNeighborsClassifier or a KeyValueBottleneckClassifier, got a "
                f"{type(memory).__name__}"
            )
        if self.gamma < 1 and not isinstance(memory, NearestNeighborsClassifier):
            raise ValueError(_NO_ROWS)
        return cast(Head, clone(memory))

    # ---- predict

    @property
    def n_features_in_(self) -> int:
        """Columns that were learned."""
        return self._learned().n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the columns that were learned, where they had names."""
        return self._learned().feature_names_in_

    def _learned(self) -> Head:
        if not self.__sklearn_is_fitted__():
            raise AttributeError("nothing was learned yet")
        return self.memory_

    @property
    @reading
    def classes_(self) -> NDArray[Any]:
        """Sorted labels of the base and the memory."""
        check_is_fitted(self)
        return label_array(self._labels(self.memory_))

    @reading
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Corrected probabilities, shape (n_samples, n_classes), rows summing to 1."""
        self._empty_memory()
        check_is_fitted(self)
        X = local(X)  # once, for a base that reads less
        with holding(read=(self.memory_,)):  # which somebody may change by itself
            return self._corrected(X)

    def _corrected(self, X: ArrayLike) -> NDArray[np.float64]:
        classes = self._labels(self.memory_)
        base = _spread(self.base.predict_proba(X), self.base.classes_, classes)
        labels = _spread(cast(Any, self.memory_).predict_proba(X), self.memory_.classes_, classes)
        correction = self.gamma * (labels - base)
        if self.gamma < 1:
            correction += (1 - self.gamma) * (labels - self._base_on_neighbours(X, classes))
        corrected = np.clip(base + self.weight * correction, 0, 1)
        sums = corrected.sum(axis=1, keepdims=True)
        return np.where(sums > 0, corrected / np.where(sums > 0, sums, 1), base)

    @reading
    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class of each row, shape (n_samples,)."""
        check_is_fitted(self)
        with holding(read=(self.memory_,)):
            return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def _base_on_neighbours(self, X: ArrayLike, classes: list[Label]) -> NDArray[np.float64]:
        """What the base says of the neighbours of each row, by their shares of the vote."""
        memory = self.memory_
        if not isinstance(memory, NearestNeighborsClassifier):  # set_params came between
            raise ValueError(_NO_ROWS)
        quantizer = memory.quantizer_
        if quantizer.projection is not None or (quantizer.rule.norm is not None and not isinstance(self.base, Head)):
            raise ValueError(
                f"gamma below 1 asks the base about remembered rows, unreadable behind {quantizer.describe()}: "
                "use quantizer=FixedPoint(8, bounds=...) or FixedPoint(16) for the memory, or gamma=1"
            )
        positions, shares = memory.voters(X)
        distinct, place = np.unique(positions, return_inverse=True)
        place = place.reshape(positions.shape)
        out = np.zeros((len(positions), len(classes)))
        for start in range(0, len(distinct), _ROWS):
            rows = quantizer.dequantise(cast(LearnedRows, memory.state_).table.payload[distinct[start : start + _ROWS]])
            said = _spread(self.base.predict_proba(rows), self.base.classes_, classes)
            for j in range(positions.shape[1]):
                here = np.flatnonzero((place[:, j] >= start) & (place[:, j] < start + _ROWS))
                out[here] += shares[here, j, None] * said[place[here, j] - start]
        return out


def _spread(proba: NDArray[Any], labels: NDArray[Any], classes: list[Label]) -> NDArray[np.float64]:
    """Columns of some labels at their places among all classes."""
    place = {label: at for at, label in enumerate(classes)}
    out = np.zeros((len(proba), len(classes)))
    for column, label in enumerate(labels):
        out[:, place[as_label(label)]] += proba[:, column]  # two spellings of one label are one class
    return out
