"""Claim: sparse text is learned and classified faster than by scikit-learn's sparse ridge, at its accuracy.

Sentences of CLINC150 (clinc150_text.json in the folder ANALYTIC_CL_DATA) as TF-IDF of hashed words. Every contestant
fits 15,000 of them and names the intents of 4,500, in a process of its own, whose peak of memory is on record; what it
had before it fitted is taken off, what numba takes to compile is not. Then products of entries against those of dense
rows, by which the threshold in statistics/sparse_gram.py is set.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from _common import store
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import RidgeClassifier, SGDClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline

from analytic_cl import FixedPoint, LDAClassifier, NearestMeanClassifier, RLSClassifier
from analytic_cl._sparse import SparseRows
from analytic_cl.statistics import gram, sparse_gram

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "clinc150_text.json"
REPEATS, ENOUGH = 5, 3.0  # times, unless that takes longer than so many seconds
UNIT8, UNIT16 = FixedPoint(8, norm="l2", scale=127), FixedPoint(16, norm="l2")
CONTESTANTS = {
    "NearestMeanClassifier": lambda: NearestMeanClassifier(quantizer=UNIT8),
    "NearestMeanClassifier, track='none'": lambda: NearestMeanClassifier(quantizer=UNIT8, track="none"),
    "NearestMeanClassifier, 16 bits": lambda: NearestMeanClassifier(quantizer=UNIT16, track="none"),
    "NearestMeanClassifier, quantizer='auto'": lambda: NearestMeanClassifier(track="none"),
    "RLSClassifier": lambda: RLSClassifier(quantizer=UNIT8),
    "RLSClassifier, quantizer='auto'": lambda: RLSClassifier(track="none"),
    "LDAClassifier": lambda: LDAClassifier(quantizer=UNIT8),
    "RidgeClassifier, sparse_cg": lambda: RidgeClassifier(solver="sparse_cg"),
    "SGDClassifier": lambda: SGDClassifier(random_state=0),
    "NearestCentroid": NearestCentroid,
}
ONLY_NARROW = {"RLSClassifier", "RLSClassifier, quantizer='auto'", "LDAClassifier", "NearestCentroid"}


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def contest(name, n_features):
    """One contestant, in this process: seconds to fit and predict, accuracy, and the memory it added."""
    data = json.loads(DATA.read_text())
    (sentences, intents), (queries, answers) = (zip(*data[part], strict=True) for part in ("train", "test"))
    words = make_pipeline(
        HashingVectorizer(n_features=n_features, alternate_sign=False, norm=None), TfidfTransformer()
    ).fit(sentences)
    X, Q, y, z = words.transform(sentences), words.transform(queries), np.array(intents), np.array(answers)
    before, seconds = megabytes(), []
    CONTESTANTS[name]().fit(X[:300], y[:300]).predict(Q[:9])  # compiles what is to be compiled
    while len(seconds) < REPEATS and sum(seconds) < ENOUGH:
        start = time.perf_counter()
        named = CONTESTANTS[name]().fit(X, y).predict(Q)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "accuracy": float((named == z).mean()), "megabytes": megabytes() - before}


def of_another_process(name, n_features):
    command = [sys.executable, "-W", "ignore", __file__, name, str(n_features)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def text(n_features):
    names = [name for name in CONTESTANTS if n_features == 2**12 or name not in ONLY_NARROW]
    runs = {name: of_another_process(name, n_features) for name in names}
    found = [f"{name}: accuracy {run['accuracy']:.4f}, {run['megabytes']:.0f} MB" for name, run in runs.items()]
    title = f"fit and predict 15,000 + 4,500 sentences, {n_features} sparse features"
    store(title, {name: run["seconds"] for name, run in runs.items()}, note="; ".join(found))
    print("  " + "\n  ".join(found), flush=True)


def best(run):
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def products():
    """Seconds of one Gram matrix by entries and by dense rows, by bits, width and share of entries that are not 0."""
    print("\nGram matrix of 2,000 rows: seconds by entries and by dense rows, and their ratio")
    for bits in (8, 16, 32):
        for width in (1024, 4096):
            for density in (0.002, 0.01, 0.03, 0.1):
                of_one_matrix(bits, width, density)


def of_one_matrix(bits, width, density):
    random, planes = np.random.default_rng(0), gram.empty_planes(width, bits)
    matrix = sparse.random_array((2000, width), density=density, rng=random, format="csr") * 126
    rows = SparseRows.of(sparse.csr_array(matrix).astype(f"int{bits}"))
    dense = np.asarray(rows)
    by_entries = best(lambda: sparse_gram.accumulate(planes, rows, bits, 1))
    by_rows = best(lambda: gram.accumulate(planes, dense, bits, 1))
    print(
        f"  {bits:2d} bits, {width} columns, {density:5.1%}: {by_entries:8.4f} {by_rows:8.4f}"
        f"  {by_rows / by_entries:6.1f}; takes {'entries' if sparse_gram.is_worth_it(rows) else 'rows'}",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(contest(sys.argv[1], int(sys.argv[2]))))
    elif not DATA.exists():
        print(f"left out: {DATA} is not there")
    else:
        text(2**12)
        text(2**16)
        products()
