"""Heads whose scores are log-odds of the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._locks import reading
from analytic_cl.heads.calibration import Calibration
from analytic_cl.heads.log_probabilities import LogProbabilities, log_posteriors
from analytic_cl.heads.prediction import posteriors
from analytic_cl.heads.solved import SolvedHead
from analytic_cl.heads.validation import prior_numbers
from analytic_cl.statistics import Label


class PosteriorHead(LogProbabilities, SolvedHead):
    """Base of heads with a posterior of each class, by calibrated scores, and with priors."""

    priors: ArrayLike | None

    @property
    def calibration_(self) -> Calibration:
        return Calibration()

    @property
    @reading
    def temperature_(self) -> float:
        return 1 / self.calibration_.factor

    @reading
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Posterior of each class, shape (n_samples, n_classes), rows summing to 1."""
        return self._of_all_classes(self.probabilities_of(self._scored(X, self._compare_rows)))

    def probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the classes by scores as of `scores_of`."""
        return posteriors(self.calibration_.of(scores))

    def log_probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of `probabilities_of`, without underflow."""
        return log_posteriors(self.calibration_.of(scores))

    def _priors_of(self, labels: list[Label]) -> NDArray[np.float64] | None:
        """Priors of classes that have rows: those given, or shares of all rows; None where solvers find them so."""
        everything = self._labelled
        if self.priors is None:
            if labels == everything.labels:
                return None
            known, priors = everything.labels, everything.counts.astype(np.float64)
        else:
            known, priors = self._all_labels(), prior_numbers(self.priors)
            if priors.size != len(known):
                raise ValueError(f"{priors.size} priors for {len(known)} classes: {known}")
        place = {label: at for at, label in enumerate(known)}
        priors = priors[[place[label] for label in labels]]
        return np.asarray(priors if len(labels) == len(known) else priors / priors.sum())
