"""Sparse matrices as rows: the same digest, records and scores as the dense rows, and nothing of them made dense."""

import signal
import tracemalloc

import numpy as np
import pytest
from common import HEADS, blobs, head_name, ignore_quantization
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import get_tags

from analytic_cl import (
    FixedPoint,
    LDAClassifier,
    Moments,
    NearestMeanClassifier,
    RandomProjection,
    RLSClassifier,
    resolve_quantizer,
    use_backend,
    use_device,
)
from analytic_cl._config import BACKENDS
from analytic_cl._sparse import SparseRows
from analytic_cl.ledger import table
from analytic_cl.quantizers import Losses, kernels, sparse_rows
from analytic_cl.statistics import gram, sparse_gram

pytestmark = ignore_quantization

RULES = {
    "embedding": "embedding",
    "tabular": "tabular",
    "8 bits": FixedPoint(8, scale=20.0),
    "16 bits, unit": FixedPoint(16, norm="l2"),
    "16 bits": FixedPoint(16, scale=900.0),
    "32 bits, unit": FixedPoint(32, norm="l2"),
    "bounds": FixedPoint(32, bounds=(-8, 8)),
}
rules = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def rows_of(n=60, d=40, density=0.15, seed=0):
    random = np.random.default_rng(seed)
    X = sparse.random_array((n, d), density=density, rng=random, data_sampler=random.standard_normal)
    return X.tocsr(), np.arange(n) % 4


X, Y = rows_of()
DENSE = X.toarray()
IDS = [f"id-{i}" for i in range(len(Y))]


# ---- one state, however rows are stored


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    rule=st.sampled_from(list(RULES.values())),
    steps=st.lists(
        st.tuples(st.sampled_from(["learn", "forget", "merge"]), st.booleans(), st.integers(0, 99)), max_size=6
    ),
)
@settings(max_examples=8, deadline=None)
def test_any_mixture_of_sparse_and_dense_learning_forgetting_and_merging_has_one_digest(backend, rule, steps):
    def given_as(is_sparse, rows):
        return X[rows] if is_sparse else DENSE[rows]

    with use_backend(backend):
        mixed, left = LDAClassifier(quantizer=rule).fit(X, Y), list(range(len(Y)))
        for what, is_sparse, seed in steps:
            rows = np.random.default_rng(seed).choice(left, size=1 + seed % 9, replace=False)
            part = given_as(is_sparse, rows), Y[rows]
            if what == "learn":
                mixed.partial_fit(*part)
            elif what == "merge":
                mixed.merge(LDAClassifier(quantizer=rule).fit(*part))
            else:
                mixed.forget(*part)
                for row in rows:
                    left.remove(row)
                continue
            left += rows.tolist()
            if len(left) < 10:
                return
    assert mixed.state_digest() == LDAClassifier(quantizer=rule).fit(DENSE[left], Y[left]).state_digest()


@rules
@pytest.mark.parametrize("backend", BACKENDS)
def test_stored_values_become_the_integers_of_the_dense_row(rule, backend):
    random = np.random.default_rng(5)
    rows = np.where(random.random((200, 70)) < 0.4, random.standard_normal((200, 70)), 0)
    rows *= 10.0 ** random.integers(-8, 9, size=(200, 1))
    rows[0], rows[1, 3], rows[2, :2] = 0, 5e-324, [1e308, -1e308]
    rows[3:90] = np.rint(rows[3:90] * 4) / 8  # ties
    quantizer = resolve_quantizer(rule, None, 70)
    with use_backend(backend):
        for values in (rows, rows.clip(-1e30, 1e30).astype(np.float32), np.rint(rows.clip(-9, 9)).astype(np.int16)):
            found = quantizer.quantise(sparse.csr_array(values), first_row=0)
            assert isinstance(found, SparseRows)
            assert found.data.all()
            np.testing.assert_array_equal(np.asarray(found), quantizer.quantise(values))


@pytest.mark.parametrize("name", ["_normalised_entries", "_normalised_entries_reference"])
def test_the_last_bits_of_a_norm_are_those_of_the_dense_row(name):
    """At a scale that shows them: integers of 8 bits would hide another order of the sum."""
    random = np.random.default_rng(2)
    dense = np.where(random.random((50, 90)) < 0.5, random.standard_normal((50, 90)), 0)
    rows, expected = sparse.csr_array(dense), np.zeros(dense.shape, dtype=np.int64)
    found = np.zeros(rows.nnz, dtype=np.int64)
    kernels.normalised_rows(dense, np.abs(dense).max(axis=1), 2.0**60, 2.0**62, expected)
    getattr(sparse_rows, name)(rows.data, rows.indices, rows.indptr, 2.0**60, 2.0**62, found)
    np.testing.assert_array_equal(found, expected[dense != 0])


def test_every_format_and_index_is_taken_and_left_as_it_was():
    digest = RLSClassifier().fit(DENSE, Y).state_digest()
    unsorted = X.copy()
    for a, b in zip(unsorted.indptr, unsorted.indptr[1:], strict=False):
        unsorted.indices[a:b], unsorted.data[a:b] = unsorted.indices[a:b][::-1].copy(), unsorted.data[a:b][::-1].copy()
    unsorted = sparse.csr_array((unsorted.data, unsorted.indices, unsorted.indptr), shape=X.shape)
    unsorted.has_sorted_indices = True  # whatever it claims
    wide = X.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    stored = np.abs(DENSE) + (np.arange(40) % 3 == 0)  # among them zeros
    padded = sparse.csr_array(stored)
    padded.data[:] = DENSE[stored != 0]
    given_as = {name: X.asformat(name) for name in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")}
    given_as |= {"matrix": sparse.csr_matrix(X), "unsorted": unsorted, "int64": wide, "zeros": padded}
    for name, matrix in given_as.items():
        before = matrix.copy()
        head = RLSClassifier().fit(matrix, Y)
        assert head.state_digest() == digest, name
        assert head.forget(matrix, Y).removed == len(Y)
        for part in ("data", "indices", "indptr"):
            if name not in ("lil", "dok", "dia", "coo"):
                np.testing.assert_array_equal(getattr(matrix, part), getattr(before, part))


def test_entries_that_are_stored_twice_are_added_as_the_dense_matrix_adds_them():
    values = np.array([0.1, 1e16, 0.7, -1e16, 0.2, 0.3])
    places = np.array([0, 0, 0, 0, 0, 1]), np.array([2, 2, 1, 2, 2, 0])
    for matrix in (
        sparse.coo_array((values, places), shape=(2, 3)),
        sparse.csr_array((values, places[1], [0, 5, 6]), shape=(2, 3)),
    ):
        assert (
            RLSClassifier().fit(matrix, [0, 1]).state_digest()
            == RLSClassifier().fit(matrix.toarray(), [0, 1]).state_digest()
        )


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("density", [0.02, 0.5])
def test_products_by_entries_and_by_dense_blocks_are_the_same(monkeypatch, bits, density):
    random = np.random.default_rng(1)
    limit = {8: 127, 16: 32639, 32: 0x7F7F7F7F}[bits]
    dense = random.integers(-limit, limit + 1, size=(300, 50)) * (random.random((300, 50)) < density)
    dense = dense.astype(f"int{bits}")
    rows = SparseRows.of(sparse.csr_array(dense))[20:]
    expected, by_entries, by_blocks = (gram.empty_planes(50, bits) for _ in range(3))
    gram.accumulate(expected, dense[20:], bits, -1)
    monkeypatch.setattr(sparse_gram, "_WORTH_A_PIECE", 500)
    monkeypatch.setattr(sparse_gram, "_WORTH_A_THREAD", 50)
    sparse_gram.accumulate(by_entries, rows, bits, -1)
    gram.accumulate(by_blocks, rows, bits, -1)
    for own, other, plane in zip(by_entries, by_blocks, expected, strict=True):
        np.testing.assert_array_equal(own, plane)
        np.testing.assert_array_equal(other, plane)


@pytest.mark.parametrize("part", [1, 3, 6])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_products_that_are_broken_off_are_taken_back(monkeypatch, part, error):
    head = LDAClassifier(quantizer="embedding").fit(X[:20], Y[:20])
    before, calls = head.state_digest(), []
    original = sparse_gram._Lines.add_to

    def add_to(self, *arguments):
        calls.append(arguments)
        if len(calls) == part:
            if error is MemoryError:
                raise MemoryError
            signal.raise_signal(signal.SIGINT)
        original(self, *arguments)

    monkeypatch.setattr(sparse_gram, "_WORTH_A_PIECE", 100)
    monkeypatch.setattr(sparse_gram, "_AS_LONG_AS", {8: 0})
    monkeypatch.setattr(sparse_gram._Lines, "add_to", add_to)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(error):
            head.partial_fit(X[20:], Y[20:])
    finally:
        signal.signal(signal.SIGINT, previous)
    assert len(calls) >= part
    assert head.state_digest() == before


# ---- what is read from the state


@rules
@pytest.mark.parametrize(
    "head",
    [
        NearestMeanClassifier("cosine"),
        NearestMeanClassifier("euclidean"),
        LDAClassifier(),
        LDAClassifier(0.1, means="plain"),
        RLSClassifier(),
        RLSClassifier(1.0, solver="recursive"),
    ],
    ids=head_name,
)
def test_scores_are_those_of_the_dense_rows(head, rule):
    head = clone(head).set_params(quantizer=rule).fit(X, Y)
    for method in ("decision_function", "score_samples", "predict_proba", "transform"):
        if not hasattr(head, method) or (method == "predict_proba" and isinstance(head, RLSClassifier)):
            continue
        score = getattr(head, method)
        expected = score(DENSE)
        for rows in (slice(None), slice(1), slice(7, 9)):
            error = np.abs(score(X[rows]) - expected[rows]).max()
            assert error <= 1e-12 * max(1, np.abs(expected).max())
    np.testing.assert_array_equal(head.predict(X), head.predict(DENSE))
    assert head.score(X, Y) == head.score(DENSE, Y)


def test_a_column_far_from_zero_costs_no_digits():
    far = DENSE.copy()
    far[:, :8] = 5e5 + np.random.default_rng(0).standard_normal((len(far), 8)) + np.eye(8)[Y]
    head = LDAClassifier(means="plain").fit(far, Y)

    for rows in (slice(None), slice(1), slice(2, 3)):
        compared = head.predict_log_proba(sparse.csr_array(far)[rows]) - head.predict_log_proba(far[rows])
        assert np.abs(compared).max() <= 1e-12 * np.abs(head.predict_log_proba(far)).max()


def test_a_stream_may_fill_its_matrix_again():
    def batches():
        matrix = X[:20].copy()
        for start in (0, 20, 40):
            part = X[start : start + 20]
            matrix = sparse.csr_array((part.data, part.indices, part.indptr), shape=part.shape)
            yield matrix, Y[start : start + 20]
            matrix.data[:], matrix.indices[:] = 7.0, 0

    head = RLSClassifier(track="rows").partial_fit_stream(batches())
    assert head.state_digest() == RLSClassifier().fit(DENSE, Y).state_digest()


@pytest.mark.parametrize("most", [2, 90])  # few enough to be repeated, and summed bit by bit
def test_weighted_sparse_rows_are_repeated_dense_ones(most):
    weights = np.random.default_rng(0).integers(0, most + 1, len(Y))
    head = LDAClassifier().fit(X, Y, sample_weight=weights)
    assert head.state_digest() == LDAClassifier().fit(DENSE.repeat(weights, axis=0), Y.repeat(weights)).state_digest()


def test_a_projection_and_a_device_take_sparse_rows():
    head = RLSClassifier(projection=RandomProjection(9))
    assert head.fit(X, Y).state_digest() == head.fit(DENSE, Y).state_digest()
    np.testing.assert_array_equal(head.predict(X), head.predict(DENSE))
    pytest.importorskip("torch")
    expected = LDAClassifier().fit(DENSE, Y).state_digest()
    with use_device("torch-cpu"):
        assert LDAClassifier().fit(X, Y).state_digest() == expected


def test_losses_at_the_quantizer_are_said_in_the_words_for_the_dense_rows():
    said = {}
    for name, rows in (("sparse", sparse.csr_array(np.rint(40 * DENSE))), ("dense", np.rint(40 * DENSE))):
        losses = Losses(resolve_quantizer("embedding", None, 40), lambda words, name=name: said.update({name: words}))
        losses.saw(rows)
    assert said["sparse"] == said["dense"]


# ---- the ledger


@pytest.mark.parametrize("track", ["auto", "rows", "digest"])
def test_rows_that_were_learned_sparse_are_found_dense_and_the_other_way_round(track):
    first, second = (
        RLSClassifier(track=track).fit(rows[:40], Y[:40], sample_id=IDS[:40]).partial_fit(rows[40:], Y[40:])
        for rows in (X, DENSE)
    )
    first.forget(DENSE[40:50], Y[40:50])
    second.forget(X[40:50], Y[40:50])
    first.forget(DENSE[:5], Y[:5], sample_id=IDS[:5])
    second.forget(X[:5], Y[:5], sample_id=IDS[:5])
    if track != "digest":
        first.rectify(X[50:60], Y[50:60], sample_id=IDS[5:15])
        second.rectify(DENSE[50:60], Y[50:60], sample_id=IDS[5:15])
    assert first.state_digest() == second.state_digest()
    with pytest.raises(ValueError, match=r"rows 0, 1 of X.*never learned"):
        first.forget(X[:2], Y[:2])


def test_dense_records_of_sparse_rows_are_refused_where_they_would_fill_the_memory(monkeypatch):
    monkeypatch.setattr(table, "DENSE_BYTES", 50 * 40 * 4)
    head = LDAClassifier().fit(X[:50], Y[:50], sample_id=IDS[:50])
    before = head.state_digest()
    with pytest.raises(ValueError, match=r"51 rows of 40 integers take .* learn with track='digest'"):
        head.partial_fit(X[50:51], Y[50:51], sample_id=IDS[50:51])
    assert head.state_digest() == before
    head.partial_fit(X[50:], Y[50:])


# ---- memory


def test_wide_rows_never_become_dense():
    matrix, labels = rows_of(1000, 2**16, 1e-4)
    head = NearestMeanClassifier(quantizer=FixedPoint(8, norm="l2", scale=127))
    tracemalloc.start()
    try:
        head.fit(matrix, labels).predict(matrix)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**16 * 1000  # bytes of the rows as int8


def test_a_matrix_that_the_machine_can_not_hold_is_refused_before_it_is_made():
    with pytest.raises(
        MemoryError, match=r"Gram matrix of 4194304 columns.*fewer features, or a head that keeps class"
    ):
        Moments(resolve_quantizer("embedding", None, 2**22))
    assert Moments(resolve_quantizer("embedding", None, 2**22), order=1).n_rows == 0


# ---- bad input


def forged(indices=None, indptr=None, data=None):
    matrix = X.copy()
    for name, values in (("indices", indices), ("indptr", indptr), ("data", data)):
        if values is not None:
            setattr(matrix, name, values(getattr(matrix, name)))
    return matrix


def changed(place, value):
    def change(array):
        array = array.copy()
        array[place] = value
        return array

    return change


def coordinates():
    matrix = X.tocoo()
    matrix.coords = (matrix.coords[0], changed(3, 10**6)(matrix.coords[1]))
    return matrix


BAD = {
    "column beyond the width": (forged(indices=changed(3, 40)), Y, "no valid sparse matrix of format 'csr'"),
    "negative column": (forged(indices=changed(3, -1)), Y, "no valid sparse matrix of format 'csr'"),
    "row beyond the matrix": (forged(indptr=changed(-1, 10**6)), Y, "no valid sparse matrix of format 'csr'"),
    "rows out of order": (forged(indptr=changed(3, 0)), Y, "no valid sparse matrix of format 'csr'"),
    "coordinate beyond the width": (coordinates(), Y, "a column index is not from 0 to 39"),
    "NaN": (forged(data=changed(0, np.nan)), Y, "contains NaN in row 0"),
    "infinity": (forged(data=changed(-1, np.inf)), Y, "contains infinity in row 59"),
    "wrong width": (X[:, :7], Y, "X has 7 features"),
    "one row": (sparse.coo_array(DENSE[0]), Y[:1], "Expected 2D array"),
    "no rows": (X[:0], Y[:0], "0 sample"),
    "too few labels": (X, Y[1:], "inconsistent numbers of samples: .*59"),
    "sparse labels": (X, sparse.csr_array(Y[:, None]), "y is a sparse matrix: labels must be a 1d array"),
    "complex": (X.astype(complex), Y, "Complex data not supported"),
    "objects": (forged(data=lambda data: np.array(["a"] * len(data), dtype=object)), Y, "not of numbers"),
}


@pytest.mark.parametrize(("matrix", "labels", "words"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("call", ["partial_fit", "forget"])
def test_bad_sparse_input_is_refused_and_changes_nothing(matrix, labels, words, call):
    head = NearestMeanClassifier().fit(X, Y)
    before = head.state_digest()
    with pytest.raises(ValueError, match=words):
        getattr(head, call)(matrix, labels)
    assert head.state_digest() == before
    if matrix is not X:
        with pytest.raises(ValueError, match=words):
            head.predict(matrix)


def test_rules_that_no_sparse_row_can_follow_are_refused():
    with pytest.raises(
        ValueError, match="bounds make 0 the integer -127 in column 0, and another than 0 in 40 columns"
    ):
        RLSClassifier(quantizer=FixedPoint(8, bounds=(0, 1))).fit(X, Y)
    with pytest.raises(ValueError, match='"integers" takes integers from -127 to 127; not so in rows 0'):
        RLSClassifier(quantizer="integers").fit(X, Y)
    counts = sparse.csr_array(np.rint(DENSE))
    assert (
        RLSClassifier(quantizer="integers").fit(counts, Y).state_digest()
        == RLSClassifier(quantizer="integers").fit(counts.toarray(), Y).state_digest()
    )


@pytest.mark.parametrize("head", {type(head): head for head in HEADS}.values(), ids=head_name)
def test_heads_say_whether_they_take_sparse_rows(head):
    assert get_tags(head).input_tags.sparse is type(head).takes_sparse_rows
    rows, labels = blobs(30, 4)
    if not type(head).takes_sparse_rows:
        with pytest.raises(TypeError, match="dense data is required"):
            clone(head).fit(sparse.csr_array(rows), labels)
