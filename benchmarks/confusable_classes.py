"""Claim: which classes are confused can be told from the state alone. Expected errors of pairs against test rows.

Of each pair of classes: the share of test rows of the two that were given the other's name (confusion), and that scored
lower for their own class than for the other (error of the pair). CLINC150 comes with the package; CIFAR-100 behind
MobileNetV2 is used where its pack is. Writes docs/classes.png.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix

from analytic_cl import GaussianClassifier, LDAClassifier, QuantizationWarning
from analytic_cl.datasets import load_clinc150
from analytic_cl.report import class_graph

DATA = Path(os.environ.get("ANALYTIC_CL_DATA", "../shared/data"))
PICTURE = Path(__file__).parents[1] / "docs" / "classes.png"

warnings.simplefilter("ignore", QuantizationWarning)


def sets():
    """Training rows and labels, test rows and labels, by name."""
    clinc = load_clinc150()
    yield "CLINC150", clinc.X_train, clinc.y_train, clinc.X_test, clinc.y_test, clinc.classes
    path = DATA / "cifar100_mnv2.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            X, y, T, t, names = (stored[key] for key in ("X_train", "y_train", "X_test", "y_test", "classes"))
        yield "CIFAR-100", X.astype(np.float32), y, T.astype(np.float32), t, names


def on_test_rows(head, T, t, k):
    """Confusion and error of every pair of classes, shape (k, k)."""
    confusion = confusion_matrix(t, head.predict(T), labels=range(k)).astype(float)
    confusion /= confusion.sum(axis=1, keepdims=True)
    scores = head.decision_function(T)
    own = scores[np.arange(len(t)), t][:, None]
    error = np.stack([(scores[t == c] > own[t == c]).mean(axis=0) for c in range(k)])
    return (confusion + confusion.T) / 2, (error + error.T) / 2


for name, X, y, T, t, names in sets():
    k = len(names)
    pairs = np.triu_indices(k, 1)
    print(f"\n{name}, {len(pairs[0]):,} pairs: correlation of expected errors with confusion, and with error;")
    print(
        "share of confusion in the hundredth of pairs expected most; mean error, expected / on test rows, of all pairs"
    )
    print("and of the 50 expected most; seconds to learn and expect")
    for title, head in (
        ("LDA", LDAClassifier()),
        ('LDA, temperature="folds"', LDAClassifier(temperature="folds", track="rows")),
        ("Gaussian classes", GaussianClassifier()),
    ):
        start = time.perf_counter()
        expected = np.exp(head.fit(X, y).log_pair_errors())[pairs]
        seconds = time.perf_counter() - start
        confusion, error = (found[pairs] for found in on_test_rows(head, T, t, k))
        most = np.argsort(-expected, kind="stable")
        first, share = most[:50], confusion[most[: len(most) // 100]].sum() / confusion.sum()
        print(
            f"  {title:26} {np.corrcoef(expected, confusion)[0, 1]:.2f}  {np.corrcoef(expected, error)[0, 1]:.2f}   "
            f"{share:.2f}   {expected.mean():.5f} / {error.mean():.5f}   "
            f"{expected[first].mean():.3f} / {error[first].mean():.3f}   {seconds:.1f} s",
            flush=True,
        )
    if name == "CLINC150":
        class_graph(LDAClassifier().fit(X, names[y]), PICTURE)
        named = LDAClassifier(temperature="folds", track="rows").fit(X, names[y])
        for first, second, error in named.confusable_pairs(10):
            print(f"    {error:.3f}  {first}, {second}")
