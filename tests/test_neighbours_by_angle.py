"""Behind unit rows neighbours are those of the largest cosine of the integer rows, exactly, whatever searches."""

from fractions import Fraction

import numpy as np
import pytest
from common import blobs, ignore_quantization

from analytic_cl import FixedPoint, NearestNeighborsClassifier, RandomProjection, use_backend
from analytic_cl._config import BACKENDS
from analytic_cl.memory import rank_by_angle
from analytic_cl.memory.scan import unit_distances

QUANTIZERS = ["embedding", FixedPoint(16, norm="l2"), FixedPoint(32, norm="l2"), FixedPoint(8, norm="l2", scale=3)]
INDEXES = ["auto", "flat", "ivf"]


def cosine(query, row):
    """sign(cos) cos^2 |query|^2, as a fraction."""
    dot, square = (sum(a * b for a, b in zip(x, row, strict=True)) for x in (query, row))
    return Fraction(dot * abs(dot), square) if square else Fraction(0)


def oracle(head, X, k):
    """Positions of the nearest rows in Python's integers, by cosine, bytes of the row and label."""
    rows, places = head.state_.table.payload, head.state_.class_places()
    return [
        sorted(range(len(rows)), key=lambda i: (-cosine(query, rows[i].tolist()), rows[i].tobytes(), places[i]))[:k]
        for query in head.quantizer_.quantise(np.asarray(X)).tolist()
    ]


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=str)
@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("backend", BACKENDS)
@ignore_quantization
def test_neighbours_are_those_of_exact_cosines(quantizer, index, backend):
    if index != "auto":
        pytest.importorskip("faiss", reason="needs the extra 'faiss'")
    random = np.random.default_rng(0)
    sparse = random.normal(size=(90, 12)) * (random.random((90, 12)) < 0.3)  # values clip, some rows are 0
    X = np.vstack([sparse, blobs(60, 12)[0], sparse[:10], 3 * sparse[10:20]])
    head = NearestNeighborsClassifier(quantizer=quantizer, index=index).fit(
        X, np.arange(170) % 3, sample_id=np.arange(170)
    )
    queries = np.vstack([X[::9], X[::9] + 0.1 * random.normal(size=X[::9].shape), np.zeros((1, 12))])
    with use_backend(backend):
        found, positions = head.neighbors(queries, k=7), head.voters(queries)[0][:, :7]
        everything = head.voters(queries[:3])[0]
    expected = oracle(head, queries, 7)
    rows, labels = head.state_.table.payload, head.state_.class_places()

    assert all(
        [(rows[i].tobytes(), labels[i]) for i in mine] == [(rows[i].tobytes(), labels[i]) for i in true]
        for mine, true in zip(positions, expected, strict=True)
    )
    np.testing.assert_array_equal(found.labels, head.classes_[labels[np.array(expected)]])
    q = head.quantizer_.quantise(queries).astype(float)
    lengths = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(rows.astype(float), axis=1)[np.array(expected)]
    dots = np.einsum("ij,ikj->ik", q, rows[np.array(expected)].astype(float))
    cosines = np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
    np.testing.assert_allclose(found.distances, np.sqrt(np.maximum(2 - 2 * cosines, 0)), atol=1e-7)
    assert everything.shape == (3, 20)


@ignore_quantization
def test_every_search_gives_the_same_bits():
    random = np.random.default_rng(1)
    X = random.normal(size=(700, 300)) * (random.random((700, 300)) < 0.02)
    y = np.arange(700) % 4
    scores = []
    for index in ("auto", "flat", "ivf"):
        head = NearestNeighborsClassifier(5, index=index).fit(X, y)
        for backend in BACKENDS:
            with use_backend(backend):
                scores.append(head.rebuild() or head.decision_function(X[:60]))

    for each in scores[1:]:
        np.testing.assert_array_equal(each, scores[0])


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_kernel_ranks_as_its_twin_where_floats_cannot_decide(dtype):
    random = np.random.default_rng(0)
    top = {1: 127, 2: 32_639, 4: 0x7F7F7F7F}[np.dtype(dtype).itemsize]
    base = random.integers(-top // 3, top // 3, size=(12, 5))
    rows = np.vstack([base, 2 * base, 3 * base, -base, base * 0, base + (np.arange(5) == 4)]).astype(dtype)
    queries = np.vstack([base[:4], [[0] * 5], [[top] * 5], [[-top] * 5]]).astype(dtype)
    numbers, candidates = random.integers(0, 3, 72), np.stack([random.permutation(72) for _ in queries])
    places = np.array([1, 2, 0])
    candidates[:, 65:] = -1
    fast = rank_by_angle(queries, rows, numbers, places, candidates, 30)
    with use_backend("numpy"):
        slow = rank_by_angle(queries, rows, numbers, places, candidates, 30)

    np.testing.assert_array_equal(fast.distances, slow.distances)
    for mine, other in zip(fast.positions, slow.positions, strict=True):
        assert [(rows[i].tobytes(), numbers[i]) for i in mine] == [(rows[i].tobytes(), numbers[i]) for i in other]


@pytest.mark.parametrize("top", [100, 30_000, 2_000_000_000])
def test_angles_by_blas_are_within_their_bound(top):
    random = np.random.default_rng(0)
    rows, queries = (random.integers(-top, top, size=(n, 9)).astype(np.int32) for n in (50, 20))
    queries[0] = 0
    distances, bound = unit_distances(queries, rows)
    exact = [
        [
            float(abs(c / (sum(a * a for a in q) or 1))) ** 0.5 * (1 if c > 0 else -1)
            for c in (cosine(q, r) for r in rows.tolist())
        ]
        for q in queries.tolist()
    ]

    assert np.abs(distances - (2 - 2 * np.array(exact))).max() <= bound


def test_a_clipped_row_is_compared_at_its_own_length():
    """One word of four that is shared is nearer than none, though the row of one word was clipped to a short one."""
    X = np.zeros((2, 300))
    X[0, :4] = X[1, 99] = 1
    head = NearestNeighborsClassifier(1).fit(X, ["shares the word", "nothing in common"])
    with use_backend("blas"):
        slow = head.neighbors(np.eye(1, 300), k=2)
    found = head.neighbors(np.eye(1, 300), k=2)

    for each in (found, slow):
        assert each.labels.tolist() == [["shares the word", "nothing in common"]]
        np.testing.assert_allclose(each.distances, [[1.0, 2**0.5]], rtol=1e-12)


@pytest.mark.parametrize("quantizer", ["embedding", FixedPoint(16, norm="l2")], ids=str)
@ignore_quantization
def test_an_empty_row_is_like_nothing(quantizer):
    X = np.zeros((3, 300))
    X[1, :4] = X[2, 4:8] = 1
    query = np.zeros((2, 300))
    query[0, [0, 100, 101, 102, 103, 104]] = 1
    head = NearestNeighborsClassifier(1, quantizer=quantizer).fit(X, ["empty", "a", "b"])

    assert head.predict(query[:1]).tolist() == ["a"]
    np.testing.assert_allclose(head.neighbors(query, k=3).distances[:, 2], [2**0.5] * 2)
    np.testing.assert_allclose(head.neighbors(query[1:], k=3).distances, [[2**0.5] * 3])


@ignore_quantization
def test_many_empty_rows_hide_no_neighbour():
    X = np.vstack([np.zeros((200, 300)), np.eye(300)])
    y = np.array(["empty"] * 200 + ["word"] * 300)
    query = np.eye(300)[:5] + 0.2 * np.eye(300)[5:10]
    for index in INDEXES:
        head = NearestNeighborsClassifier(2, index=index).fit(X, y, sample_id=range(500))

        assert head.neighbors(query).ids.tolist() == [[200 + i, 205 + i] for i in range(5)]


def test_projected_rows_are_compared_by_angle_too():
    X, y = blobs(80, 20, 4)
    head = NearestNeighborsClassifier(projection=RandomProjection(64)).fit(X, y)

    assert head.voters(X[:10])[0].tolist() == [[int(i) for i in line] for line in oracle(head, X[:10], 20)]
    assert head.neighbors(X).distances.max() <= 2
