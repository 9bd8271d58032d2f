"""Claim: one row learned and weights current, in O(d^2), is faster than a fresh solve; and many updates stay exact.

768 features, 100 classes, 5,000 rows at first. An update is one row learned (in the long run: learned or forgotten)
and new weights. The forms of the update are compared alone, on a matrix of the same size: two calls of BLAS a row as
textbooks do, one fused pass in numba, and ours, which reads now and writes a block of rows at a time.
UPDATES=1000000 in the environment for the long run of `make bench-full`.
"""

import itertools
import os
import time

import numba
import numpy as np
from _common import REPEATS, generated_rows, race, store
from scipy.linalg import blas

from analytic_cl import RLSClassifier
from analytic_cl.recursive.inverse import BLOCK

D, CLASSES, N = 768, 100, 5000
UPDATES = int(os.environ.get("UPDATES", "20000"))
X, y = generated_rows(2 * N, D, CLASSES)


def learned(**parameters):
    head = RLSClassifier(alpha=1.0, quantizer="embedding", track="none", **parameters).fit(X[:N], y[:N])
    head.decision_function(X[:1])
    return head


def burst(head, turn, n):
    """Seconds an update of n in a row, as a stream has them."""
    start = time.perf_counter()
    for i in itertools.islice(turn, n):
        head.partial_fit(X[i : i + 1], y[i : i + 1])
        head.prepare()
    return (time.perf_counter() - start) / n


@numba.njit(nogil=True)
def fused(a, g, f, u, out):
    """One pass over half of a: a -= f g g^T while out = a u, four rows at a time, sums in eight lanes."""
    d = a.shape[0]
    out[:] = 0.0
    lanes = np.empty((4, 8))
    for i in range(0, d, 4):
        for r in range(4):
            for j in range(i, i + 4):
                a[i + r, j] -= f * g[i + r] * g[j]
                out[i + r] += a[i + r, j] * u[j]
        lanes[:] = 0.0
        for j in range(i + 4, d - 7, 8):
            for lane in range(8):
                at = j + lane
                for r in range(4):
                    value = a[i + r, at] - f * g[i + r] * g[at]
                    a[i + r, at] = value
                    out[at] += value * u[i + r]
                    lanes[r, lane] += value * u[at]
        for j in range(d - (d - i - 4) % 8, d):
            for r in range(4):
                a[i + r, j] -= f * g[i + r] * g[j]
                out[j] += a[i + r, j] * u[i + r]
                out[i + r] += a[i + r, j] * u[j]
        for r in range(4):
            out[i + r] += lanes[r].sum()


heads = {
    "RLSClassifier(solver='recursive')": (learned(solver="recursive"), itertools.count(N), 100),
    "RLSClassifier(solver='cholesky')": (learned(), itertools.count(N), 20),
}
for contestant in heads.values():
    burst(*contestant)
laps = [{name: burst(*contestant) for name, contestant in heads.items()} for _ in range(2 * REPEATS)]
store(
    f"one row learned, weights current: {D} features, {CLASSES} classes",
    {name: [lap[name] for lap in laps] for name in heads},
)

for d in (D, 4096):
    random = np.random.default_rng(0)
    p, square = np.asfortranarray(np.eye(d)), np.eye(d)
    u, g, out = random.standard_normal(d), random.standard_normal(d), np.empty(d)
    block = np.asfortranarray(random.standard_normal((d, BLOCK)))

    def delayed(p=p, u=u, block=block):
        for _ in range(BLOCK):
            product = blas.dsymv(1.0, p, u, lower=1)
            product -= block[:, ::2] @ (u @ block[:, ::2])  # half of a block waits on average
        blas.dsyrk(-1e-9, block, beta=1.0, c=p, lower=1, overwrite_c=1)

    def textbook(p=p, u=u, g=g):
        for _ in range(BLOCK):
            blas.dsymv(1.0, p, u, lower=1)
            blas.dsyr(-1e-9, g, a=p, lower=1, overwrite_a=1)

    def one_pass(a=square, u=u, g=g, out=out):
        for _ in range(BLOCK):
            fused(a, g, 1e-9, u, out)

    expected = np.eye(d) - 1e-3 * np.outer(g, g)
    checked = np.eye(d)
    fused(checked, g, 1e-3, u, out)
    assert np.abs(out - expected @ u).max() < 1e-8 * np.abs(out).max()
    race(
        f"forms of {BLOCK} rank-one updates, {d} features",
        {
            "product now, dsyrk a block (ours)": delayed,
            "dsymv + dsyr": textbook,
            "one fused pass, numba": one_pass,
        },
    )

head = learned(solver="recursive")
random = np.random.RandomState(0)
held = np.arange(2 * N) < N
start = time.perf_counter()
for i in random.randint(2 * N, size=UPDATES):
    (head.forget if held[i] else head.partial_fit)(X[i : i + 1], y[i : i + 1])
    held[i] = not held[i]
    head.prepare()
seconds = time.perf_counter() - start
exact = RLSClassifier.from_moments(head.moments_, alpha=1.0)
error = np.abs(head.coef_ - exact.coef_).max() / np.abs(exact.coef_).max()
starts = head._solved["recursive"].rebuilds
note = f"Largest difference to the Cholesky solve, relative: {error:.1e}; {starts} start(s) from the state."
print(note)
store(
    f"{UPDATES:,} single rows learned or forgotten in turn, weights after each",
    {"all": [seconds], "each": [seconds / UPDATES]},
    note,
)
