"""Forgetting compared: closed-form heads, approximate unlearning of a softmax probe, and retraining itself."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import clone

from analytic_cl.comparison.features import Features
from analytic_cl.heads import (
    Head,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
)
from analytic_cl.metrics import (
    disagreement,
    distance,
    entropy_attack,
    forget_and_retain,
    likelihood_ratio_attack,
    margins,
)
from analytic_cl.quantizers import QuantizationWarning
from analytic_cl.studies.approximate import (
    SoftmaxProblem,
    fine_tune,
    first_order_influence,
    fit_probe,
    mask_class,
    newton_step,
    with_constant,
)
from analytic_cl.studies.tables import Table

Mask = NDArray[np.bool_]

HEADS: dict[str, Head] = {
    "nearest mean": NearestMeanClassifier(),
    "LDA": LDAClassifier(),
    "ridge": RLSClassifier(),
    "key-value": KeyValueBottleneckClassifier(),
    "neighbours": NearestNeighborsClassifier(),
}
PROBE = "softmax probe"
IDENTICAL = "identical to retraining"

COLUMNS = [
    "request",
    "model",
    "method",
    "outcome",
    "weights",
    "scores",
    "disagreement",
    "forget",
    "retain",
    "test",
    "H-mean",
    "entropy MIA",
    "LiRA AUC",
    "LiRA",
    "seconds",
    "retraining",
    "MB kept",
]

NOTE = (
    "Against the same model retrained without the rows. weights, scores: relative Euclidean distance (scores of test "
    "rows), without the column of a forgotten class; disagreement: share of test rows classified otherwise; forget, "
    "retain, test: accuracies on forgotten, retained, and test rows (without a forgotten class); H-mean: of the fall "
    "of forget accuracy, and retain; entropy MIA and LiRA: AUC of membership inference minus what it reaches on the "
    "retrained model (0: nothing left to find); seconds: to forget and have weights; retraining: the same from "
    "scratch; MB kept: rows, weights and state without which it can't be done. The softmax probe is L2-regularised, "
    "on unit rows, trained to a relative gradient of 1e-8."
)


@dataclass(frozen=True)
class Request:
    """Which training rows are to go; `label` where they are a whole class."""

    name: str
    forgotten: Mask
    label: Any = None


@dataclass(frozen=True)
class Outcome:
    """A model after unlearning, as the measures need it. `weights` is None where there are none to compare."""

    scores: Callable[[NDArray[Any]], NDArray[Any]]
    probabilities: Callable[[NDArray[Any]], NDArray[Any]]
    classes: NDArray[Any]
    weights: NDArray[Any] | None
    seconds: float
    kept: int

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        scores = self.scores(X)
        places = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes[places])


def compare_forgetting(
    rows: Features, *, n_forget: int = 100, n_shadows: int = 16, penalty: float = 0.1, seed: int = 0
) -> Table:
    """Forget random rows, then a whole class, in every way, and measure what is left of them.

    Parameters
    ----------
    rows : Features
        Training and test rows; `drawn` takes some of them.
    n_forget : int, default=100
        Random rows of the first request. The second is about one random class.
    n_shadows : int, default=16
        Shadow models of the likelihood-ratio attack, for each kind of model.
    penalty : float, default=0.1
        Of the softmax probe, in sums over rows; see `approximate`.
    seed : int, default=0
        Of requests, shadow models and fine-tuning.

    Returns
    -------
    Table
        One row a request, model and method.

    Notes
    -----
    Cost: three trainings of the probe and `n_shadows` short ones; two of each head and `n_shadows` of forgetting.

    Exactness: "identical to retraining" is said where digests are equal and scores are equal bit for bit; all else is
    algebraic, and times are of one run.

    A downside: the probe is strongly convex, the best case for approximate methods; on deep networks they are farther
    from retraining. There is no likelihood-ratio attack on a class request, since a head that never saw a class has no
    margin for it.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.comparison.features import as_features
    >>> from analytic_cl.studies.unlearning import compare_forgetting
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(300) % 3
    >>> X = rng.normal(size=(300, 8)) + 2 * np.eye(8)[y]
    >>> table = compare_forgetting(as_features((X[:200], y[:200], X[200:], y[200:])), n_forget=10)
    >>> {row[3] for row in table.rows if row[1] == "LDA"}
    {'identical to retraining'}
    """
    if not 0 < n_forget < len(rows.y_train) - 1:
        raise ValueError(f"n_forget must be from 1 to less than the {len(rows.y_train)} training rows, got {n_forget}")
    if n_shadows < 2:
        raise ValueError(f"n_shadows must be at least 2, got {n_shadows}: rows are in some of them, and not in others")
    if len(rows.labels) < 3:
        raise ValueError("the comparison forgets a class: it needs three classes, so that two are left")
    table = Table("Forgetting compared", NOTE, COLUMNS, figure="unlearning.png")
    requests = _requests(rows, n_forget, seed)
    table.rows.extend(_probe_rows(rows, requests, penalty, n_shadows, seed))
    for name, head in HEADS.items():
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", QuantizationWarning
            )  # what the quantizer costs is the other ablation's question
            table.rows.extend(_head_rows(name, head, rows, requests, n_shadows, seed))
    table.rows.sort(key=lambda row: [request.name for request in requests].index(row[0]))
    return table


def _requests(rows: Features, n_forget: int, seed: int) -> list[Request]:
    random, n = np.random.default_rng([seed, 1]), len(rows.y_train)
    some = np.isin(np.arange(n), random.choice(n, n_forget, replace=False))
    label = random.choice(np.unique(rows.y_test))
    return [Request(f"{n_forget} random rows", some), Request(f"class {label}", rows.y_train == label, label)]


# ---- the softmax probe


def _probe_rows(
    rows: Features, requests: list[Request], penalty: float, n_shadows: int, seed: int
) -> Iterator[list[Any]]:
    classes, places = np.unique(rows.y_train, return_inverse=True)
    problem = SoftmaxProblem(with_constant(rows.X_train), places.astype(np.int64), len(classes), penalty)
    full = fit_probe(problem)
    kept = rows.X_train.nbytes + full.nbytes

    def outcome(w: NDArray[Any], seconds: float, kept: int = kept, masked: int | None = None) -> Outcome:
        def scores(X: NDArray[Any]) -> NDArray[Any]:
            plain = with_constant(X) @ w
            return plain if masked is None else mask_class(plain, masked)

        return Outcome(scores, lambda X: np.asarray(softmax(scores(X), axis=1)), classes, w, seconds, kept)

    before = outcome(full, 0.0, 0)
    for request in requests:
        gone = request.forgotten
        oracle = outcome(*_timed(lambda gone=gone: fit_probe(problem.part(~gone))))  # type: ignore[misc]
        attack = _Attack(rows, request, n_shadows, seed)
        shadows = None
        if attack.possible:
            shadows = _probe_shadows(attack, problem, oracle, classes)
        ways: dict[str, Outcome] = {"nothing": before}
        for name, unlearn in (
            ("influence", first_order_influence),
            ("Newton step", newton_step),
            ("fine-tuning", fine_tune),
        ):
            ways[name] = outcome(*_timed(lambda gone=gone, unlearn=unlearn: unlearn(full, problem, gone)))  # type: ignore[misc]
        if request.label is not None:
            place = int(np.searchsorted(classes, request.label))
            ways["class masking"] = outcome(full, 0.0, full.nbytes, place)
        ways["retraining"] = oracle
        words = {"nothing": "not forgotten", "retraining": "retraining itself"}
        for name, way in ways.items():
            said = words.get(name, "approximate")
            measured = _measures(rows, request, before, way, oracle, attack, shadows)
            yield [request.name, PROBE, name, said, *measured, way.seconds, oracle.seconds, way.kept / 1e6]


def _probe_shadows(
    attack: _Attack, problem: SoftmaxProblem, oracle: Outcome, classes: NDArray[Any]
) -> NDArray[np.float64]:
    """Margins of the asked rows under probes trained on the retained rows and a random half of the asked ones."""
    x, rest = with_constant(attack.X), problem.part(~attack.request.forgotten)
    places = np.searchsorted(classes, attack.y).astype(np.int64)
    found = []
    for inside in attack.inside:
        more = SoftmaxProblem(
            np.vstack([rest.x, x[inside]]),
            np.concatenate([rest.places, places[inside]]),
            problem.n_classes,
            problem.penalty,
        )
        w = fit_probe(more, start=oracle.weights, tolerance=1e-3)  # rough, as an attacker's may be
        found.append(margins(x @ w, attack.y, classes))
    return np.array(found)


# ---- heads


def _head_rows(
    name: str, head: Head, rows: Features, requests: list[Request], n_shadows: int, seed: int
) -> Iterator[list[Any]]:
    ids = np.arange(len(rows.y_train))
    probe_row = rows.X_train[:1]
    for request in requests:
        learned = clone(head).fit(rows.X_train, rows.y_train, sample_id=ids)
        before = _outcome(learned, 0.0)
        before_predicted = _Fixed(before.predict(rows.X_train), before.predict(rows.X_test))

        def forget(learned: Head = learned, asked: NDArray[Any] = ids[request.forgotten]) -> None:
            learned.forget(sample_id=asked)
            learned.decision_function(probe_row)

        def retrain(rest: Mask = ~request.forgotten) -> Head:
            fresh: Head = clone(head).fit(rows.X_train[rest], rows.y_train[rest], sample_id=ids[rest])
            fresh.decision_function(probe_row)
            return fresh

        seconds = _timed(forget)[1]
        retrained, retraining = _timed(retrain)
        after, oracle = _outcome(learned, seconds), _outcome(retrained, retraining)
        same = learned.state_digest() == retrained.state_digest()
        same = same and np.array_equal(after.scores(rows.X_test), oracle.scores(rows.X_test))
        attack = _Attack(rows, request, n_shadows, seed)
        shadows = _head_shadows(attack, retrained) if attack.possible else None
        measured = _measures(rows, request, before_predicted, after, oracle, attack, shadows)
        said = IDENTICAL if same else "differs"
        yield [request.name, name, "forget", said, *measured, seconds, retraining, after.kept / 1e6]


def _outcome(head: Head, seconds: float) -> Outcome:
    weights = head.coef_ if hasattr(head, "coef_") else None

    def probabilities(X: NDArray[Any]) -> NDArray[Any]:
        if hasattr(head, "predict_proba"):
            return np.asarray(head.predict_proba(X))
        scores = head.decision_function(X)
        return np.asarray(softmax(np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores, axis=1))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.safetensors"
        head.save(path)
        kept = path.stat().st_size
    return Outcome(head.decision_function, probabilities, head.classes_, weights, seconds, kept)


def _head_shadows(attack: _Attack, retrained: Head) -> NDArray[np.float64]:
    """As `_probe_shadows`. Rows are learned and forgotten again, which leaves the head as it was, bit for bit."""
    found = []
    for inside in attack.inside:
        X, y = attack.X[inside], attack.y[inside]
        retrained.partial_fit(X, y)
        found.append(margins(retrained.decision_function(attack.X), attack.y, retrained.classes_))
        retrained.forget(X, y)
    return np.array(found)


# ---- measures


@dataclass(frozen=True)
class _Fixed:
    """Predictions that were made before the model changed."""

    train: NDArray[Any]
    test: NDArray[Any]


class _Attack:
    """Forgotten rows, as many test rows that nobody learned, and which of them each shadow model learns."""

    def __init__(self, rows: Features, request: Request, n_shadows: int, seed: int) -> None:
        random = np.random.default_rng([seed, 2])
        gone = np.flatnonzero(request.forgotten)
        others = np.arange(len(rows.y_test)) if request.label is None else np.flatnonzero(rows.y_test == request.label)
        unseen = random.permutation(others)[: len(gone)]
        self.request = request
        self.X = np.concatenate([rows.X_train[gone], rows.X_test[unseen]])
        self.y = np.concatenate([rows.y_train[gone], rows.y_test[unseen]])
        self.members = np.arange(len(self.y)) < len(gone)
        known = np.isin(self.y, rows.y_train[~request.forgotten])
        self.possible = bool(known.all())  # else a retrained model has no margin for some row
        # Each row is in half of the shadow models.
        self.inside = np.array([random.permutation(n_shadows) < n_shadows // 2 for _ in self.y]).T

    def entropies(self, rows: Features, model: Outcome, seed_rows: Mask) -> float:
        """AUC of the entropy attack."""
        p = model.probabilities(self.X)
        return entropy_attack(model.probabilities(rows.X_train[seed_rows]), p[~self.members], p[self.members]).auc

    def likelihoods(self, model: Outcome, shadows: NDArray[np.float64]) -> float:
        """AUC of the likelihood-ratio attack."""
        seen = margins(model.scores(self.X), self.y, model.classes)
        return likelihood_ratio_attack(seen, self.members, shadows, self.inside).auc


def _measures(
    rows: Features,
    request: Request,
    before: Outcome | _Fixed,
    after: Outcome,
    oracle: Outcome,
    attack: _Attack,
    shadows: NDArray[np.float64] | None,
) -> list[Any]:
    """Values of the columns from "weights" to "LiRA"."""
    gone = request.forgotten
    weights = None
    mine, theirs = after.scores(rows.X_test), oracle.scores(rows.X_test)
    columns: Any = ...
    if request.label is not None and request.label in after.classes:  # not so where a head forgot the class itself
        columns = (..., after.classes != request.label)
    if after.weights is not None and oracle.weights is not None:
        weights = distance(after.weights[columns], oracle.weights[columns]).relative
    old = before.train if isinstance(before, _Fixed) else before.predict(rows.X_train)
    judged = forget_and_retain(rows.y_train, old, after.predict(rows.X_train), gone)
    tested = np.ones(len(rows.y_test), dtype=bool) if request.label is None else rows.y_test != request.label
    predicted = after.predict(rows.X_test)
    retained = ~gone & (np.cumsum(~gone) <= 2000)
    entropy = attack.entropies(rows, after, retained) - attack.entropies(rows, oracle, retained)
    likelihood, relative = None, None
    if shadows is not None:
        likelihood = attack.likelihoods(after, shadows)
        relative = likelihood - attack.likelihoods(oracle, shadows)
    return [
        weights,
        distance(mine[columns], theirs[columns]).relative,
        disagreement(predicted, oracle.predict(rows.X_test)),
        judged.forget_accuracy,
        judged.retain_accuracy,
        float((predicted == rows.y_test)[tested].mean()),
        judged.harmonic_mean,
        entropy,
        likelihood,
        relative,
    ]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    value = work()
    return value, time.perf_counter() - start
