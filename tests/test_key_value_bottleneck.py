"""Keys see no data, counts are exact, and codebooks vote as the formulas say."""

import numpy as np
import pytest
from common import blobs, ignore_door

from analytic_cl import (
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    resolve_door,
    use_backend,
    use_threads,
)
from analytic_cl._config import BACKENDS
from analytic_cl.datasets import load_clinc150
from analytic_cl.door import SignKeys
from analytic_cl.door.sign_keys import _plus_bits
from analytic_cl.solvers import READ_OUTS
from analytic_cl.solvers.read_out import read_out, scores_reference
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


@ignore_door
@pytest.mark.parametrize("how", READ_OUTS)
@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_codebooks_vote_as_the_formulas_say(how, n_classes):
    X, y = blobs(200, 300, n_classes)
    order = np.argsort(-y, kind="stable")  # classes arrive from the last to the first
    fitted = head(read_out=how).partial_fit(X[order[:100]], y[order[:100]]).partial_fit(X[order[100:]], y[order[100:]])
    keys = fitted.moments_.keys.keys(fitted.door_.quantise(X))
    expected = scores_reference(fitted.moments_, keys, how, 0.05)

    np.testing.assert_allclose(read_out(fitted.moments_, keys, how, 0.05), expected, rtol=1e-9)
    if n_classes > 2:
        np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[expected.argmax(axis=1)])
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1.0)


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
        KeyValueBottleneckClassifier.from_moments(LDAClassifier().fit(X, y).moments_)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"bits": 11}, "bits must be from 1 to 10"),
        ({"bits": 0}, "bits must be from 1"),
        ({"n_codebooks": 0}, "n_codebooks must be from 1"),
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
    state = head().fit(X, y).moments_
    arrays = state.to_arrays()
    assert KeyCounts.from_arrays(state.door, state.keys, state.labels, dict(arrays)).digest() == state.digest()
    forge(arrays)
    with pytest.raises(ValueError, match=r"counts|tables|codebook"):
        KeyCounts.from_arrays(state.door, state.keys, state.labels, arrays)


def test_memory_is_what_the_docstring_says():
    door = resolve_door("wide", None, 4)
    state = KeyCounts(door, SignKeys(16, 8))
    state.add(np.zeros((5, 4), dtype=np.int32), np.arange(5))
    assert state._tables.nbytes == 4 * 16 * 2**8 * 5


def test_clinc150_reaches_its_accuracy():
    data = load_clinc150()
    fitted = KeyValueBottleneckClassifier().fit(data.X_train, data.y_train)
    assert fitted.score(data.X_test, data.y_test) >= 0.936
    assert fitted.set_params(read_out="mean log posterior").score(data.X_test, data.y_test) >= 0.936
    assert fitted.set_params(read_out="mean posterior").score(data.X_test, data.y_test) >= 0.91
