"""CPU time of each head in a comparison of all, as JSON: for `make against REV=v0.1 CALLS=_compared ROUNDS=1`.

The packaged CLINC150 and the pack of CIFAR-100 features, two class-incremental sessions: minutes a commit.
"""

import json
import sys
import time
import warnings
from pathlib import Path

from analytic_cl.comparison import state_runs
from analytic_cl.comparison.features import as_features
from analytic_cl.comparison.integer_rows import IntegerRows
from analytic_cl.comparison.methods import head_methods
from analytic_cl.comparison.readers import read
from analytic_cl.comparison.stream import make_stream
from analytic_cl.datasets import load_clinc150
from analytic_cl.scenarios import parse

SCENARIO = "class-incremental:2"


def packs(cifar):
    """Features by title: CLINC150, and CIFAR-100 where the file is."""
    found = {"CLINC150, 15,000 x 384": as_features(load_clinc150())}
    if Path(cifar).exists():
        found["CIFAR-100, 50,000 x 1280"] = read(str(cifar))
    return found


def seconds_of_heads(features, clock):
    """Seconds of all heads, of what they share or is not theirs alone, and of each: its solves and its predictions."""
    stream, rows = make_stream(features, parse(SCENARIO), 0), IntegerRows(features)
    heads = {method.name: method.make(0) for method in head_methods().values()}
    own, start = {}, clock()
    for shared in state_runs.shared_states(heads, features.X_train.shape[1]):
        for name, sessions in state_runs.run_over_state(shared, features, stream, rows).items():
            own[name] = sum(session["seconds_solve"] + session["seconds_predict"] for session in sessions)
    whole = clock() - start
    shared = {"all heads": whole, "learning, first calls, digests, judging": whole - sum(own.values())}
    return shared | dict(sorted(own.items(), key=lambda item: -item[1]))


class _CpuTime:
    """In place of the module `time`: what is busy beside this process counts less."""

    perf_counter = staticmethod(time.process_time)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    state_runs.time = _CpuTime
    timed = {title: seconds_of_heads(features, time.process_time) for title, features in packs(sys.argv[1]).items()}
    print(json.dumps({f"{title}: {name}": s for title, seconds in timed.items() for name, s in seconds.items()}))
