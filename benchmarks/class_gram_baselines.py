"""Claim: heads over a Gram matrix of every class, published ones and ours, side by side: accuracy on real features.

All rows of CLINC150 (MiniLM) and 20,000 of CIFAR-100 (MobileNetV2), and the same as long tails: as many rows of the
first class as there are, a fiftieth of that of the last. FeCAM with and without the square root that its paper takes of
features that are not negative; QDA and naive Bayes with the best of some strengths on the test rows themselves, which
flatters them. Seconds: to learn, solve and predict 3,000 rows.
"""

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from analytic_cl import GaussianClassifier, LDAClassifier, QuantizationWarning, RLSClassifier
from analytic_cl.baselines import AIRClassifier, FeCAMClassifier, NaiveBayesClassifier, QDAClassifier

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))
TEST = 3000

warnings.simplefilter("ignore", QuantizationWarning)


def pack(name, n):
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as arrays:
        X, y, T, t = (arrays[key] for key in ("X_train", "y_train", "X_test", "y_test"))
    random = np.random.default_rng(0)
    keep, tested = np.sort(random.permutation(len(X))[:n]), np.sort(random.permutation(len(T))[:TEST])
    return X[keep].astype(np.float32), y[keep], T[tested].astype(np.float32), t[tested]


def long_tail(y):
    """Places of fewer rows from class to class."""
    labels, counts = np.unique(y, return_counts=True)
    sizes = np.maximum(1, np.round(counts.max() * 0.02 ** (np.arange(len(labels)) / (len(labels) - 1)))).astype(int)
    return np.sort(np.concatenate([np.flatnonzero(y == c)[:n] for c, n in zip(labels, sizes, strict=True)]))


def heads():
    """Heads by title, of which the best counts, and whether they see the square roots of rows."""
    strengths = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    return {
        "LDAClassifier": ([LDAClassifier()], False),
        "GaussianClassifier": ([GaussianClassifier()], False),
        "FeCAM": ([FeCAMClassifier()], False),
        "FeCAM, gamma2=0": ([FeCAMClassifier(1.0, 0.0)], False),
        "FeCAM of square roots": ([FeCAMClassifier()], True),
        "QDA, best reg_param": ([QDAClassifier(s) for s in strengths], False),
        "naive Bayes, best var_smoothing": ([NaiveBayesClassifier(s) for s in (1e-9, 0.01, 0.1, 1.0)], False),
        "RLSClassifier": ([RLSClassifier()], False),
        "RLSClassifier, balance=1": ([RLSClassifier(balance=1.0)], False),
        "AIR": ([AIRClassifier()], False),
        "AIR, alpha=10": ([AIRClassifier(10.0)], False),
    }


wanted = sys.argv[1:]
for name, title, n in (("clinc150_minilm", "CLINC150", 10**6), ("cifar100_mnv2", "CIFAR-100", 20_000)):
    if not (DATA / f"{name}.npz").exists():
        continue
    X, y, T, t = pack(name, n)
    for setting, keep in (("all", np.arange(len(y))), ("long tail", long_tail(y))):
        print(f"\n{title}, {setting}: {len(keep)} rows x {X.shape[1]}", flush=True)
        for what, (some, root) in heads().items():
            if (root and (X < 0).any()) or (wanted and not any(word in what for word in wanted)):
                continue
            A, B = (np.sqrt(X), np.sqrt(T)) if root else (X, T)
            found = []
            start = time.perf_counter()
            for head in some:
                right = head.fit(A[keep], y[keep]).predict(B) == t
                found.append((right.mean(), np.mean([right[t == c].mean() for c in np.unique(t)]), repr(head)))
                del head
            seconds = (time.perf_counter() - start) / len(some)
            best = max(found)
            note = f"   {best[2]}" if len(some) > 1 else ""
            print(f"  {what:32} {best[0]:.4f}  balanced {best[1]:.4f}  {seconds:6.1f} s{note}", flush=True)
