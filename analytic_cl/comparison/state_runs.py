"""Runs of our heads: those over one kind of state share it, and each adds what its weights cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl._json import canonical
from analytic_cl.comparison.features import Features
from analytic_cl.comparison.integer_rows import IntegerRows, Split
from analytic_cl.comparison.judging import blank, judge, share_right
from analytic_cl.comparison.stream import Rows, Stream, held_by_session
from analytic_cl.heads import Head
from analytic_cl.learner import Learner
from analytic_cl.quantizers import Quantizer, resolve_quantizer
from analytic_cl.statistics import CLASS_SUMS, LabelledState, encode_labels

_CHUNK = 8192  # rows that are learned at a time
_QUICK = 2048  # features up to which a solve more doesn't matter


@dataclass(frozen=True, eq=False)
class SharedState:
    """Heads that read one state; they never learn by themselves.

    Parameters
    ----------
    quantizer : Quantizer
    heads : dict
        By the name of their method.
    """

    quantizer: Quantizer
    heads: dict[str, Head] = field(default_factory=dict)

    @property
    def depends_on_order(self) -> bool:
        """Whether a session must be learned by one call."""
        return any(head.depends_on_order for head in self.heads.values())

    @property
    def own(self) -> bool:
        """Whether the state belongs to one kind of head: then its update is that head's learning."""
        return CLASS_SUMS not in self.new().state.provides

    def new(self) -> Learner:
        """Of a state without rows. It keeps no record of rows: the stream says which to forget."""
        return Learner(next(iter(self.heads.values())).empty_state(self.quantizer), track="none")


def shared_states(heads: dict[str, Head], n_features: int) -> list[SharedState]:
    """Heads grouped by what they learn: one state for all whose quantizer and kind of state are equal."""
    found: dict[Any, SharedState] = {}
    for name, head in heads.items():
        head.check_parameters()
        quantizer = resolve_quantizer(head.quantizer, head.projection, n_features)
        kind = canonical(head.empty_state(quantizer).describe())
        found.setdefault((quantizer, kind), SharedState(quantizer)).heads[name] = head
    return list(found.values())


def run_over_state(
    shared: SharedState, features: Features, stream: Stream, rows: IntegerRows, only_last: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """Carry a stream out; the sessions of each head, as in a run file.

    With `only_last` the last session alone is judged.
    """
    train, test = rows.of(shared.quantizer)
    run = _Run(shared, features, train, test)
    sessions: dict[str, list[dict[str, Any]]] = {name: [] for name in shared.heads}
    for i, step in enumerate(stream.steps):
        records = {name: blank(stream, i) for name in shared.heads}
        last = i == len(stream.steps) - 1
        judged = len(step.tested) > 0 and (last or not only_last)
        if len(step.ahead) and not only_last and run.state.n_rows:
            for name, record in records.items():
                y_pred = run.labels(name, train.rows[step.ahead])
                record["accuracy_ahead"] = share_right(y_pred, features.y_train[step.ahead])
        learning = run.learn(step.fresh)
        for name, record in records.items():
            record["seconds_learn" if shared.own else "seconds_shared"] = learning
            if judged or (step.requests and not only_last):
                record["seconds_solve"] = run.solve(name)
        if step.requests and not only_last:
            run.forget_all(i, stream, records)
        elif step.requests:
            run.subtract(np.concatenate([request.rows for request in step.requests]))
        digest = run.state.digest() if (last or step.requests) and not only_last else None
        size = sum(array.nbytes for array in run.state.to_arrays().values()) if judged else None
        for name, record in records.items():
            record.update({"state_bytes": size, "digest": digest})
            if judged:
                record.update(run.judged(name, stream, i))
            sessions[name].append(record)
    return sessions


class _Run:
    """A state while it lives through a stream."""

    def __init__(self, shared: SharedState, features: Features, train: Split, test: Split) -> None:
        self.shared, self.features, self.train, self.test = shared, features, train, test
        self._warm_up()
        self.learner = shared.new()
        self._serve(self.learner)

    @property
    def state(self) -> LabelledState:
        return cast(LabelledState, self.learner.state)

    def _warm_up(self) -> None:
        """Compile what is going to be timed."""
        learner = self.shared.new()
        self._add(learner, np.arange(min(32, len(self.train.rows))))
        self._serve(learner)
        for name, head in self.shared.heads.items():
            # `auto` makes features of its own, and has most candidates where rows are few
            if max(self.shared.quantizer.width, getattr(head, "n_components", 0)) <= _QUICK:
                self.labels(name, self.train.rows[:1])

    def _serve(self, learner: Learner) -> None:
        for head in self.shared.heads.values():
            head.adopt(learner)

    def learn(self, rows: Rows) -> float:
        start = time.perf_counter()
        self._add(self.learner, rows)
        return time.perf_counter() - start + self.train.seconds_a_row * len(rows)

    def _add(self, learner: Learner, rows: Rows) -> None:
        at_once = max(1, len(rows)) if self.shared.depends_on_order else _CHUNK
        for first in range(0, len(rows), at_once):
            part = rows[first : first + at_once]
            learner.learn(self.train.rows[part], encode_labels(self.features.y_train[part]))

    def subtract(self, rows: Rows) -> float:
        start = time.perf_counter()
        integers, targets = self.train.rows[rows], encode_labels(self.features.y_train[rows])
        self.learner.forget(self.learner.find(integers, targets), integers, targets)
        return time.perf_counter() - start

    def solve(self, name: str) -> float:
        start = time.perf_counter()
        if self.state.n_rows:
            self.shared.heads[name].prepare()
        return time.perf_counter() - start

    def labels(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        head = self.shared.heads[name]
        return head.labels_of(head.scores_of(rows))

    def judged(self, name: str, stream: Stream, i: int) -> dict[str, Any]:
        head, tested = self.shared.heads[name], stream.steps[i].tested
        start = time.perf_counter()
        scores = head.scores_of(self.test.rows[tested])
        y_pred = head.labels_of(scores)
        seconds = time.perf_counter() - start + self.test.seconds_a_row * len(tested)
        proba = None
        if hasattr(head, "probabilities_of"):
            proba = head.probabilities_of(scores), self.state.classes
        return {**judge(self.features, stream, i, y_pred, proba), "seconds_predict": seconds}

    def forget_all(self, i: int, stream: Stream, records: dict[str, dict[str, Any]]) -> None:
        """Carry out a session's requests, and compare the state after the last one with one that is trained anew."""
        step = stream.steps[i]
        for request in step.requests:
            y = self.features.y_train[request.rows]
            before = {name: share_right(self.labels(name, self.train.rows[request.rows]), y) for name in records}
            seconds = self.subtract(request.rows)
            kept = np.isin(self.features.y_test, self.state.classes) & (stream.session_of >= 0)
            retained = np.flatnonzero(kept & (stream.session_of <= i))
            for name, record in records.items():
                record["requests"].append(
                    {
                        "reason": request.reason,
                        "rows": len(request.rows),
                        "seconds": seconds + self.solve(name),
                        "seconds_retrain": None,
                        "identical": None,
                        "accuracy_forgotten_before": before[name],
                        "accuracy_forgotten_after": share_right(self.labels(name, self.train.rows[request.rows]), y),
                        "accuracy_retained_after": share_right(
                            self.labels(name, self.test.rows[retained]), self.features.y_test[retained]
                        ),
                    }
                )
        start = time.perf_counter()
        retrained = self.shared.new()
        for rows in held_by_session(stream, i) if self.shared.depends_on_order else [np.flatnonzero(step.held)]:
            self._add(retrained, rows)
        seconds = time.perf_counter() - start + self.train.seconds_a_row * int(step.held.sum())
        identical = retrained.state.digest() == self.state.digest()
        for name, record in records.items():
            record["requests"][-1] |= {
                "seconds_retrain": seconds + self.solve_again(name),
                "identical": identical,
            }

    def solve_again(self, name: str) -> float:
        """What weights cost from the state as it is, which a retrained state equals."""
        self.shared.heads[name].drop_caches()
        return self.solve(name)
