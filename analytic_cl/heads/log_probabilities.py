"""Logarithms of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, log_softmax

from analytic_cl._locks import reading
from analytic_cl.heads.prediction import Prediction

Floats = NDArray[np.float64]

LOWEST = float(np.finfo(np.float64).min)


def log_posteriors(scores: Floats) -> Floats:
    """Logarithms of `prediction.posteriors`, without underflow."""
    if scores.ndim == 1:
        return np.stack([log_expit(-scores), log_expit(scores)], axis=1)
    return np.asarray(log_softmax(scores, axis=1))


class LogProbabilities(Prediction):
    """Part of heads that define ``log_probabilities_of(scores)``."""

    def log_probabilities_of(self, scores: Floats) -> Floats:
        raise NotImplementedError(f"{type(self).__name__} must define log_probabilities_of")

    @reading
    def predict_log_proba(self, X: ArrayLike) -> Floats:
        """Logarithm of `predict_proba`, without underflow; the lowest finite number for classes without rows."""
        return self._of_all_classes(self.log_probabilities_of(self._scored(X, self._compare_rows)), LOWEST)


class LogShares(Prediction):
    """Part of heads whose probabilities are shares of a vote, of which a class may have none."""

    @reading
    def predict_log_proba(self, X: ArrayLike) -> Floats:
        """Logarithm of `predict_proba`: minus infinity for a class without a vote, as of scikit-learn's forests."""
        head: Any = self
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(head.predict_proba(X)))
