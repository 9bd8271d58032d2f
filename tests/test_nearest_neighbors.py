"""Neighbours are the true ones, whatever searches, in whatever order rows came, and none that was forgotten."""

import numpy as np
import pytest
from common import DATA, blobs, ignore_quantization, pack
from neighbours import SEARCHES, behind, oracle
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import KNeighborsClassifier

from analytic_cl import FixedPoint, KeyValueBottleneckClassifier, NearestNeighborsClassifier, Store, load
from analytic_cl.memory import FaissIndex, LearnedRows
from analytic_cl.memory.scan import unit_rows

QUANTIZERS = ["tabular", FixedPoint(16), FixedPoint(8, bounds=(-12, 12))]


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=str)
@pytest.mark.parametrize("search", SEARCHES, ids=str)
@ignore_quantization
def test_neighbours_are_those_of_exact_integer_distances(search, quantizer):
    X, y = blobs(150, 6)
    ids = np.random.RandomState(1).permutation(150)
    head = NearestNeighborsClassifier(quantizer=quantizer, **search).fit(X, y, sample_id=ids)
    found = head.neighbors(X[:20] + 0.1, k=7)
    expected = oracle(head, X[:20] + 0.1, 7, ids)

    np.testing.assert_array_equal(found.ids.astype(int), ids[expected])
    np.testing.assert_array_equal(found.labels, y[expected])
    gaps = head.quantizer_.quantise(X[:20] + 0.1).astype(float)[:, None] - head.state_.table.payload[expected]
    step = head.quantizer_.step[0] if not isinstance(quantizer, FixedPoint) or quantizer.bounds is None else 1 / 127
    np.testing.assert_allclose(found.distances, np.sqrt((gaps**2).sum(axis=2)) * step, rtol=1e-12)


@pytest.mark.parametrize("search", SEARCHES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_ties_are_broken_by_row_label_and_id_and_not_by_arrival(search, seed):
    random = np.random.RandomState(seed)
    X = random.randint(-1, 2, size=(200, 3)).astype(np.int8)  # 27 different rows: everything is tied
    y, ids = random.randint(0, 3, size=200), random.permutation(200)
    head = NearestNeighborsClassifier(7, "majority", quantizer="integers", **search).fit(X, y, sample_id=ids)
    order = random.permutation(200)
    other = NearestNeighborsClassifier(7, "majority", quantizer="integers", **search)
    for part in np.array_split(order, 4):
        other.partial_fit(X[part], y[part], sample_id=ids[part])
        other.predict(X[:5])
    expected = oracle(head, X[:30], 40, ids)

    for each in (head, other):
        found = each.neighbors(X[:30], k=40)
        np.testing.assert_array_equal(found.ids.astype(int), ids[expected])
        np.testing.assert_array_equal(found.labels, y[expected])
    np.testing.assert_array_equal(head.decision_function(X), other.decision_function(X))


def test_predictions_do_not_depend_on_ids():
    X = np.array([[0], [0], [5]], dtype=np.int8)
    plain = NearestNeighborsClassifier(1, quantizer="integers").fit(X, ["b", "a", "c"])
    named = NearestNeighborsClassifier(1, quantizer="integers").fit(X, ["b", "a", "c"], sample_id=[0, 1, 2])

    assert plain.state_digest() == named.state_digest()
    assert plain.predict(X).tolist() == named.predict(X).tolist() == ["a", "a", "c"]


@pytest.mark.parametrize(
    ("load", "quantizer"), [(load_digits, "embedding"), (load_digits, "tabular"), (load_wine, "tabular")]
)
@pytest.mark.parametrize("k", [1, 4, 15])
@ignore_quantization
def test_majority_votes_are_scikit_learns_where_no_tie_decides(load, quantizer, k):
    X, y = load(return_X_y=True)
    head = NearestNeighborsClassifier(k, "majority", quantizer=quantizer, index="flat").fit(X[::2], y[::2])
    rows, queries = behind(head, X[::2]), behind(head, X[1::2])
    peer = KNeighborsClassifier(k, algorithm="brute").fit(rows, y[::2])
    distances, _ = peer.kneighbors(queries, k + 1)
    decided = distances[:, k - 1] < distances[:, k] * (1 - 1e-9)

    assert decided.mean() > 0.9
    np.testing.assert_array_equal(head.predict(X[1::2])[decided], peer.predict(queries)[decided])
    np.testing.assert_allclose(head.predict_proba(X[1::2])[decided], peer.predict_proba(queries)[decided], atol=1e-12)


@pytest.mark.parametrize("name", ["clinc150_minilm", "cifar100_mnv2"])
@ignore_quantization
def test_real_features_have_scikit_learns_neighbours(name):
    if not (DATA / f"{name}.npz").exists():
        pytest.skip(f"{name}.npz is not in {DATA}")
    data = pack(name)
    X, y, queries = data["X_train"][:8000], data["y_train"][:8000], data["X_test"][:500]
    head = NearestNeighborsClassifier(10, "majority", index="flat").fit(X, y, sample_id=np.arange(8000))
    peer = KNeighborsClassifier(10, algorithm="brute").fit(behind(head, X), y)
    distances, _ = peer.kneighbors(behind(head, queries), 11)
    decided = distances[:, 9] < distances[:, 10] * (1 - 1e-9)

    assert decided.sum() > 400
    expected = peer.predict(behind(head, queries))
    np.testing.assert_array_equal(head.predict(queries)[decided], expected[decided])
    found = head.neighbors(queries)
    scan = head.set_params(index="auto").neighbors(queries)
    for mine, other in zip(found, scan, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_softmax_weighs_by_cosine_for_unit_rows():
    X, y = blobs(60, 300)
    head = NearestNeighborsClassifier(9, temperature=0.05).fit(X, y)
    found = head.neighbors(X[:4] + 0.1)
    weights = np.exp(-(found.distances**2) / 2 / 0.05)
    expected = [
        [line[labels == c].sum() / line.sum() for c in range(3)]
        for line, labels in zip(weights, found.labels, strict=True)
    ]

    np.testing.assert_allclose(head.predict_proba(X[:4] + 0.1), expected, rtol=1e-9)


def test_a_row_alone_and_in_a_batch_has_the_same_scores():
    X, y = blobs(100, 300)
    head = NearestNeighborsClassifier(index="flat").fit(X, y)

    np.testing.assert_array_equal(
        head.decision_function(X), np.concatenate([head.decision_function(x[None]) for x in X])
    )


@pytest.mark.parametrize("search", [s for s in SEARCHES if s != dict(index="auto")], ids=str)
@ignore_quantization
def test_a_forgotten_row_is_neither_found_nor_left_in_the_index(search):
    X, y = blobs(400, 300)
    head = NearestNeighborsClassifier(**search).fit(X, y, sample_id=np.arange(400))
    copies = unit_rows(head.quantizer_.quantise(X))
    head.predict(X[:1])
    index = head._solved["index"][1]
    assert isinstance(index, FaissIndex)
    assert all(copy.tobytes() in index.to_bytes() for copy in copies)

    gone = np.random.RandomState(0).permutation(400)[:180]
    for part in np.array_split(gone, 5):
        head.forget(sample_id=part)
        assert not any(copies[i].tobytes() in index.to_bytes() for i in part)
        assert not np.isin(part, head.neighbors(X[part], k=400).ids.astype(int)).any()
    assert head._solved["index"][1] is index
    head.forget_class(0)

    left = index.to_bytes()
    assert not any(copies[i].tobytes() in left for i in np.flatnonzero(y == 0))
    rest = np.setdiff1d(np.flatnonzero(y != 0), gone)
    assert all(copies[i].tobytes() in left for i in rest)
    fresh = NearestNeighborsClassifier(**search).fit(X[rest], y[rest], sample_id=rest)
    for mine, other in zip(head.neighbors(X, k=30), fresh.neighbors(X, k=30), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_forgotten_rows_are_not_left_in_the_state_either():
    X, y = blobs(100, 300)
    head = NearestNeighborsClassifier().fit(X, y, sample_id=np.arange(100))
    row = head.quantizer_.quantise(X[7:8]).tobytes()
    assert row in head.state_.table.payload.tobytes()

    head.forget(sample_id=7)

    assert row not in head.state_.table.payload.tobytes()
    assert row not in head.learner_.ledger.kept.payload.tobytes()


def test_fewer_rows_than_neighbours_all_vote():
    head = NearestNeighborsClassifier(20, "majority").fit([[0.0], [1.0], [9.0]], [0, 0, 1])

    assert head.neighbors([[0.0]]).labels.tolist() == [[0, 0, 1]]
    np.testing.assert_allclose(head.predict_proba([[9.0]]), [[2 / 3, 1 / 3]])


def test_anonymous_neighbours_have_no_id():
    head = NearestNeighborsClassifier().fit([[0.0], [0.0]], [0, 0], sample_id=["ann", "bob"])
    head.partial_fit([[0.0], [1.0]], [0, 1])

    assert head.neighbors([[0.0]], k=4).ids.tolist() == [["ann", "bob", None, None]]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (dict(n_neighbors=0), "n_neighbors must be an integer of at least 1"),
        (dict(n_neighbors=1.5), "n_neighbors must be an integer of at least 1"),
        (dict(vote="loud"), "vote must be one of 'softmax', 'majority'"),
        (dict(temperature=0), "temperature must be more than 0"),
        (dict(index="hnsw"), "index must be one of"),
        (dict(device="tpu"), "device must be one of"),
        (dict(n_probes=3), "n_probes is for index='ivf'"),
        (dict(index="ivf", n_probes=0), "n_probes must be an integer of at least 1"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        NearestNeighborsClassifier(**parameters).fit([[0.0], [1.0]], [0, 1])


def test_a_wrong_k_is_refused():
    head = NearestNeighborsClassifier().fit([[0.0], [1.0]], [0, 1])

    for k in (0, -1, 1.5, "3", True):
        with pytest.raises(ValueError, match="k must be an integer of at least 1"):
            head.neighbors([[0.0]], k=k)


def test_learned_rows_merge_with_learned_rows_only():
    X, y = blobs(30, 4)
    head = NearestNeighborsClassifier().fit(X, y)
    digest = head.state_digest()

    with pytest.raises(ValueError, match="be merged with"):
        head.merge(KeyValueBottleneckClassifier(4, 2).fit(X, y))
    with pytest.raises(TypeError, match="fit it on the rows"):
        NearestNeighborsClassifier.from_moments(head.state_)
    assert head.state_digest() == digest


@ignore_quantization
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {"rows": a["rows"].astype(np.int16)}, "'rows' is missing, or not int8"),
        (lambda a: {name: a[name] for name in a if name != "rows"}, "'rows' is missing"),
        (lambda a: a | {"row_classes": a["row_classes"][:-1]}, "one a row"),
        (lambda a: a | {"row_classes": a["row_classes"] * 0}, "without rows"),
        (lambda a: a | {"rows": np.full_like(a["rows"], -128)}, "within"),
    ],
)
def test_impossible_states_are_refused(change, message):
    X, y = blobs(30, 4)
    state = NearestNeighborsClassifier(quantizer="embedding").fit(X, y).state_

    assert LearnedRows.from_arrays(state.quantizer, state.describe(), state.to_arrays()).digest() == state.digest()
    with pytest.raises(ValueError, match=message):
        LearnedRows.from_arrays(state.quantizer, state.describe(), change(state.to_arrays()))


def test_a_store_keeps_and_erases_neighbours(tmp_path):
    pytest.importorskip("cryptography", reason="needs the extra 'store'")
    X, y = blobs(60, 6)
    with Store.create(tmp_path / "s", NearestNeighborsClassifier(3)) as store:
        store.learn(X, y, sample_id=range(60), subject=[f"p{i % 6}" for i in range(60)])
        store.forget(subject="p2")
        assert store.verify(retrain=True).retrained
        kept = [i for i in range(60) if i % 6 != 2]

        assert store.state_digest() == NearestNeighborsClassifier().fit(X[kept], y[kept]).state_digest()
        assert store.predict(X).tolist() == NearestNeighborsClassifier(3).fit(X[kept], y[kept]).predict(X).tolist()


@pytest.mark.parametrize("search", [dict(index="flat"), dict(index="ivf", n_probes=np.int64(2))], ids=str)
def test_numbers_of_numpys_types_mean_what_they_say(search, tmp_path):
    X, y = blobs(300, 4)
    head = NearestNeighborsClassifier(np.uint8(250), temperature=np.float16(0.5), **search).fit(X, y)
    head.save(tmp_path / "head")
    plain = clone(head).set_params(n_neighbors=250, temperature=0.5).fit(X, y)

    np.testing.assert_array_equal(head.decision_function(X), plain.decision_function(X))
    np.testing.assert_array_equal(load(tmp_path / "head").decision_function(X), plain.decision_function(X))


def test_a_store_whose_head_has_numbers_of_numpys_types_opens_again(tmp_path):
    pytest.importorskip("cryptography", reason="needs the extra 'store'")
    X, y = blobs(30, 4)
    with Store.create(tmp_path / "s", NearestNeighborsClassifier(np.int64(3))) as store:
        store.learn(X, y, sample_id=range(30), subject=["p"] * 30)
    with Store.open(tmp_path / "s") as store:
        assert store.predict(X).tolist() == NearestNeighborsClassifier(3).fit(X, y).predict(X).tolist()


def test_a_temperature_near_zero_leaves_the_vote_to_the_nearest():
    head = NearestNeighborsClassifier(4, temperature=5e-324).fit([[0.0], [0.0], [1.0], [2.0]], ["a", "b", "b", "c"])

    assert head.predict_proba([[0.0], [2.0]]).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
