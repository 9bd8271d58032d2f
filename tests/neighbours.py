"""What tests of nearest neighbours share: all ways to search, and the answer in Python's integers."""

import numpy as np
import pytest

faiss = pytest.importorskip("faiss", reason="needs the extra 'faiss'")

HAS_GPU = hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0
needs_gpu = pytest.mark.skipif(not HAS_GPU, reason="needs a GPU, and faiss-gpu")

SEARCHES = [
    dict(index="auto"),
    dict(index="flat"),
    dict(index="ivf"),
    pytest.param(dict(index="flat", device="cuda"), marks=needs_gpu),
    pytest.param(dict(index="ivf", device="cuda"), marks=needs_gpu),
]


def oracle(head, X, k, ids):
    """Positions of the nearest rows in Python's integers, by distance, bytes of the row, label and id."""
    queries, rows = head.quantizer_.quantise(np.asarray(X)), head.state_.table.payload
    labels = head.classes_[head.state_.class_places()]
    out = []
    for query in queries.tolist():
        distance = [sum((a - b) ** 2 for a, b in zip(query, row.tolist(), strict=True)) for row in rows]
        out.append(sorted(range(len(rows)), key=lambda i: (distance[i], rows[i].tobytes(), labels[i], ids[i]))[:k])
    return np.array(out)


def behind(head, X):
    """Rows behind the quantizer, as neighbours compare them."""
    rows = head.quantizer_.quantise(np.asarray(X)).astype(float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) if head.state_.by_angle else rows
