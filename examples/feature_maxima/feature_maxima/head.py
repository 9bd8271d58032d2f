"""A head over feature maxima: a class is the box that its features stayed in."""

import numpy as np

from analytic_cl.heads import Head
from analytic_cl.solvers import needs
from feature_maxima.state import HISTOGRAMS, FeatureMaxima, levels


@needs(HISTOGRAMS)
def distances(state, rows, slack):
    """How far rows lie outside of the box of each class, in levels, shape (n, n_classes); classes sorted."""
    place = levels(rows)[:, None, :]
    low, high = state.boxes
    outside = np.maximum(place - high, 0) + np.maximum(low - place, 0)
    return np.maximum(outside - slack, 0).sum(axis=2).astype(np.float64)


class MaximaClassifier(Head):
    """Assign each row to the class whose smallest and largest features it exceeds least.

    Parameters
    ----------
    slack : float, default=0
        Levels by which a feature may exceed a box for nothing. A level is about a fifth of the value.
    quantizer, projection, track
        As of every head.

    Notes
    -----
    Cost: n_classes n_features operations a row to predict, as many additions as features to learn.

    Exactness: state bit for bit; scores a pure function of it.
    """

    needs = distances.needs

    def __init__(self, slack=0.0, *, quantizer="auto", projection=None, track="auto"):
        self.slack = slack
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self):
        super().check_parameters()
        if not self.slack >= 0:
            raise ValueError(f"slack must be a number from 0 on, got {self.slack!r}")

    def empty_state(self, quantizer):
        return FeatureMaxima(quantizer)

    def _prepared(self):
        self._check_fitted()
        self.check_parameters()

    def _compare_rows(self, rows, prepared):
        scores = -distances(self.state_, rows, self.slack)
        return scores[:, 1:] - scores[:, :1] if scores.shape[1] == 2 else scores
