"""Runs of our heads: those over one kind of state share it, and each adds what its weights cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.comparison.features import Features
from analytic_cl.comparison.integer_rows import IntegerRows, Split
from analytic_cl.comparison.judging import blank, judge, share_right
from analytic_cl.comparison.stream import Rows, Stream
from analytic_cl.door import Door, resolve_door
from analytic_cl.heads import Head
from analytic_cl.ledger import Ledger

_CHUNK = 8192  # rows that are learned at a time
_QUICK = 2048  # features up to which a solve more doesn't matter


@dataclass(frozen=True, eq=False)
class SharedState:
    """Heads that read one state; they never learn by themselves.

    Parameters
    ----------
    door : Door
    about : dict
        What kind of state it is.
    heads : dict
        By the name of their method.
    """

    door: Door
    about: dict[str, Any]
    heads: dict[str, Head] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether the state belongs to one kind of head: then its update is that head's learning."""
        return "keys" in self.about or "rows" in self.about

    def new(self) -> Any:
        """A state without rows."""
        return next(iter(self.heads.values()))._empty_state(self.door)


def shared_states(heads: dict[str, Head], n_features: int) -> list[SharedState]:
    """Heads grouped by what they learn: one state for all whose door and kind of state are equal."""
    found: dict[Any, SharedState] = {}
    for name, head in heads.items():
        head._check_parameters()
        door = resolve_door(head.door, head.projection, n_features)
        about = head._empty_state(door).about()
        found.setdefault((door, repr(about)), SharedState(door, about)).heads[name] = head
    return list(found.values())


def run_over_state(
    shared: SharedState, features: Features, stream: Stream, rows: IntegerRows, only_last: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """Carry a stream out; the sessions of each head, as in a run file.

    With `only_last` the last session alone is judged.
    """
    train, test = rows.of(shared.door)
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
        self.state = shared.new()
        self._adopt(self.state)

    def _warm_up(self) -> None:
        """Compile what is going to be timed."""
        state, some = self.shared.new(), slice(0, 32)
        state.add(self.train.rows[some], self.features.y_train[some], from_door=True)
        self._adopt(state)
        for name in self.shared.heads if self.shared.door.width <= _QUICK else ():
            self.labels(name, self.train.rows[:1])

    def _adopt(self, state: Any) -> None:
        for head in self.shared.heads.values():
            head.n_features_in_ = self.shared.door.n_features
            head._adopt(state, Ledger(self.shared.door, "none"))

    def learn(self, rows: Rows) -> float:
        start = time.perf_counter()
        self._add(self.state, rows)
        return time.perf_counter() - start + self.train.seconds_a_row * len(rows)

    def _add(self, state: Any, rows: Rows) -> None:
        for first in range(0, len(rows), _CHUNK):
            part = rows[first : first + _CHUNK]
            state.add(self.train.rows[part], self.features.y_train[part], from_door=True)

    def subtract(self, rows: Rows) -> float:
        start = time.perf_counter()
        self.state.subtract(self.train.rows[rows], self.features.y_train[rows])
        return time.perf_counter() - start

    def solve(self, name: str) -> float:
        start = time.perf_counter()
        if self.state.n_rows:
            self.shared.heads[name]._prepared()
        return time.perf_counter() - start

    def labels(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        head = self.shared.heads[name]
        return head._labels(head._scored_integers(rows))

    def judged(self, name: str, stream: Stream, i: int) -> dict[str, Any]:
        head, tested = self.shared.heads[name], stream.steps[i].tested
        start = time.perf_counter()
        scores = head._scored_integers(self.test.rows[tested])
        y_pred = head._labels(scores)
        seconds = time.perf_counter() - start + self.test.seconds_a_row * len(tested)
        proba = None
        if hasattr(head, "_probabilities"):
            proba = head._probabilities(scores), self.state.classes
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
        self._add(retrained, np.flatnonzero(step.held))
        seconds = time.perf_counter() - start + self.train.seconds_a_row * int(step.held.sum())
        identical = retrained.digest() == self.state.digest()
        for name, record in records.items():
            record["requests"][-1] |= {
                "seconds_retrain": seconds + self.solve_again(name),
                "identical": identical,
            }

    def solve_again(self, name: str) -> float:
        """What weights cost from the state as it is, which a retrained state equals."""
        head = self.shared.heads[name]
        head._solved.pop("current", None)
        return self.solve(name)
