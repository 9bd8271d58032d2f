"""A base model that is corrected by a memory, and the corrections that are forgotten again."""

import numpy as np
import pytest
from common import DATA, blobs, ignore_quantization, pack
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV

from analytic_cl import ErrorMemory, FixedPoint, KeyValueBottleneckClassifier, LDAClassifier, NearestNeighborsClassifier

MEMORIES = [
    None,
    NearestNeighborsClassifier(5, "majority"),
    KeyValueBottleneckClassifier(32, 4, "mean posterior"),
]


def data():
    X, y = blobs(200, 6, 4, seed=3)
    mixed = np.random.RandomState(0).permutation(200)
    return X[mixed], np.array(list("abcd"))[y[mixed]]


def base_on_two_classes(X, y):
    return LogisticRegression().fit(X[y < "c"], y[y < "c"])


@pytest.mark.parametrize("memory", MEMORIES, ids=str)
def test_classes_that_the_base_never_saw_are_learned(memory):
    X, y = data()
    model = ErrorMemory(base_on_two_classes(X, y), memory, weight=0.9).fit(X[::2], y[::2])

    assert model.base.score(X, y) < 0.6
    assert model.score(X[1::2], y[1::2]) > 0.9
    assert model.classes_.tolist() == list("abcd")
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("memory", MEMORIES, ids=str)
def test_learn_forget_and_merge_leave_the_memory_of_a_fit_on_what_is_left(memory):
    X, y = data()
    base = base_on_two_classes(X, y)
    model = ErrorMemory(base, memory).partial_fit(X[:100], y[:100], sample_id=range(100))
    model.merge(ErrorMemory(base, memory).fit(X[100:], y[100:], sample_id=range(100, 200)))
    model.rectify(X[5:6], ["d"], sample_id=[5])
    model.forget(sample_id=[5, *range(20, 60)])
    model.forget(X[199:], y[199:])
    rest = np.setdiff1d(np.arange(199), [5, *range(20, 60)])
    fresh = ErrorMemory(base, memory).fit(X[rest], y[rest])

    assert model.state_digest() == fresh.state_digest()
    np.testing.assert_array_equal(model.predict_proba(X), fresh.predict_proba(X))
    for label in "abcd":
        model.forget_class(label)
    assert model.state_digest() == ErrorMemory(base, memory).state_digest()


def test_the_correction_is_the_published_formula():
    X, y = data()
    base = base_on_two_classes(X, y)
    memory = NearestNeighborsClassifier(4, temperature=2.0)
    p = np.zeros((200, 4))
    p[:, :2] = base.predict_proba(X)
    neighbours = memory.fit(X[::2], y[::2], sample_id=np.arange(0, 200, 2)).neighbors(X)
    shares = np.exp(-((neighbours.distances / neighbours.distances[:, 2:3]) ** 2) / 8)
    shares /= shares.sum(axis=1, keepdims=True)
    labels = np.stack([(shares * (neighbours.labels == c)).sum(axis=1) for c in "abcd"], axis=1)
    theirs = np.einsum("nk,nkc->nc", shares, p[neighbours.ids.astype(int)])
    for gamma in (0.0, 0.3, 1.0):
        expected = np.clip(p + 0.7 * (gamma * (labels - p) + (1 - gamma) * (labels - theirs)), 0, 1)
        model = ErrorMemory(base, memory, weight=0.7, gamma=gamma).fit(X[::2], y[::2])

        np.testing.assert_allclose(
            model.predict_proba(X), expected / expected.sum(axis=1, keepdims=True), atol=1e-3
        )  # the memory's rows are rounded with its quantizer


def test_without_weight_the_base_stands():
    X, y = data()
    base = base_on_two_classes(X, y)
    model = ErrorMemory(base, weight=0).fit(X, y)

    np.testing.assert_allclose(model.predict_proba(X)[:, :2], base.predict_proba(X))


@ignore_quantization
def test_errors_of_real_intents_are_corrected():
    if not (DATA / "clinc150_minilm.npz").exists():
        pytest.skip(f"clinc150_minilm.npz is not in {DATA}")
    d = pack("clinc150_minilm")
    X, y, queries, truth = d["X_train"][:6000], d["y_train"][:6000], d["X_test"][:1500], d["y_test"][:1500]
    base = LDAClassifier().fit(X[y < 100], y[y < 100])
    corrected = ErrorMemory(base, weight=0.7).fit(X, y)
    errors = ErrorMemory(base, weight=0.7, gamma=0.0).fit(X, y)

    assert base.score(queries, truth) < 0.68
    assert corrected.score(queries, truth) > 0.86
    assert errors.score(queries, truth) > 0.78


def test_a_memory_is_saved_and_loaded_without_its_base(tmp_path):
    X, y = data()
    base = base_on_two_classes(X, y)
    model = ErrorMemory(base, weight=0.6).fit(X, y)
    model.save(tmp_path / "memory.safetensors")
    loaded = ErrorMemory.load(tmp_path / "memory.safetensors", base, weight=0.6)

    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.state_digest() == model.state_digest()


@ignore_quantization
def test_what_cannot_be_meant_is_refused():
    X, y = data()
    base = base_on_two_classes(X, y)
    with pytest.raises(TypeError, match="no predict_proba: calibrate"):
        ErrorMemory(RidgeClassifier().fit(X, y)).fit(X, y)
    with pytest.raises(TypeError, match="memory must be"):
        ErrorMemory(base, LDAClassifier()).fit(X, y)
    with pytest.raises(ValueError, match="weight must be"):
        ErrorMemory(base, weight=1.5).fit(X, y)
    with pytest.raises(ValueError, match="buckets don't know"):
        ErrorMemory(base, KeyValueBottleneckClassifier(4, 2), gamma=0.5).fit(X, y)
    normalising = NearestNeighborsClassifier(quantizer=FixedPoint(8, norm="l2"))
    with pytest.raises(ValueError, match="unreadable behind"):
        ErrorMemory(base, normalising, gamma=0.5).fit(X, y).predict(X)
    with pytest.raises(TypeError, match="another ErrorMemory"):
        ErrorMemory(base).fit(X, y).merge(base)
    with pytest.raises(Exception, match="not fitted"):
        ErrorMemory(LogisticRegression()).fit(X, y)


def test_labels_of_another_kind_than_the_bases_are_refused():
    X, y = data()
    base = base_on_two_classes(X, y)
    model = ErrorMemory(base)
    for labels in (np.arange(200) % 2, np.arange(200) % 2 > 0):
        with pytest.raises(ValueError, match="labels of mixed types: 'a' \\(string\\)"):
            model.fit(X, labels)
        with pytest.raises(ValueError, match="labels of mixed types"):
            model.merge(ErrorMemory(LogisticRegression().fit(X, labels)).fit(X, labels))
    assert not model.__sklearn_is_fitted__()
    assert model.fit(X, y).classes_.tolist() == list("abcd")


def test_a_base_with_whole_floats_for_labels_has_integers():
    X, y = data()
    numbers = np.searchsorted(list("abcd"), y)
    base = LogisticRegression().fit(X, np.array([1.0, 2.0, 2.0**60])[numbers % 3])
    model = ErrorMemory(base).fit(X, np.array([1, 2, 2**60 + 1])[numbers % 3])

    assert model.classes_.tolist() == [1, 2, 2**60, 2**60 + 1]
    assert model.predict_proba(X).shape == (200, 4)


def test_a_clone_has_the_same_base():
    X, y = data()
    model = ErrorMemory(base_on_two_classes(X, y), NearestNeighborsClassifier(2)).fit(X, y)
    copy = clone(model)

    assert copy.base is model.base
    assert copy.memory is not model.memory
    assert not copy.__sklearn_is_fitted__()
    assert GridSearchCV(model, {"weight": [0.0, 1.0]}, cv=2).fit(X, y).best_params_ == {"weight": 1.0}


def test_a_memory_without_rows_is_refused_where_gamma_needs_them():
    X, y = data()
    model = ErrorMemory(base_on_two_classes(X, y), KeyValueBottleneckClassifier(4, 2)).fit(X, y)

    with pytest.raises(ValueError, match="buckets don't know"):
        model.set_params(memory=None, gamma=0.5).predict(X)
