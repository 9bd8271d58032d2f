"""Keys see no data, counts are exact, and codebooks vote as the formulas say."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from common import blobs, ignore_quantization
from sklearn.base import clone

from analytic_cl import (
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestKeys,
    NearestMeanClassifier,
    Store,
    load,
    resolve_quantizer,
    use_backend,
    use_threads,
)
from analytic_cl._config import BACKENDS
from analytic_cl.checks import check_head
from analytic_cl.datasets import load_clinc150
from analytic_cl.quantizers import SignKeys
from analytic_cl.quantizers.centres import moved, shuffled
from analytic_cl.quantizers.nearest import LIMIT, nearest, squares
from analytic_cl.quantizers.nearest_keys import _coordinates
from analytic_cl.quantizers.sign_keys import _plus_bits, weighted_sums
from analytic_cl.solvers import READ_OUTS
from analytic_cl.solvers.read_out import read_out
from analytic_cl.statistics import KeyCounts


def head(**parameters):
    return KeyValueBottleneckClassifier(**{"n_codebooks": 24, "bits": 5, **parameters})


@pytest.mark.parametrize("d", [1, 2, 7, 256, 257, 300, 511])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_keys_are_the_same_on_every_backend(d, bits):
    limit = {8: 127, 16: 32639, 32: 0x7F7F7F7F}[bits]
    rows = np.random.RandomState(d).randint(-limit, limit + 1, size=(9, d)).astype(f"int{bits}")
    rows[0], rows[1] = 0, limit
    keys = []
    for backend in BACKENDS:
        with use_backend(backend):
            keys.append(SignKeys(13, 6, 3).keys(rows))
    assert all(np.array_equal(keys[0], other) for other in keys[1:])
    assert keys[0].shape == (9, 13) and keys[0].max() < 2**6


def test_wide_projections_sum_to_zero_and_narrow_ones_differ():
    plus = np.unpackbits(_plus_bits(0, 50, 301), axis=1, count=301, bitorder="little")
    assert (plus.sum(axis=1) == 151).all()  # 151 added, 150 subtracted
    assert len(np.unique(plus, axis=0)) == 50
    rows = np.ones((1, 300), dtype=np.int8)
    assert not SignKeys(8, 8).keys(rows).any()  # what all columns share cancels


def test_the_first_codebooks_do_not_depend_on_how_many_there_are():
    rows = np.random.RandomState(0).randint(-127, 128, size=(20, 300)).astype(np.int8)
    np.testing.assert_array_equal(SignKeys(5, 8).keys(rows), SignKeys(9, 8).keys(rows)[:, :5])
    assert (SignKeys(5, 8, 1).keys(rows) != SignKeys(5, 8, 2).keys(rows)).any()


def votes(counts, keys, how, smoothing):
    """The formulas of `read_out`, as they are written there."""
    n = counts.counts
    out = np.zeros((len(keys), len(n)))
    for table, key in zip(counts.tables, keys.T, strict=True):
        hit = table[key] + smoothing
        posterior = hit / hit.sum(axis=1, keepdims=True)
        if how == "naive bayes":
            out += np.log(hit / (n + smoothing * len(table)))
        else:
            out += posterior if how == "mean posterior" else np.log(posterior)
    return out + np.log(n / n.sum()) if how == "naive bayes" else out / len(counts.tables)


@ignore_quantization
@pytest.mark.parametrize("how", READ_OUTS)
@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_codebooks_vote_as_the_formulas_say(how, n_classes):
    X, y = blobs(200, 300, n_classes)
    order = np.argsort(-y, kind="stable")  # classes arrive from the last to the first
    fitted = head(read_out=how).partial_fit(X[order[:100]], y[order[:100]]).partial_fit(X[order[100:]], y[order[100:]])
    keys = fitted.state_.keys.keys(fitted.quantizer_.quantise(X))
    expected = votes(fitted.state_, keys, how, 0.05)

    np.testing.assert_allclose(read_out(fitted.state_, keys, how, 0.05), expected, rtol=1e-9)
    if n_classes > 2:
        np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[expected.argmax(axis=1)])
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1.0)

    with use_backend("numpy"):  # the same bits, but for logarithms that the kernel takes itself
        plain = read_out(fitted.state_, keys, how, 0.05)
    rtol = 1e-13 if how == "mean log posterior" else 0
    np.testing.assert_allclose(plain, read_out(fitted.state_, keys, how, 0.05), rtol=rtol, atol=rtol)


def test_a_row_alone_and_in_a_batch_get_the_same_bits():
    X, y = blobs(3000, 20, 40)
    fitted = head(n_codebooks=100).fit(X, y)
    scores = fitted.decision_function(X)
    with use_threads(1):
        np.testing.assert_array_equal(fitted.decision_function(X), scores)
    np.testing.assert_array_equal(
        np.concatenate([fitted.decision_function(X[i : i + 1]) for i in range(20)]), scores[:20]
    )


def test_read_out_may_change_and_keys_may_not():
    X, y = blobs(90, 20, 3)
    fitted = head().fit(X, y)
    digest = fitted.state_digest()
    assert fitted.set_params(read_out="mean posterior").score(X, y) > 0.9
    assert fitted.state_digest() == digest
    with pytest.raises(ValueError, match="keys changed since the first rows were learned"):
        fitted.set_params(bits=4).predict(X)
    with pytest.raises(ValueError, match="keys changed"):
        fitted.partial_fit(X, y)
    assert fitted.set_params(bits=5).state_digest() == digest


def test_a_class_is_forgotten_without_its_rows():
    X, y = blobs(90, 20, 3)
    fitted = head(track="none").fit(X, y)
    assert fitted.forget_class(1).removed == 30
    assert fitted.state_digest() == head().fit(X[y != 1], y[y != 1]).state_digest()


def test_rows_that_were_never_learned_are_refused_where_counts_prove_it():
    X, y = blobs(90, 20, 3)
    fitted = head(track="none").fit(X, y)
    digest = fitted.state_digest()
    with pytest.raises(ValueError, match="never all learned under these labels"):
        fitted.forget(X[:5] + 100, y[:5])
    with pytest.raises(ValueError, match=r"31 rows of class 0 to forget, but only 30 were learned"):
        fitted.forget(np.repeat(X[:1], 31, axis=0), np.zeros(31, int))
    assert fitted.state_digest() == digest


def test_states_of_other_kinds_or_keys_are_not_merged():
    X, y = blobs(30, 20, 3)
    fitted = head().fit(X, y)
    for other in (head(random_state=1).fit(X, y), LDAClassifier().fit(X, y), NearestMeanClassifier().fit(X, y)):
        with pytest.raises(ValueError, match=r"can be merged|can't be merged"):
            fitted.merge(other)
        with pytest.raises(ValueError, match=r"can be merged|can't be merged"):
            other.merge(fitted)


def test_what_it_does_not_have_is_said():
    X, y = blobs(30, 20, 3)
    fitted = head().fit(X, y)
    assert not hasattr(fitted, "coef_")  # its scores are not linear in the row
    with pytest.raises(TypeError, match="fit it on the rows"):
        KeyValueBottleneckClassifier.from_moments(LDAClassifier().fit(X, y).state_)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"bits": 11}, "bits must be an integer from 1 to 10"),
        ({"bits": 0}, "bits must be an integer from 1"),
        ({"n_codebooks": 0}, "n_codebooks must be an integer from 1"),
        ({"n_codebooks": 2.5}, "n_codebooks must be an integer"),
        ({"random_state": None}, "random_state must be an integer"),
        ({"smoothing": 0}, "smoothing must be above 0"),
        ({"smoothing": "a"}, "smoothing must be"),
        ({"read_out": "vote"}, "read_out must be one of"),
    ],
)
def test_parameters_that_can_not_be_meant_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        head(**parameters).fit(*blobs())


@pytest.mark.parametrize(
    "forge",
    [
        lambda arrays: arrays["tables"].__setitem__((0, 0, 0), arrays["tables"][0, 0, 0] + 1),
        lambda arrays: arrays["tables"].__setitem__((0, 0, 0), -1),
        lambda arrays: arrays.pop("tables"),
        lambda arrays: arrays.update(tables=arrays["tables"].astype(np.int64)),
        lambda arrays: arrays.update(tables=arrays["tables"][:3]),
        lambda arrays: arrays.update(counts=arrays["counts"] * 0),
    ],
)
def test_impossible_counts_are_not_loaded(forge):
    X, y = blobs(30, 20, 3)
    state = head().fit(X, y).state_
    arrays = state.to_arrays()
    assert KeyCounts.from_arrays(state.quantizer, state.describe(), dict(arrays)).digest() == state.digest()
    forge(arrays)
    with pytest.raises(ValueError, match=r"counts|tables|codebook"):
        KeyCounts.from_arrays(state.quantizer, state.describe(), arrays)


def test_memory_is_what_the_docstring_says():
    quantizer = resolve_quantizer("tabular", None, 4)
    state = KeyCounts(quantizer, SignKeys(16, 8))
    state.add(np.zeros((5, 4), dtype=np.int32), np.arange(5))
    assert state._tables.nbytes == 4 * 16 * 2**8 * 5


def test_clinc150_reaches_its_accuracy():
    data = load_clinc150()
    fitted = KeyValueBottleneckClassifier().fit(data.X_train, data.y_train)
    assert fitted.score(data.X_test, data.y_test) >= 0.936
    assert fitted.set_params(read_out="mean log posterior").score(data.X_test, data.y_test) >= 0.936
    assert fitted.set_params(read_out="mean posterior").score(data.X_test, data.y_test) >= 0.91


METHODS = [
    "sample",
    "ema",
    pytest.param("kmeans", marks=pytest.mark.skipif(find_spec("faiss") is None, reason="needs the extra faiss")),
]


def nearest_keys(d=20, method="sample", **parameters):
    public = np.random.RandomState(9).normal(size=(60, d))
    settings = {"n_codebooks": 11, "bits": 4, "n_dimensions": 5, **parameters}
    return NearestKeys.from_rows(public, method=method, **settings)


@ignore_quantization
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("d", [20, 300])
def test_heads_with_nearest_keys_pass_every_check(method, d):
    check_head(KeyValueBottleneckClassifier(keys=nearest_keys(d, method)), *blobs(40, d, 3))


@pytest.mark.parametrize("d", [1, 7, 256, 257, 300])
@pytest.mark.parametrize("quantizer", ["embedding", "tabular"])
@pytest.mark.parametrize("n_dimensions", [1, 4, 7])
def test_nearest_keys_are_the_same_on_every_backend_and_for_every_batch(d, quantizer, n_dimensions):
    keys = nearest_keys(d, quantizer=quantizer, n_dimensions=n_dimensions)
    rows = keys.quantizer.quantise(np.random.RandomState(1).normal(size=(40, d)))
    rows[0], rows[1] = 0, keys.quantizer.limit
    found = keys.keys(rows)
    for backend in BACKENDS:
        with use_backend(backend):
            np.testing.assert_array_equal(keys.keys(rows), found)
    with use_threads(1):
        np.testing.assert_array_equal(np.concatenate([keys.keys(rows[i : i + 1]) for i in range(40)]), found)
    assert found.shape == (40, 11) and found.max() < 2**4


def test_the_nearest_centre_is_found_at_the_limits_and_ties_go_to_the_lowest_number():
    random = np.random.RandomState(0)
    coordinates = random.choice([-LIMIT, LIMIT, 0, 3], size=(50, 9, 32)).astype(np.int16)
    centres = random.choice([-LIMIT, LIMIT, 0, 3], size=(9, 32, 8)).astype(np.int16)
    centres[:, :, 5] = centres[:, :, 2]
    coordinates[:3] = centres[:, :, 5]
    away = coordinates[..., None].astype(object) - centres.astype(object)
    expected = (away**2).sum(axis=2).argmin(axis=2).astype(int)
    for backend in BACKENDS:
        keys = np.empty((50, 9), dtype=np.uint16)
        with use_backend(backend):
            nearest(coordinates, centres, squares(centres), keys)
        np.testing.assert_array_equal(keys, expected)
    assert (expected[:3] == 2).all()


def test_threads_do_not_change_nearest_keys():
    keys = nearest_keys(300, n_codebooks=101, bits=5)
    rows = keys.quantizer.quantise(np.random.RandomState(1).normal(size=(500, 300)))
    with use_threads(3):
        found = keys.keys(rows)
    with use_threads(1):
        np.testing.assert_array_equal(keys.keys(rows), found)


def test_a_sample_has_each_row_as_the_nearest_of_itself():
    public = np.random.RandomState(0).normal(size=(16, 300))
    keys = NearestKeys.from_rows(public, n_codebooks=6, bits=4)
    found = keys.keys(keys.quantizer.quantise(public))
    np.testing.assert_array_equal(np.sort(found, axis=0), np.tile(np.arange(16)[:, None], 6))
    assert (found[:, 0] != found[:, 1]).any()  # each codebook has an order of its own


@pytest.mark.parametrize("method", METHODS)
def test_fitted_centres_lie_nearer_to_the_rows_than_a_sample(method):
    X, _ = blobs(600, 300, 40)

    def mean_distance(keys):
        q = keys.quantizer.quantise(X)
        coordinates = _coordinates(weighted_sums(q, 0, 5 * 6), keys.shift).reshape(600, 5, 6)
        hit = np.stack([keys.centres[c][:, keys.keys(q)[:, c]].T for c in range(5)], axis=1)
        return ((coordinates - hit.astype(float)) ** 2).sum(axis=2).mean()

    settings = dict(n_codebooks=5, bits=5, n_dimensions=6)
    sampled = mean_distance(NearestKeys.from_rows(X, **settings))
    ratio = mean_distance(NearestKeys.from_rows(X, method=method, **settings)) / sampled
    assert ratio == 1 if method == "sample" else ratio < 0.85


def test_a_dead_centre_is_replaced_for_good():
    batch = np.array([[[10, 20]], [[12, 22]], [[11, 21]]], dtype=np.int16)
    far, alive = [-3000.0, 900.0], [11.0, 21.0]
    hits, totals = np.array([[1.0, 0.01]]), np.array([[alive, np.multiply(far, 0.01)]])
    hits, totals = moved(batch, hits, totals, 1.0)
    np.testing.assert_array_equal(totals[0, 1] / hits[0, 1], batch[0, 0])
    np.testing.assert_allclose(totals[0, 0] / hits[0, 0], alive)
    hits, totals = moved(batch[:1] + 1, hits, totals, 1.0)  # nearer to the living one, or as near
    assert np.abs(totals[0, 1] / hits[0, 1] - batch[0, 0]).max() <= 1  # nothing pulls it back to where it was


def test_order_of_shuffled_rows_is_fixed():
    assert shuffled(8, 5, 1).tolist() == [3, 2, 0, 7, 1, 4, 5, 6]
    assert sorted(shuffled(1000, 0, 0)) == list(range(1000))


@pytest.mark.parametrize(("method", "fingerprint"), [("sample", "1ae36ef3e582d7da"), ("ema", "4f244d845e736ea3")])
def test_keys_made_now_are_those_of_every_version_and_machine(method, fingerprint):
    rows = np.random.RandomState(0).randint(-127, 128, size=(300, 260))
    keys = NearestKeys.from_rows(rows, n_codebooks=7, bits=4, n_dimensions=5, method=method, quantizer="integers")
    assert keys.fingerprint[:16] == fingerprint


def test_equal_keys_are_equal_and_others_are_not():
    keys = nearest_keys()
    again = nearest_keys()
    assert keys == again and hash(keys) == hash(again) and keys is not again
    assert keys == NearestKeys(keys.quantizer, keys.centres, keys.shift, keys.random_state)
    for other in (
        nearest_keys(random_state=1),
        nearest_keys(quantizer="embedding"),
        nearest_keys(method="ema"),
        "signs",
    ):
        assert keys != other
    moved = keys.centres.copy()
    moved[0, 0, 0] += 1
    assert NearestKeys(keys.quantizer, moved, keys.shift, keys.random_state) != keys
    assert len(repr(keys)) < 120
    with pytest.raises(ValueError, match="read-only"):
        keys.centres[0] = 0


def test_nearest_keys_are_a_parameter_like_any_other():
    keys = nearest_keys()
    fitted = KeyValueBottleneckClassifier(keys=keys).fit(*blobs(60, 20))
    assert clone(fitted).keys is keys and fitted.get_params()["keys"] is keys
    assert "NearestKeys(11 codebooks, 4 bits" in repr(fitted) and len(repr(fitted)) < 400
    assert fitted.state_.tables.shape == (11, 16, 3)
    digest = fitted.state_digest()
    with pytest.raises(ValueError, match="keys changed since the first rows were learned"):
        fitted.set_params(keys="signs").predict(blobs()[0])
    assert fitted.set_params(keys=nearest_keys()).state_digest() == digest


def test_heads_with_nearest_keys_come_back_from_disk(tmp_path):
    X, y = blobs(60, 20)
    head = KeyValueBottleneckClassifier(keys=nearest_keys())
    head.save(tmp_path / "unfitted")
    head.fit(X, y).save(tmp_path / "fitted")
    unfitted, fitted = load(tmp_path / "unfitted"), load(tmp_path / "fitted")
    assert unfitted.keys == fitted.keys == fitted.state_.keys == nearest_keys()
    assert unfitted.fit(X, y).state_digest() == fitted.state_digest() == head.state_digest()
    np.testing.assert_array_equal(fitted.decision_function(X), head.decision_function(X))


def test_other_centres_in_a_file_are_refused():
    state = KeyValueBottleneckClassifier(keys=nearest_keys()).fit(*blobs(60, 20)).state_
    keys = state.keys
    assert NearestKeys.from_arrays(keys.quantizer, keys.spec(), state.to_arrays()) == keys
    with pytest.raises(ValueError, match="missing"):
        NearestKeys.from_arrays(keys.quantizer, keys.spec(), {})
    with pytest.raises(ValueError, match="fingerprint"):
        NearestKeys.from_arrays(keys.quantizer, keys.spec(), {"centres": keys.centres[:, ::-1]})
    with pytest.raises(ValueError, match="centres must be int16"):
        NearestKeys.from_arrays(keys.quantizer, keys.spec(), {"centres": keys.centres.astype(np.int32)})


def test_heads_with_different_nearest_keys_are_not_merged():
    X, y = blobs(60, 20)
    fitted = KeyValueBottleneckClassifier(keys=nearest_keys()).fit(X, y)
    before = fitted.state_digest()
    for other in (head(), KeyValueBottleneckClassifier(keys=nearest_keys(random_state=1))):
        with pytest.raises(ValueError, match="only counts of the same keys"):
            fitted.merge(other.fit(X, y))
    assert (
        fitted.state_digest()
        == before
        != KeyValueBottleneckClassifier(keys=nearest_keys(random_state=1)).fit(X, y).state_digest()
    )


def test_rows_behind_another_quantizer_are_refused():
    for head_, d in (
        (KeyValueBottleneckClassifier(keys=nearest_keys()), 21),
        (KeyValueBottleneckClassifier(keys=nearest_keys(), quantizer="embedding"), 20),
    ):
        with pytest.raises(ValueError, match="keys were made behind another quantizer"):
            head_.fit(*blobs(60, d))
        assert not head_.__sklearn_is_fitted__()


def test_a_store_refuses_nearest_keys_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"a store holds one of|only a head's own file holds NearestKeys"):
        Store.create(tmp_path / "store", KeyValueBottleneckClassifier(keys=nearest_keys()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rows", "parameters", "words"),
    [
        (np.ones(30), {}, "must be numbers of shape"),
        (np.ones((30, 0)), {}, "must be numbers of shape"),
        (np.full((30, 2), "a"), {}, "must be numbers of shape"),
        (np.ones((15, 2)), {}, "16 centres need at least as many rows, got 15"),
        (np.where(np.arange(60).reshape(30, 2) == 7, np.nan, 1.0), {}, "NaN in row 3"),
        (np.where(np.arange(60).reshape(30, 2) == 7, np.inf, 1.0), {}, "infinity in row 3"),
        (np.ones((30, 2)), {"method": "median"}, "method must be one of 'sample'"),
        (np.ones((30, 2)), {"bits": 11}, "bits must be an integer from 1 to 10"),
        (np.ones((30, 2)), {"n_codebooks": 0}, "n_codebooks must be an integer from 1"),
        (np.ones((30, 2)), {"n_dimensions": 33}, "n_dimensions must be an integer from 1 to 32"),
        (np.ones((30, 2)), {"random_state": None}, "random_state must be an integer"),
        (np.ones((30, 2)), {"quantizer": "narrow"}, "quantizer must be"),
    ],
)
def test_rows_that_can_not_make_keys_are_refused(rows, parameters, words):
    with pytest.raises(ValueError, match=words):
        NearestKeys.from_rows(rows, **{"n_codebooks": 3, "bits": 4, **parameters})


def test_rows_that_are_all_the_same_make_keys_all_the_same():
    for rows in (np.zeros((20, 3)), np.full((20, 3), 1e30)):
        keys = NearestKeys.from_rows(rows, n_codebooks=3, bits=4, quantizer="embedding", method="ema")
        assert not keys.keys(keys.quantizer.quantise(rows)).any()


@pytest.mark.parametrize("keys", [None, "nearest", 3, np.ones(3)])
def test_keys_of_no_known_kind_are_refused(keys):
    with pytest.raises(ValueError, match="keys must be 'signs' or NearestKeys"):
        KeyValueBottleneckClassifier(keys=keys).fit(*blobs())


def test_kmeans_without_faiss_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"analytic-cl\[faiss\]"):
        nearest_keys(method="kmeans")


def test_few_codebooks_gain_from_centres_on_clinc150():
    data = load_clinc150()
    public = data.X_train[::5]  # of a user's own, in earnest: these rows are to be forgotten by nobody
    signs = KeyValueBottleneckClassifier(32).fit(data.X_train, data.y_train)
    centres = KeyValueBottleneckClassifier(keys=NearestKeys.from_rows(public, n_codebooks=32))
    assert centres.fit(data.X_train, data.y_train).score(data.X_test, data.y_test) >= 0.895
    assert signs.score(data.X_test, data.y_test) <= 0.89
