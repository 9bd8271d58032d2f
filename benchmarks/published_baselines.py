"""Claim: what published heads are worth on real features, each over an integer state, beside the heads of the package.

All of `analytic_cl.baselines.ENTRIES`, with their defaults, on CLINC150 (MiniLM, all rows) and CIFAR-100 (MobileNetV2,
200 rows a class), and with 10 rows a class of each; per cent right on all test rows, one draw. CLINC150 comes with the
package; CIFAR-100 is used where its pack is. Names as arguments run these alone. A table of Markdown at the end.
"""

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone

from analytic_cl import GaussianClassifier, LDAClassifier, NearestMeanClassifier, QuantizationWarning, RLSClassifier
from analytic_cl.baselines import ENTRIES, VonMisesFisherClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.heads import head_entries

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))

warnings.simplefilter("ignore", QuantizationWarning)


def packs():
    """Name, training rows and labels, test rows and labels of each pack that is there."""
    clinc = load_clinc150()
    yield "CLINC150", clinc.X_train, clinc.y_train, clinc.X_test, clinc.y_test
    if (DATA / "cifar100_mnv2.npz").exists():
        with np.load(DATA / "cifar100_mnv2.npz", allow_pickle=False) as arrays:
            X, y, T, t = (arrays[key] for key in ("X_train", "y_train", "X_test", "y_test"))
        keep = drawn(y, 200)
        yield "CIFAR-100", X[keep].astype(np.float32), y[keep], T.astype(np.float32), t


def drawn(y, n):
    """Places of n rows of each class, at random."""
    random = np.random.default_rng(0)
    return np.sort(np.concatenate([random.permutation(np.flatnonzero(y == c))[:n] for c in np.unique(y)]))


def heads():
    """Unfitted heads by name, those of the package first."""
    ours = {
        "nearest mean": NearestMeanClassifier(),
        "LDA": LDAClassifier(),
        "ridge": RLSClassifier(),
        "Gaussian classes": GaussianClassifier(),
        "ridge-rp": head_entries()["ridge-rp"].make(0),
        "lda-rp": head_entries()["lda-rp"].make(0),
    }
    published = {entry.name: entry.make(0) for entry in ENTRIES}
    variants = {
        "von-mises-fisher, each alone": VonMisesFisherClassifier(0.0),
        "anacp, the paper's targets": clone(published["anacp"]).set_params(targets="paper"),
    }
    return ours | published | variants


wanted, table, columns = sys.argv[1:], {}, []
for name, X, y, T, t in packs():
    for title, keep in ((f"{name}, {len(y):,} rows", slice(None)), (f"{name}, 10 a class", drawn(y, 10))):
        columns.append(title)
        print(f"\n{title}")
        for head_name, head in heads().items():
            if wanted and head_name not in wanted:
                continue
            start = time.perf_counter()
            try:
                right = 100 * np.mean(head.fit(X[keep], y[keep]).predict(T) == t)
            except ValueError as error:  # a head may refuse what these rows can't give it
                print(f"  {head_name:28} {error}")
                continue
            table.setdefault(head_name, {})[title] = right
            print(f"  {head_name:28} {right:5.2f}  {time.perf_counter() - start:6.1f} s", flush=True)

print(f"\n| head | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
for head_name, found in table.items():
    print(f"| {head_name} | {' | '.join(f'{found[c]:.1f}' if c in found else '-' for c in columns)} |")
