"""Linear heads as plain scikit-learn models; files of stores, and what the log says of them."""

import pickle
import warnings

import numpy as np
import pytest
from common import blobs, head_name, ignore_quantization, needs
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from store_commands import asked, call

from analytic_cl import (
    AutoClassifier,
    FixedPoint,
    GaussianClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    RLSClassifier,
    RLSRegressor,
    SemanticRidgeClassifier,
    Store,
    export,
)
from analytic_cl.baselines import TEENClassifier, VonMisesFisherClassifier
from analytic_cl.store import RefusedError, StoreError

LINEAR = [
    LDAClassifier(),
    LDAClassifier(temperature=2.5),
    LDAClassifier(means="plain", priors=[0.5, 0.3, 0.2], temperature=2.0),
    LDAClassifier(quantizer="embedding"),
    RLSClassifier(),
    RLSClassifier(1.0, solver="recursive", temperature=0.5, quantizer=FixedPoint(16, bounds=(-20, 20))),
    NearestMeanClassifier(),
    NearestMeanClassifier("cosine"),
    SemanticRidgeClassifier(quantizer="embedding"),
    TEENClassifier(),
    VonMisesFisherClassifier(quantizer="embedding"),
]


def fitted(head, X, y, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what small rows lose at the quantizer is beside the point
        return clone(head).fit(X, y, **more)


@pytest.mark.parametrize("head", LINEAR, ids=head_name)
def test_a_plain_model_has_the_scores_of_the_head_on_rows_that_rounding_leaves_alone(head):
    X, y = blobs(90, 6, 3)
    y = y[np.arange(90) % 7 != 0]  # classes of different sizes
    X = X[np.arange(90) % 7 != 0]
    head = fitted(head, X, np.array(["a", "b", "c"])[y])
    model = pickle.loads(pickle.dumps(export.to_sklearn(head)))
    rows = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    unit = head.quantizer_.rule.norm == "l2"
    assert unit <= isinstance(model[0] if hasattr(model, "steps") else model, Normalizer)
    scores = model.decision_function(rows)
    off = scores - head.decision_function(X)
    off -= off.mean(axis=1, keepdims=True)  # what all classes share
    if hasattr(head, "predict_proba"):
        off = np.zeros(1)  # scores stand for themselves below, divided by the temperature
        assert_allclose(model.predict_proba(rows), head.predict_proba(X), atol=5e-3 if unit else 1e-9)
    assert hasattr(model, "predict_proba") == hasattr(head, "predict_proba")
    assert_allclose(off, 0, atol=2e-2 if unit else 1e-9)  # dequantised rows are of length 1 to rounding alone
    assert_array_equal(model.predict(X), head.predict(X))
    assert (model.n_features_in_, model.classes_.tolist()) == (6, ["a", "b", "c"])
    assert not any(type(step).__module__.startswith("analytic_cl") for step in getattr(model, "steps", [model]))


@pytest.mark.parametrize(
    ("head", "error", "match"),
    [
        (NearestNeighborsClassifier(), TypeError, "not linear"),
        (AutoClassifier(), TypeError, "not linear"),
        (GaussianClassifier("class"), TypeError, "not linear with these parameters"),
        (RLSClassifier(projection=RandomProjection(20)), TypeError, "stands behind projection"),
        (LDAClassifier(temperature="folds", track="rows"), ValueError, "temperature"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_linear_is_refused_in_words(head, error, match):
    X, y = blobs(90, 6, 3)
    with pytest.raises(error, match=match):
        export.to_sklearn(fitted(head, X, y))
    assert not hasattr(export.to_sklearn(fitted(RLSClassifier(track="rows"), X, y)), "predict_proba")  # it has a tail


# ---- stores


@pytest.fixture
def store(tmp_path):
    X, y = blobs(60, 5, 3)
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X[:50], y[:50], sample_id=range(50), subject=[f"p{i // 5}" for i in range(50)])
        yield store


def statuses(store):
    return [(copy.path.rsplit("/", 1)[1], copy.status) for copy in store.copies()]


def test_the_log_tells_which_exported_files_are_behind_and_which_are_stale(store, tmp_path):
    X, y = blobs(60, 5, 3)
    for name in ("a.onnx", "b.onnx"):
        export.to_onnx(store, tmp_path / name)
    assert statuses(store) == [("a.onnx", "current"), ("b.onnx", "current")]
    store.learn(X[50:], y[50:])
    assert statuses(store) == [("a.onnx", "behind"), ("b.onnx", "behind")]
    with pytest.raises(RefusedError):
        store.forget(sample_id=[700])
    assert {copy.status for copy in store.copies()} == {"behind"}
    receipt = store.forget(subject="p3")
    assert [copy.since for copy in store.copies()] == [receipt.certificate["audit"]["number"]] * 2
    export.to_onnx(store, tmp_path / "a.onnx")
    assert statuses(store) == [("b.onnx", "stale"), ("a.onnx", "current")]
    assert store.status()["copies"] == {"current": 1, "behind": 0, "stale": 1}
    store.restrict(subject="p4")
    assert {copy.status for copy in store.copies()} == {"stale"}
    assert store.verify(retrain=True).rows == 50
    with Store.open(store.path, read_only=True) as reader, pytest.raises(StoreError, match="reading only"):
        export.to_onnx(reader, tmp_path / "c.onnx")
    assert not (tmp_path / "c.onnx").exists()


def test_no_digest_of_the_state_is_in_the_log_of_an_export(store, tmp_path):
    export.to_onnx(store, tmp_path / "a.onnx")
    entry = store.audit()[-1]
    assert (entry["event"], entry["format"]) == ("export", "onnx")
    assert store.state_digest() not in str(entry)
    export.to_sklearn(store)
    assert store.audit()[-1] == entry  # a model in memory is no copy yet


def test_commands_export_a_model_list_copies_and_say_after_an_erasure_what_is_stale(store, tmp_path):
    store.close()
    path, file = store.path, tmp_path / "model.onnx"
    assert call("copies", path).stdout == "No copies were exported.\n"
    assert asked("export", path, "--to", file)["written"] == str(file)
    assert asked("copies", path)[0]["status"] == "current"
    assert "1 exported file is stale" in call("forget", path, "--subject", "p1").stderr
    assert "export anew, and destroy" in call("copies", path).stdout
    assert "1 stale" in call("status", path).stdout
    call("export", path, "--to", tmp_path / "model.txt", code=2)
    call("export", path, "keys", "--to", file, code=2)
    call("export", path, code=2)


# ---- other people's libraries; skipped where they are missing


# MLflow says so of its own types when it is imported.
@pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType:UserWarning")
def test_mlflow_loads_and_serves_the_heads_own_file(tmp_path):
    pyfunc = needs("mlflow", "ANALYTIC_CL_REQUIRE_MLFLOW").pyfunc
    X, y = blobs()
    head = LDAClassifier().fit(X, y, sample_id=range(len(X)))
    export.to_mlflow(head, tmp_path / "model")
    model = pyfunc.load_model(str(tmp_path / "model"))
    assert_array_equal(model.predict(X), head.predict(X))
    assert_array_equal(model.predict(X, params={"output": "probabilities"}), head.predict_proba(X))
    assert not [path for path in (tmp_path / "model").rglob("*") if path.suffix in (".pkl", ".pickle")]


def test_the_loader_module_needs_no_mlflow(tmp_path):
    X, y = blobs()
    head = LDAClassifier().fit(X, y)
    model = export.HeadModel(head)
    assert_array_equal(model.predict(X), head.predict(X))
    assert_array_equal(model.predict(X, {"output": "scores"}), head.decision_function(X))
    with pytest.raises(ValueError, match="output must be one of"):
        model.predict(X, {"output": "digest"})


def test_skops_trusts_plain_models_without_a_list():
    io = needs("skops.io", "ANALYTIC_CL_REQUIRE_SKOPS")
    X, y = blobs()
    for head in (LDAClassifier(), RLSClassifier(), VonMisesFisherClassifier(quantizer="embedding")):
        model = export.to_sklearn(fitted(head, X, y))
        data = io.dumps(model)
        assert io.get_untrusted_types(data=data) == []
        assert_array_equal(io.loads(data).predict(X), model.predict(X))


def test_skl2onnx_converts_pipelines_that_end_in_a_head():
    skl2onnx = needs("skl2onnx", "ANALYTIC_CL_REQUIRE_SKL2ONNX")
    import onnxruntime

    X, y = blobs()
    X = X.astype(np.float32)
    export.register_skl2onnx()
    for head in (LDAClassifier(), RLSClassifier()):
        pipeline = make_pipeline(StandardScaler(), head).fit(X, y)
        model = skl2onnx.to_onnx(pipeline, X[:1], target_opset=18)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        names = [output.name for output in session.get_outputs()]
        assert names == ["label", "probabilities"][: 1 + hasattr(pipeline, "predict_proba")]
        assert_array_equal(session.run(None, {"X": X})[0], pipeline.predict(X))


@ignore_quantization
@pytest.mark.parametrize("outputs", [None, 1, 2])
@pytest.mark.parametrize("how", [{}, {"quantizer": "embedding"}, {"projection": RandomProjection(20)}], ids=str)
def test_a_regressor_predicts_alike_as_a_graph_and_as_ridge(tmp_path, how, outputs):
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    X = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
    y = X[:, 0] + 2 if outputs is None else X[:, :outputs] - 1.5
    head = RLSRegressor(1.0, **how).fit(X, y)

    export.to_onnx(head, tmp_path / "head.onnx")
    (found,) = runtime.InferenceSession(tmp_path / "head.onnx").run(None, {"X": X})
    assert_allclose(found, head.predict(X), rtol=1e-9)
    if "projection" in how:
        with pytest.raises(TypeError, match="no plain step"):
            export.to_sklearn(head)
    else:
        model = export.to_sklearn(head)
        assert_allclose(model.predict(X), head.predict(X), atol=2e-3 if not how else 0.1)
        assert type(model if not how else model[-1]) is Ridge
