"""Searches, indices and their kernels: all give the true neighbours, and follow every change."""

import json
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from common import blobs, ignore_quantization
from hypothesis import given, settings
from hypothesis import strategies as st
from neighbours import HAS_GPU, SEARCHES, needs_gpu

from analytic_cl import FixedPoint, NearestNeighborsClassifier, use_backend
from analytic_cl._config import native
from analytic_cl.memory import FaissIndex, Scan, nearest, rank
from analytic_cl.memory.learned_rows import in_byte_order
from analytic_cl.memory.scan import squared_distances

STEPS = ["learn", "forget", "class", "merge", "rectify", "ask"]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["flat", "ivf", "auto"]),
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 10**6))),
)
def test_an_index_that_follows_any_sequence_answers_as_a_fresh_one(index, steps):
    X = np.random.RandomState(0).randint(-9, 9, size=(80, 4)).astype(np.int8)
    y = np.arange(80) % 4
    held = list(range(40))
    head = NearestNeighborsClassifier(3, index=index, quantizer="integers").fit(X[held], y[held], sample_id=held)
    for step, number in steps:
        random = np.random.RandomState(number)
        out = [i for i in range(80) if i not in held]
        some = random.permutation(held)[: 1 + number % 20].tolist()
        if step == "ask":
            head.predict(X[:3])
        elif step in ("learn", "merge") and out:
            new = random.permutation(out)[: 1 + number % 20].tolist()
            if step == "learn":
                head.partial_fit(X[new], y[new], sample_id=new)
            else:
                head.merge(NearestNeighborsClassifier(quantizer="integers").fit(X[new], y[new], sample_id=new))
            held += new
        elif step == "rectify":
            head.rectify(X[some], y[some], sample_id=some)
        elif step == "forget" and len(some) < len(held):
            head.forget(sample_id=some)
            held = [i for i in held if i not in some]
        elif step == "class" and {y[i] for i in held} > {y[some[0]]}:
            head.forget_class(int(y[some[0]]))
            held = [i for i in held if y[i] != y[some[0]]]
    fresh = NearestNeighborsClassifier(3, index=index, quantizer="integers").fit(X[held], y[held], sample_id=held)

    assert head.state_digest() == fresh.state_digest()
    for mine, other in zip(head.neighbors(X, k=6), fresh.neighbors(X, k=6), strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("width", [1, 3, 40])
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_kernel_ranks_as_its_twin(dtype, width):
    random = np.random.RandomState(0)
    top = {1: 127, 2: 32_639, 4: 0x7F7F7F7F}[np.dtype(dtype).itemsize]
    rows = random.choice([-top, -1, 0, 1, top], size=(60, width)).astype(dtype)
    numbers, candidates = random.randint(0, 3, size=60), np.stack([random.permutation(60) for _ in range(9)])
    places = np.array([1, 2, 0])
    candidates[:, 50:] = -1
    fast = rank(rows[:9], rows, numbers, places, candidates, 20)
    with use_backend("numpy"):
        slow = rank(rows[:9], rows, numbers, places, candidates, 20)

    for name in ("high", "low"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name))
    for mine, other in zip(fast.positions, slow.positions, strict=True):
        assert [(rows[i].tobytes(), numbers[i]) for i in mine] == [(rows[i].tobytes(), numbers[i]) for i in other]
    if top > 2**20 and width > 1:
        assert fast.high.max() >= 2**31, "no distance here overflows 64 bits"


@pytest.mark.parametrize("scale", [100, 10_000, 2_000_000_000])
def test_distances_by_blas_are_within_their_bound(scale):
    random = np.random.RandomState(0)
    rows, queries = (random.randint(-scale, scale, size=(n, 7)).astype(np.int32) for n in (50, 20))
    distances, bound = squared_distances(queries, rows)
    exact = np.array(
        [[sum((int(a) - int(b)) ** 2 for a, b in zip(q, r, strict=True)) for r in rows] for q in queries], dtype=object
    )

    worst = max(abs(int(a) - b) for a, b in zip(distances.ravel().tolist(), exact.ravel().tolist(), strict=True))
    assert worst <= bound
    assert (bound == 0) == (scale <= 10_000)


def test_far_values_of_a_wide_quantizer_are_ranked_exactly():
    X = np.array([[3e5, 0.0], [3e5, 2**-12], [-3e5, 0.0], [0.0, 1.0]])
    head = NearestNeighborsClassifier(1, "majority", index="flat").fit(X, ["a", "b", "c", "d"])

    assert head.predict(X).tolist() == ["a", "b", "c", "d"]
    assert head.neighbors([[3e5, 2**-12]], k=2).distances.tolist() == [[0.0, 2**-12]]


def test_rows_are_in_the_order_of_their_bytes():
    for width in (1, 5, 8, 20):
        rows = np.random.RandomState(width).randint(-2, 2, size=(300, width)).astype(np.int16)

        assert [line.tobytes() for line in in_byte_order(rows)] == sorted(row.tobytes() for row in rows)


def test_rebuild_makes_the_index_again_and_changes_no_answer():
    X, y = blobs(300, 300)
    head = NearestNeighborsClassifier(index="ivf").fit(X, y)
    before, index = head.decision_function(X), head._solved["index"][1]
    head.rebuild()

    np.testing.assert_array_equal(head.decision_function(X), before)
    assert head._solved["index"][1] is not index


@ignore_quantization
def test_lists_are_made_anew_when_the_memory_has_outgrown_them():
    X, y = blobs(1000, 300)
    head = NearestNeighborsClassifier(index="ivf").fit(X[:100], y[:100])
    head.predict(X[:1])
    n_lists = head._solved["index"][1]._index.nlist
    head.partial_fit(X[100:], y[100:])

    np.testing.assert_array_equal(head.predict(X), head.set_params(index="flat").predict(X))
    head.set_params(index="ivf").predict(X)
    assert head._solved["index"][1]._index.nlist > n_lists


def test_fewer_probes_find_neighbours_of_those_lists():
    X, y = blobs(2000, 300)
    head = NearestNeighborsClassifier(5, index="ivf", n_probes=1).fit(X, y, sample_id=np.arange(2000))
    exact = NearestNeighborsClassifier(5, index="flat").fit(X, y, sample_id=np.arange(2000))
    found, true = head.neighbors(X[:50], k=5), exact.neighbors(X[:50], k=5)

    np.testing.assert_array_equal(found.ids[:, 0], true.ids[:, 0])
    assert (found.distances >= true.distances).all()
    assert head.score(X, y) > 0.9


WITHOUT_FAISS = """
import json, sys, warnings
sys.modules["faiss"] = None
import numpy as np
from analytic_cl import FixedPoint, NearestNeighborsClassifier
X, y = np.random.RandomState(0).normal(size=(300, 300)), np.arange(300) % 3
head = NearestNeighborsClassifier(index="flat", quantizer=FixedPoint(16)).fit(X, y)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    scores = head.decision_function(X)
    head.rebuild()
    head.predict(X)
try:
    head.set_params(device="cuda").predict(X)
except ImportError as error:
    refusal = str(error)
print(json.dumps([scores.tolist(), [str(w.message) for w in said], refusal]))
"""


def test_without_faiss_answers_are_the_same_and_it_is_said_once():
    run = subprocess.run([sys.executable, "-c", WITHOUT_FAISS], capture_output=True, text=True, check=True)
    scores, said, refusal = json.loads(run.stdout)
    X, y = np.random.RandomState(0).normal(size=(300, 300)), np.arange(300) % 3

    head = NearestNeighborsClassifier(index="flat", quantizer=FixedPoint(16)).fit(X, y)
    np.testing.assert_array_equal(head.decision_function(X), scores)
    assert len(said) == 1 and "analytic-cl[faiss]" in said[0]
    assert "faiss-gpu" in refusal


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU")
def test_cuda_without_a_gpu_says_what_is_missing():
    with pytest.raises(ImportError, match="faiss-gpu"):
        NearestNeighborsClassifier(device="cuda").fit([[0.0], [1.0]], [0, 1]).predict([[0.0]])


def test_scan_proposes_what_a_sort_would():
    X, y = blobs(500, 12)
    head = NearestNeighborsClassifier(quantizer=FixedPoint(8, scale=8)).fit(X, y)
    head.forget(X[::3], y[::3])
    queries = head.quantizer_.quantise(X[:30])
    (fast, _), _ = Scan(head.state_.table).propose(queries, 9)
    with use_backend("numpy"):
        (slow, _), _ = Scan(head.state_.table).propose(queries, 9)

    np.testing.assert_array_equal(fast, slow)


@pytest.mark.skipif(native is None, reason="installed without a compiler")
@pytest.mark.parametrize("isa", native.isas() if native else [])
@pytest.mark.parametrize(("n", "d", "m"), [(1, 1, 1), (300, 5, 7), (1000, 64, 40), (257, 130, 300)])
def test_native_search_finds_the_least_distances(isa, n, d, m):
    random = np.random.RandomState(n)
    rows, queries = (random.randint(-127, 128, size=(k, d)).astype(np.int8) for k in (n, 70))
    alive = (random.rand(n) < 0.8) | (n == 1)
    exact = ((queries[:, None].astype(np.int64) - rows[alive]) ** 2).sum(axis=2)
    exact.sort(axis=1)
    for threads in (1, 3):
        distances, positions = (np.zeros((70, m), np.int64) for _ in range(2))
        native.nearest(rows, alive.view(np.uint8), queries, distances, positions, threads, isa)
        found = min(m, alive.sum())

        np.testing.assert_array_equal(distances[:, :found], exact[:, :m])
        assert (positions[:, found:] == -1).all()
        assert alive[positions[:, :found]].all()
        again = ((queries[:, None].astype(np.int64) - rows[positions[:, :found]]) ** 2).sum(axis=2)
        np.testing.assert_array_equal(again, distances[:, :found])


@pytest.mark.skipif(native is None, reason="installed without a compiler")
@pytest.mark.parametrize("isa", native.isas() if native else [])
@pytest.mark.parametrize("search", ["nearest", "nearest_angles"])
def test_native_search_finds_for_few_queries_what_it_finds_for_many(search, isa):
    random = np.random.RandomState(0)
    rows, queries = (random.randint(-127, 128, size=(k, 1001)).astype(np.int8) for k in (4300, 30))
    rows[7] = queries[1] = 0
    alive = (random.rand(4300) < 0.8).view(np.uint8)

    def found(count, threads):
        distances = np.zeros((count, 9), np.int64 if search == "nearest" else np.float64)
        positions = np.zeros((count, 9), np.int64)
        getattr(native, search)(rows, alive, queries[:count], distances, positions, threads, isa)
        return distances, positions

    many = found(30, 1)
    for count in (1, 2, 3, 6, 24):
        for threads in (1, 3):
            for mine, true in zip(found(count, threads), many, strict=True):
                np.testing.assert_array_equal(mine, true[:count])


@pytest.mark.skipif(native is None, reason="installed without a compiler")
@pytest.mark.parametrize("isa", native.isas() if native else [])
def test_native_search_for_few_queries_holds_the_largest_sums(isa):
    signs = np.array([[1, 1], [-1, -1], [1, -1], [0, 0], [1, 0]])
    rows = np.repeat(127 * signs, native.MAX_WIDTH // 2, axis=1).astype(np.int8)
    distances, positions = (np.zeros((5, 5), np.int64) for _ in range(2))
    native.nearest(rows, np.ones(5, np.uint8), rows, distances, positions, 1, isa)
    exact = 127**2 * native.MAX_WIDTH // 2 * ((signs[:, None] - signs) ** 2).sum(axis=2)

    np.testing.assert_array_equal(distances, np.sort(exact, axis=1))


def test_without_native_kernels_int8_rows_have_the_same_neighbours():
    X, y = blobs(500, 300)
    head = NearestNeighborsClassifier(7).fit(X, y, sample_id=np.arange(500))
    head.forget(sample_id=np.arange(0, 500, 3))
    found = head.neighbors(X)
    for backend in ("blas", "numpy"):
        with use_backend(backend):
            rows = slice(0, 500 if backend == "blas" else 5)
            for mine, other in zip(found, head.neighbors(X[rows]), strict=True):
                np.testing.assert_array_equal(mine[rows], other)


class CoarseIndex:
    """Proposes by distances rounded to multiples of 64, and says so."""

    def __init__(self, table):
        self.table = table

    def propose(self, queries, m):
        rows = self.table.payload[: self.table.size].astype(np.int64)
        rounded = 64.0 * np.round(((queries.astype(np.int64)[:, None] - rows) ** 2).sum(axis=2) / 64)
        order = np.argsort(rounded, axis=1, kind="stable")[:, :m]
        return (np.take_along_axis(rounded, order, axis=1), order), np.full(len(queries), 32.0)


def test_an_index_that_is_honest_about_its_error_gives_exact_answers():
    X = np.random.RandomState(0).randint(-9, 10, size=(400, 5)).astype(np.int8)
    head = NearestNeighborsClassifier(quantizer="integers").fit(X, np.arange(400) % 5)
    table, queries = head.state_.table, X[:50]
    found = nearest(head.state_, CoarseIndex(table), queries, 3)
    exact = ((queries.astype(int)[:, None] - X) ** 2).sum(axis=2)

    np.testing.assert_array_equal(found.squared(), np.sort(exact, axis=1)[:, :3])
    proposed = CoarseIndex(table).propose(queries, 11)[0][1]
    assert (np.sort(np.take_along_axis(exact, proposed, axis=1))[:, :3] != found.squared()).any(), "too easy"


@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_ties_among_more_rows_than_one_block_are_broken_too(search):
    random = np.random.RandomState(0)
    X, y = random.randint(0, 2, size=(20_000, 9)).astype(np.int8), random.randint(0, 3, size=20_000)
    head = NearestNeighborsClassifier(quantizer="integers", **search).fit(X, y, sample_id=np.arange(20_000))
    head.forget(sample_id=np.arange(0, 20_000, 7))
    left, queries = np.flatnonzero(np.arange(20_000) % 7), X[:40]
    found = head.neighbors(queries, k=60)
    distances = ((queries[:, None].astype(int) - X[left]) ** 2).sum(axis=2)
    for i in range(40):
        expected = left[np.lexsort([left, y[left], *X[left].T[::-1], distances[i]])[:60]]

        np.testing.assert_array_equal(found.ids[i].astype(int), expected)


def test_naming_the_owners_of_many_copies_takes_memory_for_each_once():
    X, names = np.ones((3000, 3)), [f"person {i:04}" for i in range(3000)]
    head = NearestNeighborsClassifier(quantizer="integers").fit(X, np.zeros(3000, int), sample_id=names)
    tracemalloc.start()
    found = head.neighbors(X[:1], k=3000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found.ids.tolist() == [names]
    assert peak < 20e6


@pytest.mark.parametrize("index", ["flat", "ivf"])
def test_threads_that_search_at_once_make_one_index_and_get_the_same_answers(index):
    X, y = blobs(20_000, 8)
    whole = NearestNeighborsClassifier(5, index=index).fit(X, y, sample_id=np.arange(20_000))
    expected = whole.neighbors(X[:50])
    for _ in range(3):
        head = NearestNeighborsClassifier(5, index=index).fit(X[:9000], y[:9000], sample_id=np.arange(9000))
        head.predict(X[:1])  # an index that all threads find behind
        head.merge(NearestNeighborsClassifier().fit(X[9000:], y[9000:], sample_id=np.arange(9000, 20_000)))
        start = threading.Barrier(4)

        def search(_, head=head, start=start):
            start.wait()
            return head.neighbors(X[:50])

        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(search, range(4)):
                for mine, other in zip(found, expected, strict=True):
                    np.testing.assert_array_equal(mine, other)


def test_a_forgotten_row_is_not_left_as_a_centroid():
    X, y = blobs(400, 300)
    X[:20] = 50 * np.eye(300)[0]
    head = NearestNeighborsClassifier(index="ivf", quantizer=FixedPoint(16)).fit(X, y, sample_id=np.arange(400))
    copy = head.quantizer_.quantise(X[:1]).astype(np.float32).tobytes()
    head.predict(X[:1])
    index = head._solved["index"][1]
    assert index.to_bytes().count(copy) == 21, "20 rows and their mean"
    head.partial_fit(X[300:] * 0 + X[0], y[300:], sample_id=np.arange(400, 500))  # of others, with the same values

    head.forget(sample_id=[*range(20), *range(400, 500)])
    assert head._solved["index"][1] is index
    assert index.to_bytes().count(copy) == 0
    flat = NearestNeighborsClassifier(index="flat", quantizer=FixedPoint(16)).fit(X[20:], y[20:])
    np.testing.assert_array_equal(head.decision_function(X), flat.decision_function(X))


@pytest.mark.parametrize("index", ["flat", "ivf"])
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_an_index_that_is_broken_off_half_way_is_made_again(monkeypatch, index, error):
    X, y = blobs(300, 5)
    head = NearestNeighborsClassifier(index=index).fit(X[:100], y[:100], sample_id=range(100))
    head.predict(X[:1])
    append = FaissIndex._append

    def append_and_fail(self, index):
        append(self, index)
        self._alive = self._alive[:-1]  # what came was not noted
        raise error

    head.merge(NearestNeighborsClassifier().fit(X[100:200], y[100:200]))
    with monkeypatch.context() as patch:
        patch.setattr(FaissIndex, "_append", append_and_fail)
        head.rebuild()
        with pytest.raises(error):
            head.predict(X)
    head.predict(X[:1])
    head.merge(NearestNeighborsClassifier().fit(X[200:], y[200:]))
    with monkeypatch.context() as patch:
        patch.setattr(FaissIndex, "_append", append_and_fail)
        with pytest.raises(error):
            head.predict(X)
    fresh = NearestNeighborsClassifier(index=index).fit(X, y)

    np.testing.assert_array_equal(head.decision_function(X), fresh.decision_function(X))


@pytest.mark.parametrize("index", ["flat", "ivf"])
def test_a_change_stands_though_the_index_can_not_follow_it(monkeypatch, index):
    X, y = blobs(100, 5)
    head = NearestNeighborsClassifier(index=index).fit(X[:90], y[:90], sample_id=range(90))

    def fail(*arguments):
        raise MemoryError

    for change in (
        lambda: head.partial_fit(X[90:], y[90:]),
        lambda: head.rectify(X[:5] + 1, y[:5], sample_id=range(5)),
        lambda: head.forget(sample_id=range(5)),
    ):
        head.predict(X[:1])
        with monkeypatch.context() as patch:
            patch.setattr(FaissIndex, "_append", fail)
            change()
        assert head.learner_.ledger.n_rows == head.state_.n_rows
        assert head._solved["index"][1]._index is None
    fresh = NearestNeighborsClassifier(index=index).fit(X[5:], y[5:])

    assert head.state_digest() == fresh.state_digest()
    np.testing.assert_array_equal(head.decision_function(X), fresh.decision_function(X))


@needs_gpu
def test_more_neighbours_than_a_gpu_finds_are_found():
    X, y = blobs(5000, 5)
    head = NearestNeighborsClassifier(3000, device="cuda").fit(X, y)
    other = NearestNeighborsClassifier(3000, device="cpu").fit(X, y)

    np.testing.assert_array_equal(head.decision_function(X[:5]), other.decision_function(X[:5]))


OUT_OF_MEMORY = """
import resource
import numpy as np
from analytic_cl._config import native
rows = np.random.RandomState(0).randint(-9, 9, size=(300_000, 4)).astype(np.int8)
alive = np.ones(300_000, np.uint8)
distances, positions = (np.ones((300, 20_000), np.int64) for _ in range(2))
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 40 * 2**20, -1))
try:
    native.nearest(rows, alive, rows[:300].copy(), distances, positions, 2, "")
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.skipif(native is None or sys.platform != "linux", reason="needs the C++ kernels, and limits as on Linux")
def test_a_search_that_runs_out_of_memory_on_another_thread_raises_memory_error():
    run = subprocess.run([sys.executable, "-c", OUT_OF_MEMORY], capture_output=True, text=True, check=True)

    assert run.stdout == "MemoryError\n"
