"""Log-posteriors of a fitted head's classes that can be believed: calibrated on rows that it had not seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from analytic_cl._warnings import warn
from analytic_cl.heads import Head
from analytic_cl.learner import Learner, folds, keeps_all_rows
from analytic_cl.statistics import encode_labels

Floats = NDArray[np.float64]

LEAST = 1e-10  # probability that 0 is taken for, where a head has no logarithms

_FACTORS = (1e-4, 1e2)  # of log-posteriors
_LACKING = -230.0  # of a class that a fold has no rows of
_NO_ROWS = -1e30  # of a class without rows: sums of it stay finite


class UncalibratedWarning(UserWarning):
    """Posteriors are used as they are, because there are no held-out rows to say how sure they should be."""


class Labelled(NamedTuple):
    """Log-posteriors of rows that a head had not seen, and the columns of their own classes."""

    logs: Floats
    places: NDArray[np.int64]


class Calibrated(NamedTuple):
    """How a head's log-posteriors become calibrated ones, and what class frequencies these imply.

    `held` are the calibrated log-posteriors of the held-out rows; None where there were no such rows.
    """

    factor: float
    bias: Floats
    source: Floats
    held: Labelled | None

    def of(self, logs: Floats) -> Floats:
        """Calibrated log-posteriors."""
        return np.asarray(log_softmax(self.factor * logs + self.bias, axis=1))


def check_base(head: Any) -> Any:
    """The head, if it is a fitted one with probabilities."""
    if not isinstance(head, Head):
        raise TypeError(f"this adapts a fitted head, such as LDAClassifier, got {type(head).__name__}")
    if not hasattr(head, "predict_proba"):
        raise ValueError(
            f"{type(head).__name__} has no predict_proba, and what it predicts can't be weighed by class frequencies: "
            "take LDAClassifier or GaussianClassifier, which learn the same rows"
        )
    check_is_fitted(head)
    return head


def log_posteriors(head: Any, X: ArrayLike) -> Floats:
    """Logarithms of the head's probabilities, one column for each of `classes_`."""
    if hasattr(head, "predict_log_proba"):
        return np.asarray(np.maximum(head.predict_log_proba(X), _NO_ROWS))
    return np.asarray(np.log(np.maximum(head.predict_proba(X), LEAST)))


def calibrated(head: Any, labelled: tuple[Any, Any] | None = None) -> Calibrated:
    """How to calibrate a head: by labelled rows that it has not learned, or by folds of those that it has.

    Without either the posteriors stay as they are, with an `UncalibratedWarning`.
    """
    held = _given(head, *labelled) if labelled is not None else _from_folds(head)
    n_classes = len(head.classes_)
    if held is None:
        warn(
            f"the ledger does not keep the rows of this {type(head).__name__}: nothing tells how sure its posteriors "
            "should be, and they are used as they are. Mostly they are far too sure, and then little is corrected: "
            'learn with track="rows" or a sample_id for every row, or give labelled=(X, y) that it has not learned',
            UncalibratedWarning,
        )
        return Calibrated(1.0, np.zeros(n_classes), frequencies(head), None)
    factor, bias = bias_corrected_temperature(held)
    logs = np.asarray(log_softmax(factor * held.logs + bias, axis=1))
    return Calibrated(factor, bias, np.exp(logs).mean(axis=0), Labelled(logs, held.places))


def frequencies(head: Any) -> Floats:
    """Class frequencies that a head's posteriors assume."""
    given = getattr(head, "priors", None)
    if given is not None:
        return np.asarray(given / np.sum(given), dtype=np.float64)
    counts = np.array([float(head.state_.count(label)) for label in head.classes_.tolist()])
    return np.asarray(counts / counts.sum())


def _given(head: Any, X: Any, y: Any) -> Labelled:
    targets = encode_labels(np.asarray(y))
    place = {label: at for at, label in enumerate(head.classes_.tolist())}
    unknown = [value for value in targets.values if value not in place]
    if unknown:
        raise ValueError(f"labelled holds classes that the head has not learned: {', '.join(map(repr, unknown[:5]))}")
    logs = log_posteriors(head, X)
    if len(logs) != len(targets.codes):
        raise ValueError(f"labelled has {len(logs)} rows and {len(targets.codes)} labels")
    return Labelled(logs, np.array([place[value] for value in targets.values])[targets.codes])


def _from_folds(head: Any) -> Labelled | None:
    held = held_out_logs(head)
    return None if held is None else Labelled(held.logs, held.places)


class HeldOut(NamedTuple):
    """Integer rows of all folds, their log-posteriors by the same head without them, the columns of their classes."""

    rows: NDArray[Any]
    logs: Floats
    places: NDArray[np.int64]


def held_out_logs(head: Any) -> HeldOut | None:
    """Held-out rows of each fold, by the same head over the state without them. Classes that a fold lacks score low.

    None where the ledger does not keep all rows, and where no class has two.
    """
    learner, columns = head.learner_, {label: at for at, label in enumerate(head.classes_.tolist())}
    if not keeps_all_rows(learner):
        return None
    parts = []
    for fold in folds(learner):
        other = clone(head)
        other.adopt(Learner(fold.state))
        there = np.array([columns[label] for label in fold.state.labels])
        own = np.array([columns[value] for value in fold.targets.values])[fold.targets.codes]
        known = np.isin(own, there)
        if not known.any() or len(there) == 1:
            continue
        logs = np.full((int(known.sum()), len(columns)), _LACKING)
        logs[:, there] = _log_probabilities(other, fold.rows[known])
        parts.append(HeldOut(fold.rows[known], logs, own[known]))
    return HeldOut(*map(np.concatenate, zip(*parts, strict=True))) if parts else None


def _log_probabilities(head: Any, rows: NDArray[Any]) -> Floats:
    scores = head.scores_of(rows)
    if hasattr(head, "log_probabilities_of"):
        return np.asarray(head.log_probabilities_of(scores))
    return np.asarray(np.log(np.maximum(head.probabilities_of(scores), LEAST)))


def bias_corrected_temperature(held: Labelled) -> tuple[float, Floats]:
    """The factor on log-posteriors, and what is added to each class, of least negative log-likelihood of held-out rows.

    Biases have a normal prior of standard deviation 1, so that classes of few held-out rows keep theirs near 0.

    References
    ----------
    Alexandari, Kundaje and Shrikumar, Maximum likelihood with bias-corrected calibration is hard to beat at label
    shift adaptation, ICML 2020. There: no prior on the biases.
    """
    logs, places = held
    n, n_classes = logs.shape
    own = np.arange(n), places

    def loss(parameters: Floats) -> tuple[float, Floats]:
        factor, bias = np.exp(parameters[0]), parameters[1:]
        after = log_softmax(factor * logs + bias, axis=1)
        away = np.exp(after)
        value = -after[own].mean() + bias @ bias / (2 * n)
        away[own] -= 1
        slope = factor * np.einsum("ij,ij->", away, logs) / n
        return float(value), np.concatenate([[slope], away.mean(axis=0) + bias / n])

    bounds = [tuple(np.log(_FACTORS)), *[(None, None)] * n_classes]
    start = np.zeros(1 + n_classes)
    start[0] = np.log(0.1)  # posteriors of many features are far too sure
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return float(np.exp(found[0])), found[1:] - found[1:].mean()
