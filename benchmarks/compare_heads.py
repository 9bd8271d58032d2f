"""Claim: heads over one state are compared for the price of one, plus a solve each.

Ten class-incremental sessions, weights after each. "alone": a head that learns by itself, through its own class. "all":
every head over the same state, learned once. On the packs that are there, and on the packaged CLINC150.
"""

import os
import time
import warnings
from pathlib import Path

from _common import REPEATS, store

from analytic_cl import DoorWarning
from analytic_cl.comparison.engine import run
from analytic_cl.comparison.features import as_features
from analytic_cl.comparison.methods import HEADS
from analytic_cl.comparison.readers import read
from analytic_cl.comparison.stream import make_stream
from analytic_cl.datasets import load_clinc150
from analytic_cl.scenarios import parse

SCENARIO = "class-incremental:10"
NAMES = ("lda", "ridge", "ridge-gcv")
DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))

warnings.simplefilter("ignore", DoorWarning)


def alone(features, stream, name):
    """Seconds of a head that learns and solves session by session, without predicting."""
    head = HEADS[name].make(0)
    start = time.perf_counter()
    for step in stream.steps:
        head.partial_fit(features.X_train[step.fresh], features.y_train[step.fresh])
        head.decision_function(features.X_test[:1])
    return time.perf_counter() - start


def together(features):
    """Seconds of learning once and solving for each of the heads."""
    runs = run(features, SCENARIO, NAMES, "none", 1)
    return runs[0]["summary"]["seconds_shared"] + sum(one["summary"]["seconds_solve"] for one in runs)


packs = {"CLINC150, 15,000 x 384": as_features(load_clinc150())}
if (DATA / "cifar100_mnv2.npz").exists():
    packs["CIFAR-100, 50,000 x 1280"] = read(str(DATA / "cifar100_mnv2.npz"))
for title, features in packs.items():
    stream = make_stream(features, parse(SCENARIO), 0)
    seconds = {f"all of {', '.join(NAMES)}": [], **{f"{name} alone": [] for name in NAMES}}
    together(features)
    for _ in range(REPEATS):
        for name in NAMES:
            seconds[f"{name} alone"].append(alone(features, stream, name))
        seconds[f"all of {', '.join(NAMES)}"].append(together(features))
    medians = store(f"heads compared over one state: {title}, ten sessions", seconds, "Weights after every session.")
    separate = sum(value for name, value in medians.items() if name.endswith("alone"))
    print(f"  together {separate / next(iter(medians.values())):.2f} times as fast as each by itself")
