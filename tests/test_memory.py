"""What a solve takes: one float64 square beside the state's int32 triangle, with a float32 one where it is refined."""

import gc
import tracemalloc

import numpy as np
import pytest
from common import head_name, ignore_quantization
from sklearn.base import clone

from analytic_cl import LDAClassifier, RLSClassifier

D, N = 2500, 400
SQUARE = 8 * D * D


@ignore_quantization
@pytest.mark.parametrize(
    ("head", "squares"),
    [
        (LDAClassifier(), 1.5),
        (LDAClassifier(shrinkage=0.1), 1.5),
        (RLSClassifier(), 1.75),  # a float32 square more, which is refined
        (RLSClassifier(alpha=1.0), 1.75),
        (RLSClassifier(alpha="gcv"), 1.5),
        (RLSClassifier(alpha=1.0, solver="recursive"), 1.5),
    ],
    ids=lambda value: head_name(value) if hasattr(value, "fit") else str(value),
)
def test_a_solve_takes_one_square(head, squares):
    random = np.random.RandomState(0)
    X, y = random.normal(size=(N, D)).astype(np.float32), np.arange(N) % 5
    head.fit(X[:100, :300], y[:100]).decision_function(X[:1, :300])  # compiles, imports
    head = clone(head)
    gc.collect()
    tracemalloc.start()
    try:
        head.fit(X, y)
        learned, peak_of_learning = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        head._prepared()
        peak_of_solving = tracemalloc.get_traced_memory()[1] - learned
    finally:
        tracemalloc.stop()

    assert SQUARE / 4 < learned < 0.35 * SQUARE
    assert peak_of_learning < 0.95 * SQUARE
    assert peak_of_solving < squares * SQUARE
