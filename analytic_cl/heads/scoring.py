"""Accuracy against labels in whatever they come in."""

from __future__ import annotations

from typing import Any

from sklearn.base import ClassifierMixin

from analytic_cl.heads.validation import label_input
from analytic_cl.statistics import encode_labels
from analytic_cl.statistics.labels import label_array


class LabelScore(ClassifierMixin):  # type: ignore[misc]  # scikit-learn ships no types
    """A classifier whose `score` takes the labels that its `fit` takes."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows whose class is predicted right."""
        if y is not None:
            encoded = encode_labels(label_input(y))
            y = label_array(encoded.values)[encoded.codes]
        return float(super().score(X, y, sample_weight))
