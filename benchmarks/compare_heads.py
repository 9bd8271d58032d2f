"""Claim: heads over one state are compared for the price of one, plus a solve each.

Ten class-incremental sessions, weights after each, no predictions. Eight heads (LDA and ridge, with four shrinkages and
penalties each) learn by themselves, through their own classes; or read one state, which learns once. On the packaged
CLINC150, and on the pack of CIFAR-100 features where it is.

Then all heads there are, once, in two sessions with predictions after each, and what each takes by itself.
"""

import os
import time
import warnings
from pathlib import Path

from _common import REPEATS, store
from _compared import packs, seconds_of_heads

from analytic_cl import LDAClassifier, QuantizationWarning, RLSClassifier
from analytic_cl.comparison.integer_rows import IntegerRows
from analytic_cl.comparison.state_runs import run_over_state, shared_states
from analytic_cl.comparison.stream import make_stream
from analytic_cl.scenarios import parse

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))

warnings.simplefilter("ignore", QuantizationWarning)


def heads(n):
    made = [LDAClassifier(s) for s in ("oas", 0.01, 0.1, 0.3)] + [RLSClassifier(a) for a in ("oas", 1.0, 10.0, 100.0)]
    return {repr(head): head for head in made[:n]}


def alone(features, stream, head):
    """Seconds of a head that learns and solves session by session."""
    start = time.perf_counter()
    for step in stream.steps:
        head.partial_fit(features.X_train[step.fresh], features.y_train[step.fresh])
        head.prepare()
    return time.perf_counter() - start


def over_one_state(features, stream, rows, n):
    """Seconds of learning once, quantising included, and solving for each of n heads."""
    (shared,) = shared_states(heads(n), features.X_train.shape[1])
    found = run_over_state(shared, features, stream, rows)
    learning = sum(session["seconds_shared"] for session in next(iter(found.values())))
    return learning + sum(session["seconds_solve"] for sessions in found.values() for session in sessions)


compared = packs(DATA / "cifar100_mnv2.npz")
for title, features in compared.items():
    stream, rows = make_stream(features, parse("class-incremental:10"), 0), IntegerRows(features)
    seconds = {"eight heads over one state": [], "one head": [], "eight heads, each by itself": []}
    over_one_state(features, stream, rows, 1)
    for _ in range(REPEATS):
        seconds["eight heads over one state"].append(over_one_state(features, stream, rows, 8))
        seconds["one head"].append(over_one_state(features, stream, rows, 1))
        seconds["eight heads, each by itself"].append(sum(alone(features, stream, h) for h in heads(8).values()))
    store(f"heads compared over one state: {title}, ten sessions", seconds, "Weights after every session.")
for title, features in compared.items():
    found = seconds_of_heads(features, time.perf_counter)
    note = "Once. Solves and predictions of each head; ten sessions take about five times as long."
    store(f"all heads compared: {title}, two sessions", {name: [s] for name, s in found.items()}, note)
