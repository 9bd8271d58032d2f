"""Choosing parameters on data that are not used to evaluate: tune first, evaluate what was chosen.

References
----------
Cha and Cho, Hyperparameters in continual learning: a reality check, TMLR 2025. There: many scenarios drawn from the
tuning data; here one, the first seed's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from analytic_cl._progress import Step
from analytic_cl.comparison.features import Features
from analytic_cl.comparison.integer_rows import IntegerRows
from analytic_cl.comparison.methods import Method
from analytic_cl.comparison.peer_runs import run_peer
from analytic_cl.comparison.state_runs import run_over_state, shared_states
from analytic_cl.comparison.stream import make_stream
from analytic_cl.scenarios import Scenario


def halves(features: Features) -> tuple[Features, Features]:
    """Rows of half of the classes to tune on, and of the other half to evaluate; classes are drawn once and for all."""
    labels = features.labels
    if len(labels) < 4:
        raise ValueError(f"tune='holdout' needs at least four classes, there are {len(labels)}: give other features")
    order = np.random.default_rng([0, 3]).permutation(len(labels))
    n = len(labels) // 2
    return (
        features.of_classes(labels[np.sort(order[:n])], f"{features.name}, {n} classes to tune on"),
        features.of_classes(labels[np.sort(order[n:])], f"{features.name}, {len(labels) - n} of {len(labels)} classes"),
    )


def tune(
    methods: Iterable[Method], features: Features, scenario: Scenario, seed: int, done: Step
) -> dict[str, dict[str, Any]]:
    """Parameters of each method with the best accuracy at the end of the scenario; where equal, the defaults.

    Our heads are tuned over shared states: a setting costs a solve. `done` is told 1 after each method.
    """
    stream, rows = make_stream(features, scenario, seed), IntegerRows(features)
    chosen = {}
    for method in methods:
        settings, scores = method.settings(), []
        tried = [method.make(seed).set_params(**parameters) for parameters in settings]
        if len(settings) > 1 and method.way == "state":
            named = {str(i): head for i, head in enumerate(tried)}
            runs: dict[str, Any] = {}
            for shared in shared_states(named, features.X_train.shape[1]):
                runs |= run_over_state(shared, features, stream, rows, only_last=True)
            scores = [runs[name][-1]["accuracy_seen"] for name in named]
        elif len(settings) > 1:
            runs_of_peer = (run_peer(method, each, features, stream, seed, only_last=True) for each in tried)
            scores = [run[-1]["accuracy_seen"] for run in runs_of_peer]
        known = [-1.0 if score is None else score for score in scores]
        chosen[method.name] = settings[int(np.argmax(known))] if known else {}
        done(1)
    return chosen
