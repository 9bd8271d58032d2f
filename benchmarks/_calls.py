"""CPU time of the calls that users make most, of every head with default parameters, as JSON: see _against.py.

CIFAR-100 features, 20,000 rows (5,000 for heads that take longer), with and without ids; medians of calls of one row.
"""

import json
import statistics
import sys
import time
import warnings

import numpy as np

from analytic_cl import (
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
)

HEADS = {
    NearestMeanClassifier: 20_000,
    LDAClassifier: 20_000,
    RLSClassifier: 5000,
    NearestNeighborsClassifier: 20_000,
    KeyValueBottleneckClassifier: 5000,
}
CALLS = 100


def seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def each(call):
    """The median over single rows; the first may be slower, and does not count."""
    return statistics.median([seconds(lambda i=i: call(slice(i, i + 1))) for i in range(CALLS)][1:])


def calls(kind, X, y, with_ids):
    ids = np.arange(len(y))

    def named(rows):
        return {"sample_id": ids[rows]} if with_ids else {}

    first, head = slice(CALLS, None), kind()
    head.fit(X[first][:200], y[first][:200])
    times = {"fit": min(seconds(lambda: head.fit(X[first], y[first], **named(first))) for _ in range(3))}
    times["partial_fit of one row"] = each(lambda row: head.partial_fit(X[row], y[row], **named(row)))
    if with_ids:
        times["forget of one row"] = each(lambda row: head.forget(sample_id=ids[row]))
    times["predict of one row"] = each(lambda row: head.predict(X[row]))
    return times


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with np.load(sys.argv[1]) as pack:
        X, y = pack["X_train"].astype(np.float32), pack["y_train"]
    print(
        json.dumps(
            {
                f"{kind.__name__}{', with ids' if with_ids else ''}: {name}": took
                for kind, n in HEADS.items()
                for with_ids in (False, True)
                for name, took in calls(kind, X[:n], y[:n], with_ids).items()
            }
        )
    )
