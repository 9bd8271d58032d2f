"""Whole-number weights: equal to repeating rows, in state, ledger, choices and files, in a time without them."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from common import blobs
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import Normalizer
from sklearn.utils.class_weight import compute_class_weight

import analytic_cl
from analytic_cl import (
    ClassGrams,
    ContinualPipeline,
    FixedPoint,
    GaussianClassifier,
    LDAClassifier,
    Moments,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
    resolve_quantizer,
)
from analytic_cl.heads.weights import as_weights
from analytic_cl.learner import Learner, folds
from analytic_cl.ledger import NotLearnedError
from analytic_cl.quantizers import SignKeys
from analytic_cl.statistics import KeyCounts, Targets, WeightedRows, encode_labels

X, Y = blobs(60, 5, 3)
W = np.random.RandomState(1).randint(0, 6, size=60)
LARGE = np.random.RandomState(2).randint(0, 3000, size=60)


def repeated(head, w=W, **how):
    return head.fit(X.repeat(w, axis=0), Y.repeat(w), **how)


def integers(bits, n=40, d=4):
    quantizer = resolve_quantizer(FixedPoint(bits, scale=1.0), None, d)
    random = np.random.default_rng(bits)
    return quantizer, random.integers(-120, 120, (n, d)).astype(quantizer.dtype), encode_labels(np.arange(n) % 3)


# ---- the state


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("kind", [Moments, lambda q: Moments(q, 1), ClassGrams], ids=["2", "1", "class grams"])
@pytest.mark.parametrize("weights", [np.full(40, 1), np.arange(40) + 1, 10 ** (np.arange(40) % 4)], ids=str)
def test_weighted_rows_are_repeated_rows_by_either_way(bits, kind, weights):
    quantizer, rows, targets = integers(bits)
    weighted, plain = kind(quantizer), kind(quantizer)
    for state in (weighted, plain):
        state.add(rows[:7], Targets(targets.values, targets.codes[:7]))
    before = plain.digest()
    change = WeightedRows(weighted, rows, targets, weights)
    change.add(weighted)
    plain.add(rows.repeat(weights, axis=0), Targets(targets.values, targets.codes.repeat(weights)))

    assert change.n_rows == weights.sum()
    assert weighted.digest() == plain.digest()
    change.undo(weighted, +1)
    assert weighted.digest() == before
    change.add(weighted)
    change.subtract(weighted)
    assert weighted.digest() == before


def test_weights_up_to_the_limit_are_exact():
    quantizer, rows, targets = integers(8, n=6)
    weights = np.array([2**46, 2**46 + 1, 12345, 3 * 2**40 + 7, 1, 2**45 - 1])
    moments = Moments(quantizer)
    WeightedRows(moments, rows, targets, weights).add(moments)
    exact, w = rows.astype(object), weights.astype(object)[:, None]
    upper = np.triu_indices(4)

    assert moments.n_rows == weights.sum()
    np.testing.assert_array_equal(moments.total, (w * exact).sum(axis=0))
    np.testing.assert_array_equal(moments.planes[0], (exact.T @ (w * exact))[upper])


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_a_doubled_state_is_one_merged_with_its_copy(bits):
    quantizer, rows, targets = integers(bits)
    keys = KeyCounts(quantizer, SignKeys(4, 3)) if bits == 8 else None
    for state in filter(None, [Moments(quantizer), Moments(quantizer, 1), ClassGrams(quantizer), keys]):
        state.add(rows, targets)
        if isinstance(state, Moments):
            state.add(rows[:3], [0, 1, 2])  # so few wait to enter the matrix
        twice, revision = state.copy().merge(state), state.revision
        state.double()
        assert state.digest() == twice.digest()
        assert state.revision > revision


def test_no_state_is_doubled_beyond_its_room():
    quantizer, rows, targets = integers(16)
    state = Moments(quantizer)
    with pytest.raises(
        ValueError, match="weights of sum 10737418240 are too large: a 16-bit state holds at most 4294967296"
    ):
        WeightedRows(state, rows, targets, np.full(40, 2**28))


# ---- heads


@pytest.mark.parametrize("w", [W, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("track", ["auto", "rows", "digest", "none"])
def test_learning_in_parts_forgetting_and_merging_are_those_of_repeated_rows(w, track):
    head = RLSClassifier(track=track).fit(X[:30], Y[:30], sample_weight=w[:30])
    head.partial_fit(X[30:], Y[30:], sample_weight=w[30:].astype(float))
    twin = repeated(RLSClassifier(track=track), w)
    assert head.state_digest() == twin.state_digest()
    assert head.learner_.ledger.n_rows == twin.learner_.ledger.n_rows == w.sum()
    assert head.learner_.ledger.counts() == twin.learner_.ledger.counts()

    other = RLSClassifier(track=track).fit(X, Y, sample_weight=w)
    head.merge(other)
    assert head.state_digest() == repeated(RLSClassifier(), 2 * w).state_digest()
    assert head.unmerge(other).removed == w.sum()
    assert head.state_digest() == twin.state_digest()

    gone = np.minimum(w, 2)
    receipt = head.forget(X, Y, sample_weight=gone, digests=True)
    assert (receipt.requested, receipt.removed) == (gone.sum(), gone.sum())
    assert receipt.digest_after == repeated(RLSClassifier(), w - gone).state_digest()


@pytest.mark.parametrize("w", [W, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("head", [LDAClassifier(), GaussianClassifier(), NearestMeanClassifier()], ids=repr)
def test_an_id_owns_its_row_with_all_its_weight(head, w, tmp_path):
    ids = np.arange(60)
    head.fit(X, Y, sample_id=ids, sample_weight=w)
    head.save(tmp_path / "head")
    head = analytic_cl.load(tmp_path / "head")
    assert len(head.learner_.ledger.kept.by_id) == np.count_nonzero(w)
    gone, changed = np.flatnonzero(w)[:5], np.flatnonzero(w)[5:9]
    left = w.copy()
    left[gone] = 0

    assert head.forget(sample_id=gone).removed == w[gone].sum()
    assert head.state_digest() == repeated(type(head)(), left).state_digest()
    assert head.rectify(X[changed] + 1, Y[changed], sample_id=changed).removed == w[changed].sum()
    corrected = X.copy()
    corrected[changed] += 1
    expected = type(head)().fit(corrected.repeat(left, axis=0), Y.repeat(left))
    assert head.state_digest() == expected.state_digest()
    of_class = (left * (Y == 1)).sum()
    assert head.forget_class(1).removed == of_class


def test_rows_of_an_id_are_forgotten_by_themselves_only_all_at_once():
    head = LDAClassifier().fit(X, Y, sample_id=range(60), sample_weight=np.full(60, 3))
    before = head.state_digest()
    with pytest.raises(ValueError, match="learned under the sample ids 4, and the rows alone don't say"):
        head.forget(X[4:5], Y[4:5])
    with pytest.raises(NotLearnedError, match="row 0 of X"):
        head.forget(X[4:5], Y[4:5], sample_weight=[4])
    assert head.state_digest() == before
    assert head.forget(X[4:5], Y[4:5], sample_weight=[3]).removed == 3
    assert 4 not in head.learner_.ledger.kept.by_id


def test_rows_of_weight_0_leave_no_trace_but_are_checked():
    head = LDAClassifier().fit(X, Y, sample_id=range(60), sample_weight=Y == 1)

    assert head.classes_.tolist() == [1]
    assert head.partial_fit(X, Y, sample_id=range(60), sample_weight=Y != 1).state_.n_rows == 60
    assert head.state_digest() == LDAClassifier().fit(X, Y).state_digest()
    with pytest.raises(ValueError, match="contains NaN in row 3"):
        head.partial_fit(np.where(np.arange(60)[:, None] == 3, np.nan, X), Y, sample_weight=np.arange(60) != 3)


def test_one_entry_is_kept_whatever_the_weight_and_the_file_has_a_number_for_it(tmp_path):
    light = LDAClassifier(track="rows").fit(X, Y)
    heavy = LDAClassifier(track="rows").fit(X, Y, sample_weight=np.full(60, 10**7))
    for name, head in (("light", light), ("heavy", heavy)):
        head.save(tmp_path / name)

    assert heavy.learner_.ledger.kept.size == 60
    assert (tmp_path / "heavy").stat().st_size < (tmp_path / "light").stat().st_size + 1000
    _, arrays = light.learner_.ledger.to_arrays()
    assert not any("times" in name for name in arrays)
    heavy.forget(X, Y, sample_weight=np.full(60, 10**7 - 1))
    assert heavy.state_digest() == light.state_digest()
    assert not any("times" in name for name in heavy.learner_.ledger.to_arrays()[1])


@pytest.mark.parametrize("wrong", [np.zeros(60, int), np.full(60, -1), np.full(59, 2), np.full(60, 2.0)], ids=str)
def test_files_with_other_times_are_refused(wrong):
    head = LDAClassifier(track="rows").fit(X, Y, sample_weight=np.full(60, 2))
    about, arrays = head.learner_.describe()
    assert Learner.from_description(head.quantizer_, about, arrays).state.digest() == head.state_digest()

    for times in (wrong, np.full(60, 3), np.full(60, 2**62)):
        with pytest.raises(ValueError, match=r"don't fit each other|other rows than its state"):
            Learner.from_description(head.quantizer_, about, arrays | {"ledger_kept_times": times})


@pytest.mark.parametrize("w", [W, LARGE // 4], ids=["all held out", "more than are ever held out"])
def test_folds_are_those_of_repeated_rows(w):
    ours = list(folds(LDAClassifier(track="rows").fit(X, Y, sample_weight=w).learner_))
    theirs = list(folds(repeated(LDAClassifier(track="rows"), w).learner_))

    assert sum(len(fold.rows) for fold in ours) == min(w.sum(), 20_000)
    for fold, other in zip(ours, theirs, strict=True):
        assert fold.state.digest() == other.state.digest()
        np.testing.assert_array_equal(fold.rows, other.rows)
        assert fold.targets.of_rows() == other.targets.of_rows()


def test_held_out_choices_and_temperatures_are_those_of_repeated_rows():
    head = RLSClassifier("folds").fit(X, Y, sample_id=range(60), sample_weight=W)
    twin = repeated(RLSClassifier("folds"), sample_id=range(W.sum()))

    assert (head.alpha_, head.temperature_) == (twin.alpha_, twin.temperature_)
    np.testing.assert_array_equal(head.decision_function(X), twin.decision_function(X))


@pytest.mark.parametrize("w", [W, LARGE], ids=["small", "large"])
def test_recursive_weights_follow(w):
    head = RLSClassifier(alpha=1.0, solver="recursive").fit(X, Y)
    head.predict(X)
    head.partial_fit(X, Y, sample_weight=w)
    head.forget(X, Y, sample_weight=np.minimum(w, 2))
    plain = repeated(RLSClassifier(alpha=1.0), 1 + w - np.minimum(w, 2))

    np.testing.assert_allclose(head.decision_function(X), plain.decision_function(X), atol=1e-10)


def test_neighbours_have_weights_but_not_with_ids():
    head = NearestNeighborsClassifier().fit(X, Y, sample_weight=W)
    before = head.state_digest()

    assert before == repeated(NearestNeighborsClassifier()).state_digest()
    with pytest.raises(ValueError, match="one row for each sample id"):
        head.partial_fit(X, Y, sample_id=range(60), sample_weight=W)
    with pytest.raises(ValueError, match="more rows than the 16777216 that can be held here one by one"):
        head.partial_fit(X, Y, sample_weight=np.full(60, 10**9))
    assert head.state_digest() == before
    head.partial_fit(X, Y, sample_id=range(60), sample_weight=W > 2)
    assert head.forget(sample_id=np.flatnonzero(W > 2)).removed == (W > 2).sum()


# ---- scikit-learn


def test_ridge_with_weights_is_scikit_learns():
    head = RLSClassifier(alpha=1.0).fit(X, Y, sample_weight=W)
    dequantised = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    peer = RidgeClassifier(alpha=1.0).fit(dequantised, Y, sample_weight=W)

    np.testing.assert_allclose(head.coef_, peer.coef_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(head.intercept_, peer.intercept_, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("class_weight", [{0: 3, 1: 1, 2: 5}, "balanced"], ids=str)
def test_weights_by_class_are_scikit_learns_class_weight(class_weight):
    few = np.arange(60) < 25 + 10 * Y
    x, y = X[few], Y[few]
    if class_weight == "balanced":
        whole = np.lcm.reduce(np.bincount(y)) // np.bincount(y)
        factor = whole[0] / compute_class_weight("balanced", classes=np.arange(3), y=y)[0]
    else:
        whole, factor = np.array([3, 1, 5]), 1.0
    head = RLSClassifier(alpha=factor).fit(x, y, sample_weight=whole[y])
    dequantised = head.quantizer_.dequantise(head.quantizer_.quantise(x))
    peer = RidgeClassifier(alpha=1.0, class_weight=class_weight).fit(dequantised, y)

    np.testing.assert_allclose(head.coef_, peer.coef_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(head.intercept_, peer.intercept_, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("given", [W.tolist(), W.astype(np.float32), W.astype(np.uint8), W.astype(object)], ids=type)
def test_weights_come_in_many_kinds(given):
    np.testing.assert_array_equal(as_weights(given, 60), W)
    assert as_weights(np.ones(60), 60) is None
    assert as_weights([True] * 60, 60) is None


# ---- around heads


def test_a_pipeline_does_not_cache_what_it_did_not_learn(tmp_path):
    pipeline = ContinualPipeline(Normalizer(), LDAClassifier(), cache=tmp_path)
    pipeline.fit(X, Y, sample_id=range(60), sample_weight=W)
    plain = ContinualPipeline(Normalizer(), LDAClassifier()).fit(X.repeat(W, axis=0), Y.repeat(W))

    assert pipeline.state_digest() == plain.state_digest()
    with closing(sqlite3.connect(tmp_path / "features.sqlite")) as cache:
        counts = [cache.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("features", "names")]
    assert counts == [np.count_nonzero(W)] * 2
    assert pipeline.forget_class(1).removed == W[Y == 1].sum()
    with closing(sqlite3.connect(tmp_path / "features.sqlite")) as cache:
        assert cache.execute("SELECT count(*) FROM names").fetchone()[0] == np.count_nonzero(W[Y != 1])


def test_a_store_refuses_a_head_with_weights(tmp_path):
    with analytic_cl.Store.create(tmp_path / "store", LDAClassifier()) as store:
        with pytest.raises(ValueError, match="learned rows with weights, and a store holds every row once"):
            store.merge(LDAClassifier(track="rows").fit(X, Y, sample_weight=W))
        assert store.merge(LDAClassifier(track="rows").fit(X, Y)) == 60
