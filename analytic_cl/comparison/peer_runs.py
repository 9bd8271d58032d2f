"""Runs of other libraries' estimators, which see the rows as floats."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.comparison.features import Features
from analytic_cl.comparison.judging import blank, judge, share_right
from analytic_cl.comparison.methods import Method
from analytic_cl.comparison.stream import Rows, Stream

BUFFER = 2000  # rows that are kept for rehearsal

Joint = dict[tuple[str, bytes], tuple[Any, float]]  # by method and rows: the estimator and its seconds


def run_peer(
    method: Method,
    estimator: Any,
    features: Features,
    stream: Stream,
    seed: int,
    only_last: bool = False,
    joint: Joint | None = None,
) -> list[dict[str, Any]]:
    """Carry a stream out; the sessions of the run file.

    An estimator that learns by ``partial_fit`` gets the rows of a session shuffled, and all labels declared in advance,
    as scikit-learn asks for. It can't forget: requests are on record, and not carried out. A joint one is trained once,
    at the end, on the rows that are left; `joint` remembers it for other seeds that end with the same rows.
    """
    random = np.random.default_rng([seed, 4])
    buffer: Rows = np.zeros(0, dtype=np.int64)
    X, X_test = features.floats
    sessions, trained = [], False
    for i, step in enumerate(stream.steps):
        record = blank(stream, i)
        last = i == len(stream.steps) - 1
        if trained and len(step.ahead) and not only_last:
            record["accuracy_ahead"] = share_right(
                _predicted(estimator, X[step.ahead])[0], features.y_train[step.ahead]
            )
        rows = np.flatnonzero(step.held) if method.way == "joint" else np.concatenate([step.train, buffer])
        if len(rows) and (last or method.way != "joint"):
            if method.way == "joint":
                estimator, record["seconds_learn"] = _joint(
                    method, estimator, features, rows, {} if joint is None else joint
                )
            else:
                record["seconds_learn"] = _learn(estimator, features, random.permutation(rows))
            trained = True
        if method.way == "replay":
            buffer = _balanced(features.y_train, np.union1d(buffer, step.train), random)
        record["requests"] = [_not_carried_out(request.reason, len(request.rows)) for request in step.requests]
        if trained and len(step.tested) and (last or (method.way != "joint" and not only_last)):
            start = time.perf_counter()
            y_pred, proba = _predicted(estimator, X_test[step.tested])
            seconds = time.perf_counter() - start
            classes = None if proba is None else (proba, estimator.classes_)
            record |= {**judge(features, stream, i, y_pred, classes), "seconds_predict": seconds}
        if trained:
            kept = rows if method.way == "joint" else buffer
            record["state_bytes"] = _size(estimator) + len(kept) * X.shape[1] * X.itemsize
        sessions.append(record)
    return sessions


def _learn(estimator: Any, features: Features, rows: Rows) -> float:
    X, y = features.floats[0][rows], features.y_train[rows]
    start = time.perf_counter()
    estimator.partial_fit(X, y, classes=features.labels)
    return time.perf_counter() - start


def _joint(method: Method, estimator: Any, features: Features, rows: Rows, made: Joint) -> tuple[Any, float]:
    key = method.name, rows.tobytes()
    if key not in made:
        X, y = features.floats[0][rows], features.y_train[rows]
        start = time.perf_counter()
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of constant columns: every method's lot
            made[key] = estimator.fit(X, y), time.perf_counter() - start
    return made[key]


def _predicted(estimator: Any, X: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    if not hasattr(estimator, "predict_proba"):
        return estimator.predict(X), None
    with np.errstate(divide="ignore"):  # the prior of a class that is yet to come
        proba = np.asarray(estimator.predict_proba(X), dtype=np.float64)
    return estimator.classes_[proba.argmax(axis=1)], proba


def _balanced(y: NDArray[Any], rows: Rows, random: np.random.Generator) -> Rows:
    """At most `BUFFER` of these rows, equally many of each class, drawn at random."""
    labels = np.unique(y[rows])
    share = max(1, BUFFER // len(labels)) if len(labels) else 0
    return np.concatenate([random.permutation(rows[y[rows] == label])[:share] for label in labels] or [rows])


def _size(estimator: Any) -> int:
    return sum(value.nbytes for value in vars(estimator).values() if isinstance(value, np.ndarray))


def _not_carried_out(reason: str, rows: int) -> dict[str, Any]:
    keys = (
        "seconds",
        "seconds_retrain",
        "identical",
        "accuracy_forgotten_before",
        "accuracy_forgotten_after",
        "accuracy_retained_after",
    )
    return {"reason": reason, "rows": rows, **dict.fromkeys(keys)}
