"""Claim: predicting a row, ten, or 10,000 takes no longer than with scikit-learn's classifiers of the same kind.

Every contestant answers the same rows in turn, in another order each round, so that a busy machine is busy for all of
them. Of few rows it answers ten requests before the next one's turn, as something that serves does: "first" is the
first of these, when others have filled the caches. Before each turn is a pause, in which threads that others left
waiting for work go to sleep. Exported heads run in ONNX Runtime, with as many threads as our kernels use; they are left
out where it is not installed. Two floors run beside them: the random features alone, and one pass of NumPy over the
rows that neighbours are searched among.

CIFAR-100 features where ANALYTIC_CL_DATA has them, else the packaged CLINC150. ROWS=1,10 picks sizes, FEATURES the
random features.
"""

import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from _common import store, timed
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from analytic_cl import (
    GaussianClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    RLSClassifier,
    export,
    get_threads,
)
from analytic_cl.datasets import load_clinc150
from analytic_cl.quantizers import resolve_quantizer

M = int(os.environ.get("FEATURES", "5000"))
SIZES = [int(size) for size in os.environ.get("ROWS", "1,10,10000").split(",")]
ROUNDS = {1: 20, 10: 10}
LARGE_ROUNDS = 7  # of more rows
BURST = 10  # requests of few rows in one turn
PAUSE = 0.03
SLOW = {  # which answer one request a turn
    "scikit-learn neighbours, brute force",
    "scikit-learn NearestCentroid",
    "scikit-learn QDA",
}
RARE = {"scikit-learn QDA"}  # half a minute for many rows: it answers once
BUSY = int(os.environ.get("NEIGHBOURS", "0")) > 0  # of _run.py; leaves out what takes many minutes to solve there
TRAINED = 20_000

PEER = {
    "nearest mean": "scikit-learn NearestCentroid",
    "LDA": "scikit-learn LDA lsqr",
    "LDA, plain means": "scikit-learn LDA lsqr",
    "ridge": "scikit-learn RidgeClassifier",
    "Gaussian": "scikit-learn QDA",
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
    if BUSY:
        del plain["Gaussian"]
    heads = plain | {f"{name} behind {M:,} random features": head for name, head in lifted.items()}
    return {name: head.fit(X, y) for name, head in heads.items()}


def peers(X, y):
    found = {
        "scikit-learn NearestCentroid": NearestCentroid(),
        "scikit-learn LDA lsqr": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
        "scikit-learn RidgeClassifier": RidgeClassifier(),
        "scikit-learn QDA": QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.1, tol=1e-12),
        "scikit-learn neighbours, brute force": KNeighborsClassifier(10, algorithm="brute"),
    }
    if BUSY:
        del found["scikit-learn QDA"]
    return {name: peer.fit(X, y).predict for name, peer in found.items()}


def exported(heads):
    """Contestants that run an exported head, by name."""
    try:
        import onnx  # noqa: F401  # what writes the files
        import onnxruntime
    except ImportError as error:
        print(f"ONNX Runtime is left out: {error}")
        return {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = get_threads()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, head in heads.items():
            export.to_onnx(head, Path(folder) / "head.onnx")
            session = onnxruntime.InferenceSession(
                str(Path(folder) / "head.onnx"), options, providers=["CPUExecutionProvider"]
            )
            found[in_onnx(name)] = lambda part, session=session: session.run(["label"], {"X": part})
    return found


def in_onnx(name):
    return f"ONNX Runtime, {name}"


def answers(predict):
    """From rows to the request that is timed."""
    return lambda part: lambda: predict(part)


def floor(head):
    """The integer product of the projection alone, of rows that are integers before the clock starts."""
    rule = resolve_quantizer("embedding", None, head.n_features_in_)

    def request(part):
        q = rule.quantise(part)
        return lambda: head.quantizer_.lift(q)

    return request


def pass_over(head):
    """The rows that neighbours are searched among, read once."""
    table = head.state_.table
    words = table.payload[: table.size].view(np.int64)
    return lambda part: words.max


def p(times, share):
    return float(np.quantile(times, share))


def times_of(contestants, T, size):
    """Seconds of all requests, and of those that were the first of a turn, by contestant."""
    rounds, burst = ROUNDS.get(size, LARGE_ROUNDS), BURST if size in ROUNDS else 1
    every, first = ({name: [] for name in contestants} for _ in range(2))
    order, random = list(contestants), np.random.default_rng(0)
    for turn in range(-2, rounds):  # the first two compile, solve and fill caches
        parts = [batch(T, size, turn * burst + request) for request in range(burst)]
        for name in random.permutation(order).tolist():
            if size >= 1000 and name in RARE and turn < rounds - 1:
                continue
            time.sleep(PAUSE)
            seconds = [timed(contestants[name](part)) for part in (parts[:1] if name in SLOW else parts)]
            if turn >= 0:
                every[name] += seconds
                first[name] += seconds[:1]
    return every, first


def batch(T, size, number):
    start = (number * size) % max(1, len(T) - size)
    return np.resize(T, (size, T.shape[1])) if size > len(T) else T[start : start + size]


def ratio(times, name, other):
    return f"{p(times[name], 0.5) / p(times[other], 0.5):8.2f}" if other in times else " " * 8


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    X, y, T, rows_are = rows()
    heads = ours(X, y)
    lifted = heads[f"LDA behind {M:,} random features"]
    bottom = f"the random features of rows of integers alone, {M:,}"
    predict = {name: head.predict for name, head in heads.items()} | peers(X, y) | exported(heads)
    for size in SIZES:
        contestants = {name: answers(call) for name, call in predict.items() if size < 1000 or "neighbours" not in name}
        contestants[bottom] = floor(lifted)
        if size < 1000:
            contestants["the rows of neighbours, read once"] = pass_over(heads["neighbours"])
        times, first = times_of(contestants, T, size)
        print(f"\n{size:,} rows: {'':38} p50 ms      p99 ms    first ms   of sklearn's   of ONNX's")
        for name, seconds in times.items():
            numbers = (p(seconds, 0.5), p(seconds, 0.99), p(first[name], 0.5))
            sklearn = ratio(times, name, PEER.get(name.split(" behind")[0]))
            onnx = ratio(times, name, in_onnx(name))
            print(f"  {name:52}", *(f"{1e3 * number:11.4f}" for number in numbers), "  ", sklearn, "  ", onnx)
        sys.stdout.flush()
        late = "; ".join(f"{name} {1e3 * p(seconds, 0.99):.3g}" for name, seconds in times.items())
        store(f"predict {size:,} of {rows_are}", times, f"Milliseconds at p99: {late}.")
