"""Claim: AutoClassifier, without a parameter, is about as accurate as the best single head, and more so than tuned
logistic regression. Accuracy on test rows of real packs, with all classes in equal numbers there, and on small sets by
cross-validation.

CLINC150 comes with the package; CIFAR-100 behind MobileNetV2 and MNIST pixels are used where their packs are. Logistic
regression is scikit-learn's on unit rows, its C the best of five on a fifth of the training rows; LOGISTIC=0 leaves it
out. CELLS="CLINC150, 10" runs the cells whose name begins so.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score, train_test_split
from sklearn.preprocessing import normalize

from analytic_cl import (
    AutoClassifier,
    GaussianClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    QuantizationWarning,
    RandomProjection,
    RLSClassifier,
)
from analytic_cl.datasets import load_clinc150
from analytic_cl.metrics import expected_calibration_error

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))
SINGLE = {
    "nearest mean": NearestMeanClassifier,
    "LDA": LDAClassifier,
    "Gaussian": GaussianClassifier,
    "ridge": RLSClassifier,
    "ridge, balance=1": lambda: RLSClassifier(balance=1.0),
    "LDA, 5,000 features": lambda: LDAClassifier(projection=RandomProjection(5000)),
    "ridge, 5,000 features": lambda: RLSClassifier(projection=RandomProjection(5000)),
}

warnings.simplefilter("ignore", QuantizationWarning)


def packs():
    clinc = load_clinc150()
    yield "CLINC150", clinc.X_train, clinc.y_train, clinc.X_test, clinc.y_test
    for title, name in (("CIFAR-100", "cifar100_mnv2"), ("MNIST", "mnist_pixels")):
        if (DATA / f"{name}.npz").exists():
            with np.load(DATA / f"{name}.npz", allow_pickle=False) as arrays:
                X, y, T, t = (arrays[key] for key in ("X_train", "y_train", "X_test", "y_test"))
            yield title, X.astype(np.float32), y, T.astype(np.float32), t


def cells(y):
    """Rows of each class by the name of the cell; of the large packs 20,000 in all."""
    k = len(np.unique(y))
    return {
        "all, up to 20,000": np.full(k, 20_000 // k),
        "10 a class": np.full(k, 10),
        "100 down to 2": np.round(100 * 0.02 ** (np.arange(k) / (k - 1))).astype(int),
    }


def chosen(y, sizes):
    random = np.random.default_rng(0)
    parts = [random.permutation(np.flatnonzero(y == c))[:n] for c, n in zip(np.unique(y), sizes, strict=True)]
    return np.sort(np.concatenate(parts))


def logistic(X, y, T, t):
    """Accuracy on test rows with the C that is best on a fifth of the training rows."""
    X, T = normalize(X), normalize(T)
    some = np.bincount(np.unique(y, return_inverse=True)[1]).min() > 1
    A, B, a, b = train_test_split(X, y, test_size=0.2, random_state=0, stratify=y if some and len(y) > 1500 else None)
    found = max((1.0, 10.0, 100.0, 1000.0), key=lambda C: LogisticRegression(C=C, max_iter=300).fit(A, a).score(B, b))
    return LogisticRegression(C=found, max_iter=300).fit(X, y).score(T, t)


warnings.filterwarnings("ignore", message="lbfgs failed to converge")
warnings.filterwarnings("ignore", message=".*number of unique classes.*")
wanted = os.environ.get("CELLS", "")
print("| cell | AutoClassifier | calibration error | solve, s | best single head | logistic regression |")
print("|---|---|---|---|---|---|")
for pack, X, y, T, t in packs():
    for cell, sizes in cells(y).items():
        name = f"{pack}, {cell}"
        if not name.startswith(wanted):
            continue
        keep = chosen(y, sizes)
        auto = AutoClassifier().fit(X[keep], y[keep])
        start = time.perf_counter()
        auto.prepare()
        seconds = time.perf_counter() - start
        proba = auto.predict_proba(T)
        accuracy = (auto.classes_[proba.argmax(axis=1)] == t).mean()
        error = expected_calibration_error(t, proba, auto.classes_)
        best, which = max((make().fit(X[keep], y[keep]).score(T, t), title) for title, make in SINGLE.items())
        peer = logistic(X[keep], y[keep], T, t) if os.environ.get("LOGISTIC", "1") != "0" else np.nan
        mixture = "; ".join(f"{c.name} ({c.share:.2f})" for c in auto.choices_ if c.share)
        print(
            f"| {name} | {accuracy:.4f} | {error:.3f} | {seconds:.0f} | {best:.4f} {which} | {peer:.4f} |", flush=True
        )
        print(f"    {mixture}", flush=True)

print("\n| small set, 3 x 5 folds | AutoClassifier | Gaussian | LDA |\n|---|---|---|---|")
for load in (load_iris, load_wine, load_breast_cancer, load_digits):
    X, y = load(return_X_y=True)
    split = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
    got = [
        cross_val_score(head, X, y, cv=split).mean()
        for head in (AutoClassifier(), GaussianClassifier(), LDAClassifier())
    ]
    print(f"| {load.__name__[5:]} | " + " | ".join(f"{value:.4f}" for value in got) + " |", flush=True)
