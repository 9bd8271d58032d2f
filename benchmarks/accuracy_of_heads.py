"""Claim: heads in closed form, from one integer state, are accurate where classes are small too, and know when not to
answer. Accuracy, new and tail classes, calibration and novelty on real features, defaults unless a name says otherwise.

CLINC150 comes with the package; rows of no class, and CIFAR-100 behind MobileNetV2, are used where their packs are.
SEEDS=3 draws smaller sets of rows three times, and prints means. Seconds: to learn, solve and predict.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from analytic_cl import GaussianClassifier, LDAClassifier, NearestMeanClassifier, QuantizationWarning, RLSClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.metrics import expected_calibration_error

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))

warnings.simplefilter("ignore", QuantizationWarning)


def pack(name):
    """Training rows and labels, test rows and labels, and rows of no class, or None where there is no such file."""
    if not (DATA / f"{name}.npz").exists():
        return None
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as arrays:
        X, y, T, t = (arrays[key] for key in ("X_train", "y_train", "X_test", "y_test"))
        outside = arrays["X_oos_test"].astype(np.float32) if "X_oos_test" in arrays.files else None
        return X.astype(np.float32), y, T.astype(np.float32), t, outside


def packaged():
    clinc = load_clinc150()
    return clinc.X_train, clinc.y_train, clinc.X_test, clinc.y_test, None


def chosen(y, sizes, seed):
    """Places of `sizes[c]` rows of each class, at random."""
    random = np.random.default_rng(seed)
    return np.sort(
        np.concatenate(
            [random.permutation(np.flatnonzero(y == c))[:n] for c, n in zip(np.unique(y), sizes, strict=True)]
        )
    )


def settings(k, most):
    """Sizes of classes by name, and which classes are looked at apart."""
    tail = np.round(100 * 0.02 ** (np.arange(k) / (k - 1))).astype(int)
    base = 2 * k // 3 if k == 150 else 60
    new = np.where(np.arange(k) < base, most, 5)
    return {
        "all rows": (np.full(k, 10**6), None),
        "10 rows a class": (np.full(k, 10), None),
        "100 rows a class down to 2; apart: the smallest third": (tail, np.arange(k) >= 2 * k // 3),
        f"{base} classes of {most} rows, {k - base} of 5; apart: these": (new, np.arange(k) >= base),
    }


def heads():
    return {
        "nearest mean": NearestMeanClassifier(),
        'LDA, means="plain"': LDAClassifier(means="plain"),
        "LDA": LDAClassifier(),
        "LDA, equal priors": LDAClassifier(),
        'LDA, shrinkage="folds"': LDAClassifier("folds", track="rows"),
        "ridge": RLSClassifier(),
        "ridge, balance=1": RLSClassifier(balance=1.0),
    }


seeds = int(os.environ.get("SEEDS", "1"))
for name, rows, most in (
    ("CLINC150", pack("clinc150_minilm") or packaged(), 100),
    ("CIFAR-100", pack("cifar100_mnv2"), 500),
):
    if rows is None:
        continue
    X, y, T, t, outside = rows
    for setting, (sizes, apart) in settings(len(np.unique(y)), most).items():
        print(f"\n{name}, {setting}")
        for title, head in heads().items():
            if "folds" in title and setting == "all rows":
                continue
            got = []
            for seed in range(1 if setting == "all rows" else seeds):
                keep = chosen(y, sizes, seed)
                if "equal" in title:
                    head.set_params(priors=np.full(len(sizes), 1 / len(sizes)))
                start = time.perf_counter()
                predicted = head.fit(X[keep], y[keep]).predict(T)
                seconds = time.perf_counter() - start
                right = predicted == t
                part = right[apart[np.searchsorted(np.unique(y), t)]].mean() if apart is not None else np.nan
                got.append((right.mean(), part, seconds))
            mean = np.mean(got, axis=0)
            print(f"  {title:26} {mean[0]:.4f}  {mean[1]:.4f}  {mean[2]:6.1f} s", flush=True)
    print(
        f"\n{name}, 10 rows a class and all: calibration error and log-loss as they are, and with temperature='folds'"
    )
    for setting, sizes in (("10 rows a class", 10), ("all rows", 10**6)):
        keep = chosen(y, np.full(len(np.unique(y)), sizes), 0)
        for title, head in (
            ("LDA", LDAClassifier(track="rows")),
            ("Gaussian classes", GaussianClassifier(track="rows")),
            ("ridge", RLSClassifier(track="rows")),
        ):
            head.fit(X[keep], y[keep])
            line = f"  {setting:16} {title:16}"
            for temperature in (1.0, "folds"):
                proba = head.set_params(temperature=temperature).predict_proba(T)
                error = expected_calibration_error(t, proba, head.classes_)
                line += f"  {error:.4f} {log_loss(t, proba, labels=head.classes_):.3f}"
            print(line, flush=True)
    if outside is not None:
        print(f"\n{name}, all rows: area under the ROC curve, rows of its classes against rows of none")
        known = np.r_[np.ones(len(T)), np.zeros(len(outside))]
        for title, head in (
            ("nearest mean", NearestMeanClassifier()),
            ("LDA", LDAClassifier()),
            ("Gaussian classes", GaussianClassifier()),
            ("ridge", RLSClassifier()),
        ):
            head.fit(X, y)
            area = roc_auc_score(known, np.r_[head.score_samples(T), head.score_samples(outside)])
            print(f"  {title:26} {area:.4f}", flush=True)
