"""Claim: one-pass ridge regression takes as long as scikit-learn's in float64, half of it behind 16 bits.

Three runs. A fit of N x D rows (500,000 x 256) with weights, beside `Ridge` on the same rows in both precisions; the
default for 256 columns is 32-bit integers, which cost more than 8 and 16 bits, so all are there, with what each loses.
ROWS single rows in turn, each predicted and then learned, beside `SGDRegressor`, `Ridge` fitted anew and, where it is
installed, river's linear regression. And the diabetes data, 5-fold, beside `RidgeCV`.
"""

import os
import time
from importlib.util import find_spec

import numpy as np
from _common import race, store
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge, RidgeCV, SGDRegressor
from sklearn.model_selection import cross_val_score

from analytic_cl import FixedPoint, RLSRegressor

N, D = int(os.environ.get("N", "500000")), int(os.environ.get("D", "256"))
ROWS = int(os.environ.get("ROWS", "1000"))
FIRST = 1000  # rows that are learned before the stream begins

random = np.random.default_rng(0)
truth = random.normal(size=D)
X = random.standard_normal((N, D), dtype=np.float32)
y = X @ truth + random.normal(size=N)
X_test = random.standard_normal((2000, D), dtype=np.float32)
X_double = X.astype(np.float64)

# ---- one pass

OURS = {
    "RLSRegressor(1.0), 32-bit rows (default)": {},
    "RLSRegressor(1.0), 16-bit rows": {"quantizer": FixedPoint(16, scale=2**12)},
    "RLSRegressor(1.0), 8-bit rows": {"quantizer": FixedPoint(8)},
}


def ours(**parameters):
    return RLSRegressor(1.0, track="none", **parameters).fit(X, y)


def with_weights(**parameters):
    ours(**parameters).prepare()


exact = X_test @ truth
notes = []
for name, parameters in OURS.items():
    notes.append(f"{name}: {np.sqrt(np.mean((ours(**parameters).predict(X_test) - exact) ** 2)):.5f}")
notes.append(f"Ridge: {np.sqrt(np.mean((Ridge(1.0).fit(X_double, y).predict(X_test) - exact) ** 2)):.5f}")
note = "Root mean square error of the means of 2,000 further rows: " + "; ".join(notes)
print(note)
race(
    f"ridge regression in one pass: {N:,} x {D}",
    {
        "Ridge(1.0), float64": lambda: Ridge(1.0).fit(X_double, y),
        "Ridge(1.0), float32": lambda: Ridge(1.0).fit(X, y),
        **{name: lambda parameters=parameters: with_weights(**parameters) for name, parameters in OURS.items()},
    },
    note,
)

# ---- one row after another


def streamed(predict, learn, n=ROWS):
    """Seconds a row, and the mean square error of what was predicted before the row was learned."""
    errors = []
    start = time.perf_counter()
    for i in range(FIRST, FIRST + n):
        errors.append((predict(X_double[i : i + 1], i) - y[i]) ** 2)
        learn(X_double[i : i + 1], y[i : i + 1])
    return (time.perf_counter() - start) / n, float(np.mean(errors))


def of_ours(n=ROWS, **parameters):
    head = RLSRegressor(1.0, track="none", **parameters).fit(X_double[:FIRST], y[:FIRST])
    head.predict(X_double[:1])
    return streamed(lambda x, _: head.predict(x)[0], head.partial_fit, n)


def of_sgd():
    model = SGDRegressor(random_state=0).partial_fit(X_double[:FIRST], y[:FIRST])
    return streamed(lambda x, _: model.predict(x)[0], model.partial_fit)


def of_refitting():
    return streamed(lambda x, i: Ridge(1.0).fit(X_double[:i], y[:i]).predict(x)[0], lambda x, y: None, ROWS // 20)


def of_river():
    from river.linear_model import LinearRegression

    model, names = LinearRegression(), [f"x{i}" for i in range(D)]

    def as_river(x):
        return dict(zip(names, x[0].tolist(), strict=True))

    for i in range(FIRST):
        model.learn_one(as_river(X_double[i : i + 1]), y[i])
    return streamed(lambda x, _: model.predict_one(as_river(x)), lambda x, y: model.learn_one(as_river(x), y[0]))


STREAMS = {
    "RLSRegressor(1.0, solver='recursive')": lambda: of_ours(solver="recursive"),
    "RLSRegressor(1.0), solved for each row": lambda: of_ours(ROWS // 10),
    "SGDRegressor.partial_fit": of_sgd,
    "Ridge(1.0) fitted anew for each row": of_refitting,
}
if find_spec("river") is not None:
    STREAMS["river.linear_model.LinearRegression"] = of_river
laps = [{name: run() for name, run in STREAMS.items()} for _ in range(3)]
note = "Mean square error before a row is learned (the noise has 1): " + "; ".join(
    f"{name}: {error:.4g}" for name, (_, error) in laps[0].items()
)
print(note)
store(
    f"single rows of {D} features, predicted, then learned, after {FIRST:,}",
    {name: [lap[name][0] for lap in laps] for name in STREAMS},
    note,
)

# ---- diabetes

X, y = load_diabetes(return_X_y=True)
fine = FixedPoint(32, scale=2**20)  # its columns are scaled to about 0.05
found = {
    "RLSRegressor()": cross_val_score(RLSRegressor(quantizer=fine), X, y),
    "RidgeCV": cross_val_score(RidgeCV(np.logspace(-8, 4, 61)), X, y),
}
print("\ndiabetes, 5-fold, R^2: " + "; ".join(f"{name} {scores.mean():.4f}" for name, scores in found.items()))
