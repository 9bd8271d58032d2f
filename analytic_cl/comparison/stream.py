"""One stream: the sessions of a scenario over features, and which rows are learned, held and tested when."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.comparison.features import Features
from analytic_cl.scenarios import DeletionRequest, Scenario, Session
from analytic_cl.scenarios.parsing import SCENARIOS

MOST_SESSIONS = 50  # that are judged one by one

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Step:
    """One session, as a comparison carries it out.

    Parameters
    ----------
    name : str
    ahead : ndarray of int64
        Training rows to predict before they are learned; empty but for time-ordered streams.
    train : ndarray of int64
        Rows of the session, in order.
    fresh : ndarray of int64
        Those that the model doesn't hold: a head learns a row once, however often it comes.
    requests : tuple of DeletionRequest
    held : ndarray of bool, shape (n_train,)
        Which training rows a model should rest on when the session is over.
    n_seen : int
        Number of classes then.
    tested : ndarray of int64
        Test rows of these classes (and of the domains so far).
    """

    name: str
    ahead: Rows
    train: Rows
    fresh: Rows
    requests: tuple[DeletionRequest, ...]
    held: NDArray[np.bool_]
    n_seen: int
    tested: Rows


@dataclass(frozen=True, eq=False)
class Stream:
    """The steps of one seed; `session_of` tells for each test row with which session its class (or domain) came,
    -1 for never; `class_order` in order of arrival.
    """

    steps: list[Step]
    session_of: Rows
    class_order: list[Any]


def make_stream(features: Features, scenario: Scenario, seed: int) -> Stream:
    """The stream of a seed, which orders classes and draws rows, unless the scenario's text has a seed of its own.

    More than `MOST_SESSIONS` sessions are joined, neighbours together, except where rows are to be predicted before
    they are learned.
    """
    parameters = dict(scenario.parameters)
    if "seed" in inspect.signature(SCENARIOS[scenario.name][0]).parameters:
        parameters.setdefault("seed", seed)
    sessions = Scenario(scenario.name, parameters).sessions(
        features.y_train,
        domains=features.domains_train,
        times=features.times_train,
        subjects=features.subjects_train,
    )
    parts = [[session] for session in sessions]
    if len(sessions) > MOST_SESSIONS and not any(len(session.test) for session in sessions):
        edges = np.linspace(0, len(sessions), MOST_SESSIONS + 1).round().astype(int)
        parts = [sessions[start:stop] for start, stop in pairwise(edges.tolist())]
    return _stream(features, parts)


def _stream(features: Features, parts: list[list[Session]]) -> Stream:
    by_domain = features.domains_test is not None and _is_by_domain(features, parts)
    group_of_row: NDArray[Any] = features.domains_test.astype(str) if by_domain else features.y_test  # type: ignore[union-attr]
    session_of = np.full(len(features.y_test), -1)
    held = np.zeros(len(features.y_train), dtype=bool)
    steps: list[Step] = []
    order: list[Any] = []
    for i, part in enumerate(parts):
        fresh: list[Rows] = []
        requests: list[DeletionRequest] = []
        for session in part:
            new = session.train[~held[session.train]]
            held[new] = True
            fresh.append(new)
            for request in session.requests:
                held[request.rows] = False
            requests += session.requests
            order += [label for label in session.new_classes.tolist() if label not in order]
            came = np.isin(group_of_row, [session.name] if by_domain else session.new_classes)
            session_of[came & (session_of < 0)] = i
        seen = part[-1].seen_classes
        tested = np.isin(features.y_test, seen) & (session_of >= 0)
        name = part[0].name if len(part) == 1 else f"{part[0].name} to {part[-1].name}"
        steps.append(
            Step(
                name,
                part[0].test,
                np.concatenate([session.train for session in part]),
                np.concatenate(fresh),
                tuple(requests),
                held.copy(),
                len(seen),
                np.flatnonzero(tested),
            )
        )
    return Stream(steps, session_of, order)


def held_by_session(stream: Stream, i: int) -> list[Rows]:
    """The rows that are held after step i, by the step that brought them last."""
    came = np.full(stream.steps[i].held.shape, -1)
    for j, step in enumerate(stream.steps[: i + 1]):
        came[step.fresh] = j
    return [np.flatnonzero(stream.steps[i].held & (came == j)) for j in range(i + 1)]


def _is_by_domain(features: Features, parts: list[list[Session]]) -> bool:
    """Whether sessions are domains, each with a session of its own."""
    if features.domains_train is None or any(len(part) > 1 for part in parts):
        return False
    return {part[0].name for part in parts} == set(map(str, np.unique(features.domains_train)))
