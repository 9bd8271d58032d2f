"""Claim: predicting a row, ten, or 10,000 takes no longer than with scikit-learn's classifiers of the same kind.

Every contestant answers the same rows in turn, so that a busy machine is busy for all of them. CIFAR-100 features where
ANALYTIC_CL_DATA has them, else the packaged CLINC150. ROWS=1,10 picks sizes, FEATURES the random features.
"""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
from _common import store, timed
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from analytic_cl import (
    GaussianClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    RLSClassifier,
)
from analytic_cl.datasets import load_clinc150
from analytic_cl.quantizers import resolve_quantizer

M = int(os.environ.get("FEATURES", "5000"))
SIZES = [int(size) for size in os.environ.get("ROWS", "1,10,10000").split(",")]
CALLS = {1: 200, 10: 100}  # of each contestant; seven of more rows
LARGE_CALLS = 7
TRAINED = 20_000

PEER = {
    "nearest mean": "scikit-learn NearestCentroid",
    "LDA": "scikit-learn LDA lsqr",
    "LDA, plain means": "scikit-learn LDA lsqr",
    "ridge": "scikit-learn RidgeClassifier",
    "Gaussian": "scikit-learn LDA lsqr",
    "neighbours": "scikit-learn neighbours, brute force",
}


def rows():
    pack = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data")) / "cifar100_mnv2.npz"
    if pack.exists():
        with np.load(pack, allow_pickle=False) as stored:
            X, y, T = (stored[name] for name in ("X_train", "y_train", "X_test"))
        return X[:TRAINED].astype(np.float32), y[:TRAINED], T.astype(np.float32), "CIFAR-100, MobileNetV2, 1280 columns"
    pack = load_clinc150()
    return pack.X_train, pack.y_train, pack.X_test, "CLINC150, MiniLM, 384 columns"


def ours(X, y):
    plain = {
        "nearest mean": NearestMeanClassifier(),
        "LDA": LDAClassifier(),
        "LDA, plain means": LDAClassifier(means="plain"),
        "ridge": RLSClassifier(),
        "Gaussian": GaussianClassifier(),
        "neighbours": NearestNeighborsClassifier(),
    }
    lifted = {
        "nearest mean": NearestMeanClassifier(projection=RandomProjection(M)),
        "LDA": LDAClassifier(projection=RandomProjection(M)),
        "ridge": RLSClassifier(projection=RandomProjection(M)),
    }
    heads = plain | {f"{name} behind {M:,} random features": head for name, head in lifted.items()}
    return {name: head.fit(X, y) for name, head in heads.items()}


def peers(X, y):
    found = {
        "scikit-learn NearestCentroid": NearestCentroid(),
        "scikit-learn LDA lsqr": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
        "scikit-learn RidgeClassifier": RidgeClassifier(),
        "scikit-learn neighbours, brute force": KNeighborsClassifier(10, algorithm="brute"),
    }
    found = {name: peer.fit(X, y).predict for name, peer in found.items()}
    return found | exported(X, y)


def exported(X, y):
    """Contestants that run an exported head, by name: none yet."""
    return {}


def floor(head, T):
    """The integer product of the projection alone, of rows that are integers already."""
    q = resolve_quantizer("embedding", None, T.shape[1]).quantise(T)
    return lambda: head.quantizer_.lift(q)


def p(times, share):
    return float(np.quantile(times, share))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    X, y, T, rows_are = rows()
    heads = ours(X, y)
    predict = {name: head.predict for name, head in heads.items()} | peers(X, y)
    lifted = heads[f"LDA behind {M:,} random features"]
    slow = {"neighbours", "scikit-learn neighbours, brute force"}
    for size in SIZES:
        calls = CALLS.get(size, LARGE_CALLS)
        contestants = {name: call for name, call in predict.items() if size < 1000 or name not in slow}
        times = {name: [] for name in contestants}
        bottom = f"the random features of rows of integers alone, {M:,}"
        times[bottom] = []
        for call in range(-2, calls):  # the first two compile, solve and fill caches
            start = (call * size) % max(1, len(T) - size)
            part = np.resize(T, (size, T.shape[1])) if size > len(T) else T[start : start + size]
            runs = {name: timed(lambda run=run, part=part: run(part)) for name, run in contestants.items()}
            runs[bottom] = timed(floor(lifted, part))
            if call >= 0:
                for name, seconds in runs.items():
                    times[name].append(seconds)
        print(f"\n{size:,} rows: {'':38} p50 ms      p99 ms   of scikit-learn's")
        for name, seconds in times.items():
            peer = PEER.get(name.split(" behind")[0])
            ratio = f"{p(seconds, 0.5) / p(times[peer], 0.5):8.2f}" if peer in times else ""
            print(f"  {name:48} {1e3 * p(seconds, 0.5):10.4f}  {1e3 * p(seconds, 0.99):10.4f}  {ratio}")
        sys.stdout.flush()
        late = "; ".join(f"{name} {1e3 * p(seconds, 0.99):.3g}" for name, seconds in times.items())
        store(f"predict {size:,} of {rows_are}", times, f"Milliseconds at p99: {late}.")
