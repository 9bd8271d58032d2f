"""From scores to labels and probabilities, as a graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.export.graph import Graph
from analytic_cl.heads import Head, KeyValueBottleneckClassifier, NearestNeighborsClassifier
from analytic_cl.heads.calibration import Calibration
from analytic_cl.heads.prediction import posteriors
from analytic_cl.statistics import as_label


def scored_classes(head: Head) -> NDArray[Any]:
    """Labels that scores have columns for, sorted."""
    empty = np.zeros((1, head.quantizer_.width), dtype=head.quantizer_.dtype)
    scores = head.scores_of(empty)
    return head.labels_of(np.array([-1.0, 1.0]) if scores.ndim == 1 else np.eye(scores.shape[1]))


def label_dtype(classes: NDArray[Any]) -> Any:
    """Text, or int64, which booleans become as well. Raises ValueError for integers beyond 64 bits."""
    labels = [as_label(label) for label in classes]
    if labels and isinstance(labels[0], str):
        return np.str_
    if any(not -(2**63) <= int(label) < 2**63 for label in labels):
        raise ValueError("ONNX has integers of 64 bits, which some labels exceed: learn them as text")
    return np.int64


def labels(g: Graph, scores: str, classes: NDArray[Any]) -> str:
    """Label of each row, shape (n,)."""
    if len(classes) == 2:
        place = g.cast(g.op("Reshape", g.above(scores, g.constant(0.0)), g.integers(-1)), np.int64)
    else:
        place = g.op("ArgMax", scores, axis=1, keepdims=0)
    dtype = label_dtype(classes)
    names = [str(label) if dtype is np.str_ else int(label) for label in classes]
    return g.op("Gather", g.array(names, dtype), place, axis=0)


def probabilities(g: Graph, scores: str, head: Head, classes: NDArray[Any]) -> str:
    """Of all of `classes_`, those without rows at 0, as float32."""
    if isinstance(head, NearestNeighborsClassifier) or getattr(head, "read_out", "") == "mean posterior":
        found = _shares(g, scores, len(classes))
    else:
        found = _posteriors(g, scores, calibration_of(head), len(classes))
    known = [as_label(label) for label in head.classes_]
    if len(known) > len(classes):
        places = np.zeros((len(classes), len(known)))
        places[np.arange(len(classes)), [known.index(as_label(label)) for label in classes]] = 1
        found = g.matmul(found, g.constant(places))
    return g.cast(found, np.float32)


def calibration_of(head: Head) -> Calibration:
    """What makes scores log-odds. Raises TypeError where a head does it in another way."""
    if isinstance(head, KeyValueBottleneckClassifier):
        return Calibration()
    made: Any = getattr(head, "calibration_", Calibration())
    tried = np.array([[-3.0, 0.5, 2.0], [7.0, 6.0, -40.0]])
    convert: Any = head.probabilities_of
    if not isinstance(made, Calibration) or not np.allclose(convert(tried), posteriors(made.of(tried)), atol=1e-12):
        raise TypeError(f"the probabilities of {type(head).__name__} are of no form that can be exported")
    return made


def _posteriors(g: Graph, scores: str, calibration: Calibration, k: int) -> str:
    odds = _log_odds(g, scores, calibration, k)
    if k == 2:
        return g.op("Concat", g.op("Sigmoid", g.op("Neg", odds)), g.op("Sigmoid", odds), axis=1)
    return g.op("Softmax", odds, axis=1)


def _log_odds(g: Graph, scores: str, calibration: Calibration, k: int) -> str:
    factor, tail = calibration
    if math.isinf(tail):
        return g.mul(scores, g.constant(factor))

    def shortened(behind: str) -> str:
        inside = g.add(g.mul(behind, g.constant(factor / tail)), g.constant(1.0))
        return g.mul(g.op("Log", inside), g.constant(tail))

    if k == 2:
        return g.mul(g.op("Sign", scores), shortened(g.op("Abs", scores)))
    return g.op("Neg", shortened(g.sub(g.largest(scores), scores)))


def _shares(g: Graph, scores: str, k: int) -> str:
    if k != 2:
        return scores
    half, one = g.constant(0.5), g.constant(1.0)
    clipped = g.op("Clip", scores, g.constant(-1.0), one)
    return g.op("Concat", g.mul(g.sub(one, clipped), half), g.mul(g.add(one, clipped), half), axis=1)
