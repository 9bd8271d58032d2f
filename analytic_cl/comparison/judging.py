"""From predictions to the numbers of a session, and from sessions to the summary of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.comparison.features import Features
from analytic_cl.comparison.stream import Stream
from analytic_cl.metrics import expected_calibration_error, log_loss, macro_accuracy, tail_accuracy

Floats = NDArray[np.float64]

NOT_JUDGED: dict[str, Any] = {
    "accuracy_seen": None,
    "macro": None,
    "tail": None,
    "calibration_error": None,
    "log_loss": None,
    "accuracy_ahead": None,
    "seconds_learn": 0.0,
    "seconds_shared": 0.0,
    "seconds_solve": 0.0,
    "seconds_predict": 0.0,
    "state_bytes": None,
    "digest": None,
}


def blank(stream: Stream, i: int) -> dict[str, Any]:
    """The record of session i before anything is known but what the scenario says."""
    step = stream.steps[i]
    n = len(stream.steps)
    return {
        "name": step.name,
        "n_train": len(step.fresh),
        "n_seen_classes": step.n_seen,
        "accuracy": [None] * n,
        **NOT_JUDGED,
        "requests": [],
    }


def judge(
    features: Features,
    stream: Stream,
    i: int,
    y_pred: NDArray[Any],
    proba: tuple[Floats, NDArray[Any]] | None,
) -> dict[str, Any]:
    """Accuracies after session i from predictions of its tested rows; `proba` with the class of each column."""
    step = stream.steps[i]
    y_true, group = features.y_test[step.tested], stream.session_of[step.tested]
    right = y_pred == y_true
    accuracy = [float(right[group == j].mean()) if (group == j).any() else None for j in range(len(stream.steps))]
    return {
        "accuracy": accuracy,
        "accuracy_seen": float(right.mean()),
        "macro": macro_accuracy(y_true, y_pred),
        "tail": tail_accuracy(y_true, y_pred, features.y_train[step.held]),
        "calibration_error": None if proba is None else expected_calibration_error(y_true, *proba),
        "log_loss": None if proba is None else log_loss(y_true, *proba),
    }


def share_right(y_pred: NDArray[Any], y_true: NDArray[Any]) -> float | None:
    """Accuracy; None of no rows."""
    return float((y_pred == y_true).mean()) if len(y_true) else None


def summarise(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """What a run comes to: the end, the mean over sessions, and the total of what it cost."""
    n = len(sessions)
    R = np.array([[np.nan if a is None else a for a in session["accuracy"]] for session in sessions]).reshape(n, n)
    curve = [session["accuracy_seen"] for session in sessions]
    ahead = [session["accuracy_ahead"] for session in sessions if session["accuracy_ahead"] is not None]
    totals = {
        f"seconds_{part}": sum(session[f"seconds_{part}"] for session in sessions)
        for part in ("learn", "shared", "solve", "predict")
    }
    return {
        "last": curve[-1],
        "average_incremental": _mean(curve) if None not in curve else None,
        "accuracy_ahead": _mean(ahead),
        "forgetting": _change(R, best=True),
        "backward_transfer": _change(R, best=False),
        "macro": sessions[-1]["macro"],
        "tail": sessions[-1]["tail"],
        "calibration_error": sessions[-1]["calibration_error"],
        "log_loss": sessions[-1]["log_loss"],
        **totals,
        "state_bytes": sessions[-1]["state_bytes"],
    }


def _change(R: Floats, best: bool) -> float | None:
    """`metrics.forgetting` (best) or `metrics.backward_transfer`, over the columns that can be tested at both ends.

    In blurry streams, and where whole classes are forgotten, some sessions have no test rows of their own.
    """
    found = []
    for j in range(len(R) - 1):
        column = R[j:, j]
        if np.isfinite(column[[0, -1]]).all():
            found.append(np.nanmax(column[:-1]) - column[-1] if best else column[-1] - column[0])
    return _mean(found)


def _mean(values: list[Any]) -> float | None:
    return float(np.mean(values)) if values else None
