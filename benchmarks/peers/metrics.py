"""Claim: metrics and scenarios say what those of avalanche-lib and continuum say, except where these leave terms out.

A stream of 20 sessions, 1,000 test rows each, whose accuracies fall at random. avalanche-lib's metrics take one number
at a time; continuum's take all predictions, and pick rows again for each pair of sessions. Values are printed side by
side, and the script fails where they differ without a reason; nothing is stored.
"""

import contextlib
import sys
import time
from importlib.metadata import version

import numpy as np
import torch

try:
    import torchvision
except RuntimeError:  # built for CUDA, but torch is not: declare the operators that it misses; nothing calls them
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision  # noqa: F401
from avalanche.evaluation.metrics.class_accuracy import ClassAccuracy
from avalanche.evaluation.metrics.forgetting_bwt import BWT, Forgetting
from avalanche.evaluation.metrics.forward_transfer import ForwardTransfer
from continuum import ClassIncremental
from continuum.datasets import InMemoryDataset
from continuum.metrics import metrics as continuum

from analytic_cl import metrics
from analytic_cl.scenarios import class_incremental

SESSIONS, ROWS = 20, 1000
random = np.random.default_rng(0)
chance = np.clip(0.9 - 0.03 * np.subtract.outer(np.arange(SESSIONS), np.arange(SESSIONS)), 0.05, 0.95)
right = random.random((SESSIONS, SESSIONS, ROWS)) < chance[:, :, None]  # after session i, row of session j
R = right.mean(axis=2)
untrained = np.full(SESSIONS, 0.05)
truth = np.zeros((SESSIONS, ROWS), dtype=int)
failures = 0


def compare(name, ours, theirs, why=""):
    """Print both; without a reason for a difference they must agree."""
    global failures  # noqa: PLW0603
    same = np.allclose(ours, theirs, atol=1e-6)
    failures += not same and not why
    print(f"  {name:44s} {np.mean(ours):9.6f} {np.mean(theirs):9.6f}  {'equal' if same else why or 'DIFFERENT'}")


def avalanche(kind):
    """Mean over sessions of what the metric keeps for each."""
    found = kind()
    for j in range(SESSIONS):
        if kind is ForwardTransfer:
            found.update(j, untrained[j], initial=True)
            if j:
                found.update(j, R[j - 1, j])
        else:
            found.update(j, R[j, j], initial=True)
            if j < SESSIONS - 1:
                found.update(j, R[-1, j])
    return np.mean(list(found.result().values()))


print(f"{'':46s}      ours     theirs")
print(f"avalanche-lib {version('avalanche-lib')}")
compare("forgetting, since it was learned", metrics.forgetting(R, "first"), avalanche(Forgetting))
compare("backward transfer", metrics.backward_transfer(R), avalanche(BWT))
compare("forward transfer", metrics.forward_transfer(R, untrained), avalanche(ForwardTransfer))
y = random.integers(0, 50, 5000)
guess = np.where(random.random(5000) < 0.7, y, random.integers(0, 50, 5000))
by_class = ClassAccuracy()
by_class.update(torch.tensor(guess), torch.tensor(y), 0)
theirs = by_class.result()[0]
compare("accuracy of each class", metrics.class_accuracy(y, guess), [theirs[k] for k in sorted(theirs)])

print(f"continuum {version('continuum')}")
predictions = [(~right[i]).astype(int).ravel() for i in range(SESSIONS)]
targets, tasks = [truth.ravel()] * SESSIONS, [np.repeat(np.arange(SESSIONS), ROWS)] * SESSIONS
given = (predictions, targets, tasks)
compare("last accuracy", metrics.last_accuracy(R), continuum.accuracy(predictions[-1], targets[-1]))
lower = R[np.tril_indices(SESSIONS)]
compare("mean of the lower triangle", lower.mean(), continuum.accuracy_A(*given))
compare(
    "forgetting, since the best",
    metrics.forgetting(R),
    continuum.forgetting(*given),
    f"leaves out the last earlier session and the last reference, divides by {SESSIONS - 1}",
)
compare(
    "backward transfer, all pairs",
    metrics.backward_transfer(R, "all"),
    continuum.backward_transfer(*given),
    f"leaves out the {SESSIONS - 1} pairs (i, i - 1), divides by all",
)
compare(
    "forward transfer",
    metrics.forward_transfer(R, 0.0),
    continuum.forward_transfer(*given),
    "takes what lies below the diagonal",
)
best = np.where(np.tri(SESSIONS, dtype=bool), R, -1)[: SESSIONS - 2].max(axis=0)
terms = (best - R[-1])[: SESSIONS - 2]
compare("their forgetting, made again from R", terms.sum() / (SESSIONS - 1), continuum.forgetting(*given))
change = np.tril(R - np.diag(R), -2).sum() / (SESSIONS * (SESSIONS - 1) / 2)
compare("their backward transfer, made again from R", change, continuum.backward_transfer(*given))

print("scenarios")
labels = random.integers(0, 100, 50_000)
sessions = class_incremental(labels, 10, seed=1)
order = np.concatenate([session.new_classes for session in sessions])
rows = np.arange(len(labels), dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 1, 3), np.float32)
stream = ClassIncremental(InMemoryDataset(rows, labels), nb_tasks=10, class_order=order.tolist())
same = [
    np.array_equal(task._x[:, 0, 0, 0].astype(int), ours.train) for task, ours in zip(stream, sessions, strict=True)
]
failures += not all(same)
print(f"  continuum's ClassIncremental, the same order of classes: {sum(same)} of {len(same)} sessions have equal rows")

print("times, best of 5")
for name, call in {
    "forgetting, ours, with R from predictions": lambda: metrics.forgetting(right.mean(axis=2)),
    "forgetting, continuum": lambda: continuum.forgetting(*given),
    "class-incremental sessions, ours": lambda: [s.train for s in class_incremental(labels, 10)],
    "class-incremental sessions, continuum": lambda: [
        task._x for task in ClassIncremental(InMemoryDataset(rows, labels), nb_tasks=10)
    ],
}.items():
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    print(f"  {name:44s} {1000 * min(seconds):9.2f} ms")
sys.exit(f"{failures} comparisons failed" if failures else 0)
