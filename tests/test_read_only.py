"""A state whose arrays can't be written to learns and forgets as any other, and leaves those arrays as they are."""

import copy
import pickle
import weakref
from types import ModuleType

import joblib
import numpy as np
import pytest
from common import HEADS, blobs, head_name, ignore_quantization
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

import analytic_cl
from analytic_cl import (
    ContinualPipeline,
    ErrorMemory,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestKeys,
    NearestNeighborsClassifier,
    RLSClassifier,
    use_backend,
    use_threads,
)
from analytic_cl._config import BACKENDS

pytestmark = ignore_quantization

X, Y = blobs(90, 6, 3)
NEW_X, NEW_Y = blobs(40, 6, 4, seed=1)
LATE = np.arange(60, 90)  # learned without ids

SCALER = StandardScaler().fit(X)
MORE = [
    LDAClassifier(quantizer="embedding"),
    KeyValueBottleneckClassifier(keys=NearestKeys.from_rows(NEW_X, n_codebooks=4, bits=3, quantizer="tabular")),
    NearestNeighborsClassifier(3, index="ivf", n_probes=1, quantizer="tabular"),
    ErrorMemory(LDAClassifier(quantizer="tabular").fit(X, Y)),
    ErrorMemory(LDAClassifier(quantizer="tabular").fit(X, Y), KeyValueBottleneckClassifier(16, 4)),
    ContinualPipeline(SCALER, LDAClassifier()),
]
ALL = [*HEADS, *MORE]


@pytest.fixture(autouse=True)
def one_thread():
    """Of FAISS: on rows so few, its threads would wait for a core for most of the time."""
    with use_threads(1):
        yield


def arrays_of(thing, found=None, seen=None):
    """Every array that can be reached from an object, whoever holds it."""
    found, seen = ([], set()) if found is None else (found, seen)
    if id(thing) in seen or isinstance(thing, str | bytes | int | float | type | ModuleType | weakref.ref | None):
        return found
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        found.append(thing)
        arrays_of(thing.base, found, seen)
        inside = thing.ravel().tolist() if thing.dtype == object else []
    elif isinstance(thing, dict):
        inside = [*thing, *thing.values()]
    elif isinstance(thing, list | tuple | set | frozenset):
        inside = thing
    else:
        inside = [vars(thing)] if hasattr(thing, "__dict__") else []
    for each in inside:
        arrays_of(each, found, seen)
    return found


def frozen(model):
    """The model with every array of it read-only, and what those arrays hold."""
    arrays = arrays_of(model)
    for array in arrays:
        array.flags.writeable = False
    return [(array, array.copy()) for array in arrays]


def ids_kept(model):
    return getattr(model, "track", "auto") in ("auto", "rows")


def learned(model):
    model = clone(model)
    if getattr(model, "track", "auto") == "none":
        return model.fit(X[:60], Y[:60]).partial_fit(X[LATE], Y[LATE])
    return model.fit(X[:60], Y[:60], sample_id=range(60)).partial_fit(X[LATE], Y[LATE])


def other(model):
    return clone(model).fit(NEW_X, NEW_Y)


def needs_rows(model):
    """Whether a class can't be forgotten without its rows."""
    return not head_of(model).state_.can_drop_classes


def saved(model, path):
    model.save(path)
    return model


CHANGES = {
    "learn one": lambda m: m.partial_fit(NEW_X[:1], NEW_Y[:1]),
    "learn many": lambda m: m.partial_fit(NEW_X, NEW_Y),
    "learn ids": lambda m: m.partial_fit(NEW_X, NEW_Y, sample_id=range(100, 140)) if track(m) != "none" else m,
    "learn a class": lambda m: m.partial_fit(NEW_X[3::4], NEW_Y[3::4]),
    "forget one": lambda m: m.forget(X[LATE[:1]], Y[LATE[:1]]),
    "forget rows": lambda m: m.forget(X[LATE], Y[LATE]),
    "forget ids": lambda m: m.forget(sample_id=[1, 5, 8]) if ids_kept(head_of(m)) else None,
    "forget ids with rows": lambda m: m.forget(X[3:9], Y[3:9], sample_id=range(3, 9)) if track(m) != "none" else None,
    "forget a class": lambda m: m.forget_class(0) if track(m) == "rows" or not needs_rows(m) else None,
    "forget by halves": lambda m: [m.forget(X[i : i + 1], Y[i : i + 1]) for i in LATE],
    "rectify": lambda m: m.rectify(NEW_X[:3], NEW_Y[:3], sample_id=[1, 2, 3]) if ids_kept(head_of(m)) else None,
    "merge": lambda m: m.merge(other(m)),
    "fit": lambda m: m.fit(NEW_X, NEW_Y),
}


def head_of(model):
    return getattr(model, "memory_", getattr(model, "head", model))


def track(model):
    return head_of(model).track


def reads(model):
    return [
        model.predict(X),
        *(getattr(model, n)(X) for n in ("predict_proba", "decision_function", "voters") if hasattr(model, n)),
    ]


@pytest.mark.parametrize("model", ALL, ids=head_name)
def test_every_operation_is_the_one_on_arrays_that_can_be_written_to(model, tmp_path):
    for warm in (False, True):
        for name, change in CHANGES.items():
            usual, mine = learned(model), learned(model)
            if warm:  # with caches: weights, inverses, indexes, the order of digests
                for each in (usual, mine):
                    each.predict(X[:2])
                    each.partial_fit(X[:1], Y[:1])
                    each.forget(X[:1], Y[:1]) if track(each) != "none" else None
                    each.predict(X[:2])
            held = frozen(mine)
            assert len(held) > 5
            before = mine.state_digest()
            np.testing.assert_equal(reads(mine), reads(usual))
            assert analytic_cl.load(tmp_path / "head").state_digest() == before if saved(mine, tmp_path / "head") else 0
            assert clone(mine).merge(mine).state_digest() == before
            for twin in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine, protocol=5))):
                assert twin.state_digest() == before
            change(usual)
            change(mine)
            assert mine.state_digest() == usual.state_digest(), (name, warm)
            if usual.__sklearn_is_fitted__():
                for mine_said, usual_said in zip(reads(mine), reads(usual), strict=True):
                    np.testing.assert_allclose(mine_said, usual_said, rtol=1e-7, atol=1e-9)
            for array, content in held:
                np.testing.assert_array_equal(array, content)
            assert head_of(mine).learner_.ledger.counts() == head_of(usual).learner_.ledger.counts()


def out_of_band(model):
    """The model twice, over the same buffers, as processes of one machine share them."""
    buffers = []
    data = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
    for kind in (bytes, bytearray):
        shared = [kind(buffer.raw()) for buffer in buffers]
        yield from (pickle.loads(data, buffers=shared) for _ in range(2))


def mapped(model, path):
    joblib.dump(model, path)
    for mode in ("r", "c", "r+"):
        yield from (joblib.load(path, mmap_mode=mode) for _ in range(2))


@pytest.mark.parametrize("model", ALL, ids=head_name)
def test_models_over_shared_memory_learn_each_for_themselves(model, tmp_path):
    start, usual = learned(model), learned(model)
    usual.forget(X[LATE], Y[LATE])
    usual.partial_fit(NEW_X, NEW_Y)
    for twin in (*out_of_band(start), *mapped(start, tmp_path / "model.joblib")):
        assert twin.state_digest() == start.state_digest()
        twin.forget(X[LATE], Y[LATE])
        twin.partial_fit(NEW_X, NEW_Y)
        assert twin.state_digest() == usual.state_digest()
        np.testing.assert_allclose(twin.predict(X), usual.predict(X))


def _learn(model, X, y):
    model.partial_fit(X, y)
    added = model.state_digest()
    model.forget(X, y)
    return added, model.state_digest()


def test_workers_of_joblib_learn_and_forget():
    models = [learned(model) for model in ALL]
    found = Parallel(2, max_nbytes=1)(delayed(_learn)(m, NEW_X, NEW_Y) for m in (*models, *models))

    assert found[: len(models)] == found[len(models) :] == [_learn(model, NEW_X, NEW_Y) for model in models]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", ALL, ids=head_name)
def test_rows_of_a_user_may_be_read_only_or_a_map_of_a_file(model, backend, tmp_path):
    np.save(tmp_path / "X.npy", np.asfortranarray(X))
    np.save(tmp_path / "y.npy", Y)
    rows, labels = X.copy(), Y.copy()
    rows.flags.writeable = labels.flags.writeable = False
    expected = clone(model).fit(X[4:], Y[4:])
    maps = [np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "y.npy")]
    with use_backend(backend):
        for a, b in ((rows, labels), maps):
            mine = clone(model).fit(a[:50], b[:50]).partial_fit(a[50:], b[50:], classes=b)
            mine.forget(a[:4], b[:4])
            assert mine.state_digest() == expected.state_digest()
            np.testing.assert_array_equal(mine.predict(a), expected.predict(X))


@pytest.mark.parametrize("model", HEADS, ids=head_name)
def test_writing_into_what_a_model_gave_back_changes_no_model(model):
    mine = learned(model)
    digest, said = mine.state_digest(), reads(mine)
    names = ["coef_", "intercept_", "classes_", "centroids_"]
    given = [*reads(mine)[:2], *(getattr(mine, name) for name in names if hasattr(mine, name))]
    state = mine.state_
    given += [state.counts, state.classes, *mine.state_.to_arrays().values()]
    given += [getattr(state, name) for name in ("sums", "total", "tables") if hasattr(state, name)]
    for array in given:
        if array.flags.writeable:
            array[:] = array.ravel()[0]

    assert mine.state_digest() == digest
    np.testing.assert_equal(reads(mine), said)


def test_a_change_that_is_refused_leaves_a_model_that_works():
    model = learned(RLSClassifier())
    frozen(model)
    before = model.state_digest()
    with pytest.raises(ValueError, match="never learned"):
        model.forget(X[:1] + 1, Y[:1])
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.full((1, 6), np.nan), [0])

    assert model.state_digest() == before
    np.testing.assert_array_equal(model.partial_fit(X[:1], Y[:1]).predict(X), learned(RLSClassifier()).predict(X))
