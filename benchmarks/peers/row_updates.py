"""Claim: one row learned, and weights current after it, costs less than with other libraries that learn row by row.

768 features, 100 classes, after 5,000 rows. An update learns one new row and scores one other row, so that nothing is
put off. Peers get rows in their own format (tensors, dictionaries) and of unit length for nothing; our quantizer takes
its time for the latter. river's regression is the same model as ours at alpha=1, without an intercept. StreamingLDA is
the model of LDAClassifier with a fixed shrinkage and, in float32, a covariance that depends on the order of rows. One
thread for all: threads wait for each other within an update, which a busy machine makes a hundred times slower.
"""

import os
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["ANALYTIC_CL_NUM_THREADS"] = "1"
import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from _common import store

from analytic_cl import LDAClassifier, QuantizationWarning, RLSClassifier

D, CLASSES, WARM, FRESH, HELD = 768, 100, 5000, 1500, 2000

random = np.random.default_rng(0)
y = random.integers(0, CLASSES, WARM + FRESH + HELD)
means = 0.25 * random.standard_normal((CLASSES, D), dtype=np.float32)
X = np.maximum(random.standard_normal((len(y), D), dtype=np.float32) + means[y], 0)
unit = X / np.linalg.norm(X, axis=1, keepdims=True)
held = slice(WARM + FRESH, None)


def ours(head):
    """Timed: the quantisation of both rows, the state, the weights, the scores."""
    head.partial_fit(X[:WARM], y[:WARM])

    def update(i):
        head.partial_fit(X[i : i + 1], y[i : i + 1])
        head.decision_function(X[-1:])

    return update, head.score(X[held], y[held])


def streaming_lda():
    """Timed: `fit`, the mean and the covariance; then `predict`, which takes torch.pinverse of the shrunk covariance
    if a row came since the last time, then multiplies it with the class means and the row. No strategy loop, data
    loader or feature extractor.
    """
    import torch

    try:
        import torchvision
    except RuntimeError:  # built for CUDA, but torch is not: declare the operators that it misses; nothing calls them
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401
    from avalanche.training.supervised import StreamingLDA

    loss = torch.nn.CrossEntropyLoss()
    model = StreamingLDA(slda_model=torch.nn.Identity(), criterion=loss, input_size=D, num_classes=CLASSES)
    rows, labels = torch.from_numpy(unit), torch.from_numpy(y)
    for i in range(WARM):
        model.fit(rows[i : i + 1], labels[i : i + 1])

    def update(i):
        model.fit(rows[i : i + 1], labels[i : i + 1])
        model.predict(rows[-1:])

    return update, (model.predict(rows[held]).argmax(1) == labels[held]).float().mean().item()


def bayesian_regression(outputs):
    """Timed: `learn_one`, two rank-1 updates of d x d for every output, since each has an inverse of its own; then
    `predict_one`, which makes the weights from the inverse. (OneVsRestClassifier would not take a regression.)
    """
    import pandas as pd
    from river.linear_model import BayesianLinearRegression
    from river.multioutput import PerOutputRegressor

    model = PerOutputRegressor(BayesianLinearRegression(alpha=1, beta=1))
    frame = pd.DataFrame(unit, columns=[str(j) for j in range(D)]).astype(float)
    for k in range(outputs):
        model[k].learn_many(frame[:WARM], pd.Series(np.where(y[:WARM] == k, 1.0, -1.0)))
    rows = frame[WARM : WARM + FRESH].to_dict("records")
    targets = [{k: 1.0 if label == k else -1.0 for k in range(outputs)} for label in y[WARM : WARM + FRESH]]

    def update(i):
        model.learn_one(rows[i - WARM], targets[i - WARM])
        model.predict_one(rows[-1])

    scores = np.stack([model[k].predict_many(frame[held]) for k in range(outputs)], axis=1)
    return update, (scores.argmax(axis=1) == y[held]).mean().item() if outputs == CLASSES else None


warnings.simplefilter("ignore", QuantizationWarning)  # 0.7 % of these values clip, at no cost in accuracy
warnings.filterwarnings("ignore", "no QP solver")  # avalanche, on import
recursive = RLSClassifier(solver="recursive", alpha=1.0, quantizer="embedding", track="none")
contestants = {  # with the updates of a lap: 240 take in the check after 1,024 rows
    "RLSClassifier, recursive": (240, *ours(recursive)),
    "LDAClassifier": (20, *ours(LDAClassifier(quantizer="embedding", track="none"))),
    f"StreamingLDA of avalanche-lib {version('avalanche-lib')}": (4, *streaming_lda()),
    f"BayesianLinearRegression of river {version('river')}": (2, *bayesian_regression(CLASSES)),
    "the same, 1 output instead of 100": (60, *bayesian_regression(1)),
}
seconds = {name: [] for name in contestants}
for lap in range(1 + 5):
    for name, (count, update, _) in contestants.items():
        for i in range(count if lap else 1):  # the first lap compiles and is not counted
            start = time.perf_counter()
            update(WARM + lap * count + i)
            seconds[name] += [time.perf_counter() - start] if lap else []
accuracies = {name: round(accuracy, 4) for name, (_, _, accuracy) in contestants.items() if accuracy is not None}
store(
    f"other libraries: one row learned, weights current, {D} features, {CLASSES} classes, one thread",
    seconds,
    f"After {WARM:,} generated rows; torch {version('torch')}. Accuracies before the updates: {accuracies}.",
)
print("accuracies:", accuracies)
