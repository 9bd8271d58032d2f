"""Heads as ONNX files: the same labels and probabilities, from raw rows, or a refusal in words."""

import json
import stat
import sys
import warnings
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from common import HEADS, blobs, head_name
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from analytic_cl import (
    AutoClassifier,
    ContinualPipeline,
    ErrorMemory,
    FixedPoint,
    FourierFeatures,
    GaussianClassifier,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestKeys,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    RLSClassifier,
    export,
    load_clinc150,
    resolve_quantizer,
)
from analytic_cl.export.graph import Graph
from analytic_cl.export.onnx_quantizer import exact_products, integers
from analytic_cl.export.rounding import Rounding, Traced
from analytic_cl.extractors import CallableExtractor
from analytic_cl.heads.linear import LinearHead

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = 1


def run(model, X):
    """Outputs by name."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, OPTIONS, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


def fitted(head, X, y, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what small rows lose at the quantizer is beside the point
        return clone(head).fit(X, y, **more)


def margins(head, X):
    scores = head.decision_function(X)
    if scores.ndim == 1:
        return np.abs(scores)
    top = np.sort(scores, axis=1)
    return top[:, -1] - top[:, -2]


def check_same(head, X):
    found = run(export.onnx_model(head), X)
    assert ("probabilities" in found) == hasattr(head, "predict_proba")
    assert_array_equal(found["label"], head.predict(X))
    if "probabilities" in found:
        assert_allclose(found["probabilities"], head.predict_proba(X), atol=1e-6)
    return found


@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_every_registered_head_answers_alike_in_onnx_runtime_with_two_classes_and_with_twelve_and_without_rows(head):
    for n_classes in (2, 12):  # 12: more than Gaussians work out with their own covariance
        X, y = blobs(96, 7, n_classes, seed=n_classes)
        X = X.astype(np.float32)
        head = fitted(head, X, np.array([f"c{i:02}" for i in range(12)])[y])
        check_same(head, np.concatenate([X, 0.3 * X, X[:1] * 0]))
    assert {len(output) for output in run(export.onnx_model(head), X[:0]).values()} == {0}


@pytest.mark.parametrize(
    "head",
    [
        GaussianClassifier("class", temperature="folds", track="rows"),
        LDAClassifier(means="plain", priors=[0.7, 0.2, 0.1], quantizer=FixedPoint(16)),
        LDAClassifier(projection=FourierFeatures(40, 0.5)),
        RLSClassifier(projection=RandomProjection(40, keep_input=True, tanh=True), temperature=0.3),
        AutoClassifier(30),
        NearestNeighborsClassifier(500, quantizer="tabular"),
        KeyValueBottleneckClassifier(12, 4, "mean log posterior", quantizer="embedding"),
    ],
    ids=head_name,
)
def test_other_parameters_answer_alike(head):
    X, y = blobs(150, 300 if isinstance(head, AutoClassifier) else 12, 3, seed=1)
    check_same(fitted(head, X.astype(np.float32), y), X.astype(np.float32))


def test_keys_of_learned_centres_answer_alike():
    X, y = blobs(120, 10, 3)
    X = X.astype(np.float32)
    keys = NearestKeys.from_rows(X, n_codebooks=6, bits=3, quantizer="embedding")
    check_same(fitted(KeyValueBottleneckClassifier(keys=keys, quantizer="embedding"), X, y), X)


@pytest.mark.parametrize(
    "quantizer",
    [
        resolve_quantizer("embedding", None, 300),
        resolve_quantizer("tabular", None, 37),
        resolve_quantizer(FixedPoint(8, bounds=(-3, 5)), None, 37),
        resolve_quantizer(FixedPoint(16, "l2"), None, 16),
        resolve_quantizer(FixedPoint(32, "l2"), None, 33),
        resolve_quantizer("auto", RandomProjection(50, 3, keep_input=True, tanh=True), 37),
        resolve_quantizer("auto", FourierFeatures(50, 0.3), 37),
    ],
    ids=lambda quantizer: quantizer.describe(),
)
def test_integers_in_onnx_runtime_are_the_quantizers_bit_for_bit(quantizer):
    random = np.random.RandomState(0)
    X = random.normal(size=(400, quantizer.n_features)) * np.exp(8 * random.normal(size=(400, 1)))
    X = X.astype(np.float32)
    X[3] = 0
    g = Graph()
    g.rename(integers(g, "X", quantizer), "q")
    model = g.model(
        [g.value("X", np.float32, ["n", quantizer.n_features])],
        [g.value("q", np.float64, ["n", quantizer.width])],
        {},
        "",
    )
    assert_array_equal(run(model, X)["q"], quantizer.quantise(X))


@pytest.mark.parametrize(
    "head",
    [
        LDAClassifier(),
        RLSClassifier(projection=RandomProjection(500)),
        NearestNeighborsClassifier(),
        KeyValueBottleneckClassifier(64),
    ],
    ids=head_name,
)
def test_sentences_have_the_same_labels_and_margins_are_above_their_bound(head):
    data = load_clinc150()
    some = data.y_train < 40
    head = fitted(head, data.X_train[some][:2000], data.classes[data.y_train[some]][:2000])
    X = data.X_test[:500]
    check_same(head, X)
    if not isinstance(head, NearestNeighborsClassifier | KeyValueBottleneckClassifier):
        bound = export.margin_bound(head, X)
        assert bound.shape == (500,)
        assert (margins(head, X) > bound).mean() > 0.99
        assert bound.max() < 1e-6 * np.abs(head.decision_function(X)).max()


@pytest.mark.parametrize(("bits", "d"), [(8, 3000), (16, 500)])
def test_products_of_integers_are_exact_at_their_largest(bits, d):
    quantizer = resolve_quantizer(FixedPoint(bits), None, d)
    weights = np.full((d, 2), quantizer.limit, dtype=quantizer.dtype)
    weights[0, 1] = -1
    g = Graph()
    g.rename(exact_products(g, integers(g, "X", quantizer), weights, quantizer.limit), "p")
    model = g.model([g.value("X", np.float32, ["n", d])], [g.value("p", np.float64, ["n", 2])], {}, "")
    found = run(model, np.full((1, d), 1e9, dtype=np.float32))["p"]
    assert found.tolist() == [[d * quantizer.limit**2, (d - 1) * quantizer.limit**2 - quantizer.limit]]


@pytest.mark.parametrize(
    ("operation", "oracle"),
    [
        ("add", np.add),
        ("sub", np.subtract),
        ("mul", np.multiply),
        ("div", np.divide),
        ("matmul", lambda x, y: (x[:, :, None] * y[None]).sum(axis=1)),
        ("sqrt", np.sqrt),
        ("total", lambda x: x.sum(axis=1)),
        ("largest", lambda x: x.max(axis=1, keepdims=True)),
        ("least", lambda x: x.min(axis=1, keepdims=True)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_of_operations_stay_within_their_bounds_which_are_no_dream(operation, oracle):
    """In numbers of 64 bits of mantissa, of operands that are off by a little."""
    random = np.random.RandomState(0)
    x, y = (random.normal(size=(50, 50)).astype(np.longdouble) ** 2 + 1e-3 for _ in range(2))
    off = [1e-14 * np.abs(part) * random.uniform(-1, 1, size=part.shape) for part in (x, y)]
    operands = [
        Traced((part + e).astype(np.float64), (np.abs(e) + 2.0**-53 * np.abs(part)).astype(np.float64))
        for part, e in zip((x, y), off, strict=True)
    ]
    n = 1 if operation in ("sqrt", "total", "largest", "least") else 2
    found = getattr(Rounding(), operation)(*operands[:n])
    error = np.abs(found.value - oracle(*[x, y][:n]))
    assert (error <= found.error).all()
    assert error.max() > found.error.max() / 1000


@pytest.mark.parametrize("head", [LDAClassifier(), RLSClassifier(), NearestMeanClassifier()], ids=head_name)
def test_labels_differ_on_no_row_above_the_bound_however_near_to_a_tie(head):
    X, y = blobs(60, 12, 3, seed=2)
    head = fitted(head, X, y)
    a, b = X[y == 0][:1], X[y == 1][:1]
    along = a + np.linspace(0, 1, 4000)[:, None] * (b - a)  # over the border between two classes
    along = along.astype(np.float32)
    found = run(export.onnx_model(head), along)["label"]
    above = margins(head, along) > export.margin_bound(head, along)
    assert set(found[above]) == {0, 1}
    assert_array_equal(found[above], head.predict(along)[above])


# ---- labels


@pytest.mark.parametrize(
    ("labels", "kind"),
    [(np.array([True, False]), np.int64), (np.array([5, -3, 2**40]), np.int64), (np.array(["é", "b c"]), object)],
    ids=["booleans", "integers", "text"],
)
def test_labels_of_every_kind_come_back(labels, kind):
    X, y = blobs(60, 4, len(labels))
    X = X.astype(np.float32)
    head = LDAClassifier().fit(X, labels[y])
    found = check_same(head, X)
    assert found["label"].dtype == kind


def test_declared_classes_without_rows_have_probability_0_and_one_class_is_always_right():
    X, y = blobs(40, 4, 2)
    X = X.astype(np.float32)
    head = LDAClassifier().partial_fit(X, y + 1, classes=[0, 1, 2, 3])
    found = check_same(head, X)
    assert not found["probabilities"][:, [0, 3]].any()
    assert check_same(RLSClassifier().fit(X, y * 0), X)["label"].tolist() == [0] * 40


def test_labels_beyond_64_bits_are_refused():
    X, y = blobs(20, 3, 2)
    with pytest.raises(ValueError, match="64 bits"):
        export.onnx_model(NearestMeanClassifier().fit(X, np.array([1, 2**70], dtype=object)[y]))


# ---- the file


def test_the_file_is_private_reproducible_and_says_where_it_comes_from_without_a_digest(tmp_path):
    X, y = blobs()
    head = LDAClassifier().fit(X, y)
    for name in ("one", "two"):
        export.to_onnx(head, tmp_path / name)
    content = (tmp_path / "one").read_bytes()
    model = onnx.load_from_string(content)
    about = {entry.key: entry.value for entry in model.metadata_props}

    assert content == (tmp_path / "two").read_bytes()
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600
    assert [(i.name, i.type.tensor_type.elem_type) for i in model.graph.input] == [("X", onnx.TensorProto.FLOAT)]
    assert about["analytic_cl.head"] == "LDAClassifier"
    assert json.loads(about["analytic_cl.quantizer"]) == head.quantizer_.spec()
    assert "analytic-cl" in json.loads(about["analytic_cl.versions"])
    assert "erasure" in about["analytic_cl.stale"]
    assert head.state_digest().encode() not in content
    assert_array_equal(run(content, X.astype(np.float32))["label"], head.predict(X.astype(np.float32)))


def test_a_refused_export_leaves_the_old_file(tmp_path):
    path = tmp_path / "head.onnx"
    path.write_bytes(b"old")
    X, y = blobs()
    for head, error, match in (
        (LDAClassifier(), NotFittedError, "not fitted"),
        (ErrorMemory(LDAClassifier().fit(X, y)), TypeError, "a head, a ContinualPipeline or a Store"),
        (NearestNeighborsClassifier(index="ivf", n_probes=1).fit(X, y), ValueError, "looks at all rows"),
        (Odd().fit(X, y), TypeError, "scores of Odd are of no form"),
    ):
        with pytest.raises(error, match=match):
            export.to_onnx(head, path)
    with pytest.raises(IsADirectoryError, match="directory"):
        export.to_onnx(LDAClassifier().fit(X, y), tmp_path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


class Odd(RLSClassifier):
    """A head whose scores are not what its weights say."""

    def _compare_rows(self, rows, scores):
        return super()._compare_rows(rows, scores) ** 3


class Half(LinearHead):
    """A linear head of another package."""

    needs = RLSClassifier.needs

    def __init__(self, *, quantizer="auto", projection=None, track="auto"):
        self.quantizer, self.projection, self.track = quantizer, projection, track

    def _solve(self, moments):
        solved = RLSClassifier.from_moments(moments).prepare()
        return replace(solved, weights=solved.weights / 2, bias=solved.bias / 2)


def test_a_linear_head_of_another_package_is_exported():
    X, y = blobs()
    check_same(Half().fit(X, y), X.astype(np.float32))


def test_a_recursive_head_is_exported_from_its_state_and_not_from_its_cache():
    X, y = blobs(200, 8)
    recursive = RLSClassifier(1.0, solver="recursive").fit(X[:100], y[:100])
    recursive.predict(X[:1])
    recursive.partial_fit(X[100:], y[100:])
    solved = RLSClassifier(1.0).fit(X, y)
    assert recursive.predict(X).tolist() == solved.predict(X).tolist()
    assert export.onnx_model(recursive).graph == export.onnx_model(solved).graph


def test_of_a_pipeline_the_head_is_exported(tmp_path):
    X, y = blobs()
    X = X.astype(np.float32)
    double = CallableExtractor(lambda rows: 2 * np.asarray(rows), name="double")
    pipeline = ContinualPipeline(double, LDAClassifier()).fit(X, y)
    export.to_onnx(pipeline, tmp_path / "head.onnx")
    found = run((tmp_path / "head.onnx").read_bytes(), 2 * X)
    assert_array_equal(found["label"], pipeline.predict(X))


def test_without_onnx_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    X, y = blobs()
    with pytest.raises(ImportError, match=r"analytic-cl\[onnx\]"):
        export.to_onnx(LDAClassifier().fit(X, y), tmp_path / "head.onnx")
    assert not list(tmp_path.iterdir())
