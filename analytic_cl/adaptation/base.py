"""What wrappers over a fitted head share: they read the head, and never change it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from analytic_cl.adaptation.log_posteriors import Calibrated, calibrated, check_base
from analytic_cl.adaptation.state_cache import OfState
from analytic_cl.heads import Head
from analytic_cl.heads.scoring import LabelScore

Floats = NDArray[np.float64]


class Adapted(LabelScore, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Base of classifiers that adapt a fitted head to unlabelled rows at prediction time, without gradients.

    A subclass defines ``__init__`` with `head` first, `_adapted` and, if it remembers rows, `_forget_rows`. The head
    is used as it is: not cloned, not changed. What it learns or forgets later counts from the next call on.
    """

    head: Any

    def _base(self) -> Any:
        """The head, fitted, whose classes are those of what is remembered."""
        base = check_base(self.head)
        remembered = self.__dict__.get("_classes")
        if remembered is not None and not np.array_equal(remembered, base.classes_):
            raise ValueError(
                f"the head has other classes than when rows were remembered: {remembered.tolist()[:5]}... and "
                f"{base.classes_.tolist()[:5]}...; call reset()"
            )
        return base

    def _remembers(self, base: Any) -> None:
        """From now on rows are remembered under the classes that the head has."""
        self._classes = base.classes_

    def _calibrated(self, base: Any) -> Calibrated:
        """How the head is calibrated, by `labelled` rows or folds: found once for each state of the head."""
        known: OfState[Calibrated] = self.__dict__.setdefault("_known", OfState())
        labelled = getattr(self, "labelled", None)
        return known.get(base, (base.classes_.tolist(), id(labelled)), lambda: calibrated(base, labelled))

    @property
    def classes_(self) -> NDArray[Any]:
        """Those of the head."""
        return np.asarray(check_base(self.head).classes_)

    def __sklearn_is_fitted__(self) -> bool:
        return bool(isinstance(self.head, Head) and self.head.__sklearn_is_fitted__())

    def fit(self, X: ArrayLike, y: ArrayLike, *, sample_id: Any = None) -> Self:
        """Fit the head, and reset what is remembered."""
        self.head.fit(X, y, sample_id=sample_id)
        return self.reset()

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class of each row, shape (n_samples,)."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Probability of each class, shape (n_samples, n_classes), rows summing to 1."""
        return self._adapted(X)

    def _adapted(self, X: ArrayLike) -> Floats:
        raise NotImplementedError(f"{type(self).__name__} must define _adapted")

    def reset(self) -> Self:
        """Forget all rows that were remembered: predictions are those of a new wrapper, bit for bit."""
        self._forget_rows()
        self.__dict__.pop("_classes", None)
        return self

    def _forget_rows(self) -> None:
        """Drop what was remembered."""
