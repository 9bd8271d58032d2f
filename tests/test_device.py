"""Heads that learn on a device have the state that they have on the CPU, and learn whole or not at all there too."""

import copy
import pickle
import sys

import numpy as np
import pytest
from common import HEADS, blobs, head_name, ignore_quantization, needs
from devices import device, tensor  # noqa: F401  (a fixture)
from sklearn.base import clone

import analytic_cl._device as devices
from analytic_cl import (
    FixedPoint,
    LDAClassifier,
    NearestMeanClassifier,
    RandomProjection,
    RLSClassifier,
    get_device,
    resolve_quantizer,
    show_config,
    use_device,
)
from analytic_cl.datasets import load_clinc150
from analytic_cl.statistics import on_device

X, Y = blobs(200, 300, 7)


# ---- which device


def test_a_device_is_in_force_within_the_body(monkeypatch):
    needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    assert get_device() == show_config()["device"] == "cpu"
    with use_device("torch-cpu"):
        assert get_device() == "torch-cpu" and show_config()["device"].startswith("torch-cpu, torch ")
        with use_device("cpu"):
            assert get_device() == "cpu"
    monkeypatch.setenv("ANALYTIC_CL_DEVICE", "torch-cpu")
    assert get_device() == "torch-cpu"
    monkeypatch.setenv("ANALYTIC_CL_DEVICE", "tpu")
    with pytest.raises(ValueError, match="unknown device 'tpu': choose one of cpu, cuda, torch-cpu"):
        LDAClassifier().fit(X, Y)


def test_no_cuda_device_is_said_when_one_is_asked_for():
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ValueError, match="no CUDA device was found"), use_device("cuda"):
        raise AssertionError


def test_without_pytorch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    devices._checked.cache_clear()
    for name in ("cuda", "torch-cpu"):
        with pytest.raises(ImportError, match=r"pip install 'analytic-cl\[torch\]'"), use_device(name):
            raise AssertionError
    with use_device("cpu"):
        LDAClassifier().fit(X, Y)


# ---- the same state


def one_head_of_each_state():
    quantizer, kinds = resolve_quantizer("embedding", None, 5), {}
    for head in HEADS:
        kinds.setdefault(head.empty_state(quantizer).kind, head)
    return list(kinds.values())


@ignore_quantization
@pytest.mark.parametrize("head", one_head_of_each_state(), ids=head_name)
def test_a_head_of_each_kind_of_state_learns_the_same(head):
    needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    rows, labels = blobs()
    expected = clone(head).fit(rows, labels)
    with use_device("torch-cpu"):
        found = clone(head).fit(rows, labels)

    assert found.state_digest() == expected.state_digest()


@pytest.mark.parametrize(
    "head",
    [
        LDAClassifier(track="none"),
        LDAClassifier(quantizer="tabular"),
        LDAClassifier(quantizer=FixedPoint(16, norm="l2"), track="rows"),
        RLSClassifier(projection=RandomProjection(90), solver="recursive", alpha=1.0),
        NearestMeanClassifier(),
    ],
    ids=head_name,
)
def test_a_life_on_a_device_leaves_the_state_of_the_rows_that_are_left(head, device):  # noqa: F811
    expected = clone(head).fit(X[40:], Y[40:])
    with use_device(device):
        found, other = clone(head), clone(head)
        found.partial_fit(tensor(X[:60], device), Y[:60])
        found.partial_fit(X[60:65].astype(np.float32), Y[60:65])
        found.forget(X[60:65].astype(np.float32), Y[60:65])
        other.partial_fit(tensor(X[60:], device), tensor(Y[60:], device))
        found.merge(other)
        found.forget(tensor(X[:20], device), Y[:20])
        scores = found.decision_function(tensor(X, device))
        np.testing.assert_array_equal(scores, found.decision_function(X))
    with use_device("cpu"):
        found.forget(X[20:40], Y[20:40])  # while sums of rows that are left may still wait on the device

    assert found.state_digest() == expected.state_digest()
    np.testing.assert_allclose(found.decision_function(X), expected.decision_function(X), atol=1e-9)


def test_calls_in_and_out_of_inference_mode_follow_each_other(device):  # noqa: F811
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    head = LDAClassifier(projection=RandomProjection(40))
    expected = clone(head).fit(X, Y).state_digest()
    with use_device(device):
        with torch.inference_mode():
            head.partial_fit(tensor(X[:90], device), Y[:90])
        head.partial_fit(tensor(X[90:], device).requires_grad_(), Y[90:])
        with torch.inference_mode():
            head.partial_fit(X[:20], Y[:20])
            head.forget(X[:20], Y[:20])

    assert head.state_digest() == expected


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda head: pickle.loads(pickle.dumps(head))])
def test_copies_hold_what_waits_on_the_device(copied, device):  # noqa: F811
    with use_device(device):
        head = LDAClassifier().fit(X, Y)
        assert head.moments_._gram._on_device is not None
        twin = copied(head)
        twin.forget(X[:50], Y[:50])
        assert twin.moments_._gram._on_device is not None

    assert twin.state_digest() == LDAClassifier().fit(X[50:], Y[50:]).state_digest()
    assert twin.moments_._gram._on_device is None
    assert head.state_digest() == LDAClassifier().fit(X, Y).state_digest()


@pytest.mark.parametrize("projection", [None, RandomProjection(300)], ids=["rows", "random features"])
def test_real_features_have_the_digest_of_the_cpu(projection, device):  # noqa: F811
    data = load_clinc150()
    expected = LDAClassifier(track="none", projection=projection).fit(data.X_train, data.y_train)
    with use_device(device):
        found = LDAClassifier(track="none", projection=projection).fit(tensor(data.X_train, device), data.y_train)

    assert found.state_digest() == expected.state_digest()


# ---- where rows are


def test_rows_stay_on_the_device_and_only_integers_that_the_ledger_keeps_come_back(device, monkeypatch):  # noqa: F811
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    seen = []
    for name in ("cpu", "numpy", "tolist"):
        monkeypatch.setattr(torch.Tensor, name, spied(getattr(torch.Tensor, name), seen))
    fetched, array = [], devices.DeviceRows.__array__
    monkeypatch.setattr(
        devices.DeviceRows, "__array__", lambda rows, *args, **how: fetched.append(rows) or array(rows, *args, **how)
    )
    n = 2000  # more than the warning about quantising looks at
    rows, labels = tensor(np.tile(X, (10, 1)), device), np.tile(Y, 10)
    with use_device(device):
        head = LDAClassifier(track="none").fit(rows, labels)
        assert not fetched
        head.partial_fit(rows, labels)
        kept = LDAClassifier(track="rows").fit(rows, labels)
        assert fetched
    floats = [shape for dtype, shape in seen if dtype.is_floating_point]

    assert max(np.prod(shape) for shape in floats) < n * 300 / 4
    assert kept.learner_.ledger.kept.payload is fetched[-1]._here  # no copy, so that what is erased is overwritten


def spied(method, seen):
    def spy(tensor, *args, **how):
        seen.append((tensor.dtype, tuple(tensor.shape)))
        return method(tensor, *args, **how)

    return spy


class Capsule:
    """A tensor of another library: it speaks DLPack and nothing else."""

    def __init__(self, tensor):
        self.tensor, self.shape = tensor, tensor.shape

    def __dlpack__(self, **how):
        return self.tensor.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


def test_rows_of_other_libraries_are_read_by_dlpack(device):  # noqa: F811
    expected = LDAClassifier().fit(X, Y)
    with use_device(device):
        head = LDAClassifier().fit(Capsule(tensor(X, device)), Y)
        np.testing.assert_array_equal(head.predict(Capsule(tensor(X, device))), expected.predict(X))
    assert head.state_digest() == expected.state_digest()
    if device == "torch-cpu":
        assert LDAClassifier().fit(Capsule(tensor(X, device)), Y).state_digest() == expected.state_digest()
    else:
        with pytest.raises(TypeError, match="use_device"):
            LDAClassifier().fit(Capsule(tensor(X, device)), Y)


def with_value(value):
    rows = X.copy()
    rows[[3, 150], 7] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (with_value(np.nan), "contains NaN in rows 3, 150"),
        (with_value(-np.inf).astype(np.float32), "contains infinity in rows 3, 150"),
        (X[0], "Expected 2D array, got 1D"),
        (X[:, :20], "has 20 features, but LDAClassifier is expecting 300"),
        (X[:10], "inconsistent numbers of samples"),
        (X[:0], "0 sample"),
        (X * 1j, "Complex data not supported"),
    ],
    ids=["NaN", "infinity", "1d", "narrow", "short", "empty", "complex"],
)
def test_tensors_that_can_not_be_learned_are_refused_as_arrays_are(rows, text, device):  # noqa: F811
    with use_device(device):
        head = LDAClassifier().fit(X, Y)
        before = head.state_digest()
        for each in (rows, tensor(rows, device)):
            with pytest.raises(ValueError, match=text):
                head.partial_fit(each, Y)
        assert head.state_digest() == before


def test_what_is_no_integer_is_refused_by_row(device):  # noqa: F811
    rows = np.random.RandomState(0).randint(-127, 128, size=(60, 5)).astype(float)
    expected = LDAClassifier(quantizer="integers").fit(rows, Y[:60]).state_digest()
    with use_device(device):
        assert LDAClassifier(quantizer="integers").fit(tensor(rows, device), Y[:60]).state_digest() == expected
        for wrong in (-128, 0.5, np.nan, np.inf, 1e30):
            rows[30, 2] = wrong
            with pytest.raises(ValueError, match="not so in row 30 of X"):
                LDAClassifier(quantizer="integers").fit(tensor(rows, device), Y[:60])


# ---- whole or not at all


@pytest.mark.parametrize("error", ["memory", "interrupt"])
@pytest.mark.parametrize("waits", [True, False], ids=["more waits there", "nothing waits"])
def test_what_stops_in_the_middle_leaves_the_state_as_it_was(error, waits, device, monkeypatch):  # noqa: F811
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    monkeypatch.setattr(on_device, "BLOCK_ROWS", 64)
    calls, product = [], on_device.product
    raised = torch.cuda.OutOfMemoryError("CUDA out of memory.") if error == "memory" else KeyboardInterrupt()

    def failing(*matrices):
        calls.append(None)
        if len(calls) == 2:
            raise raised
        return product(*matrices)

    with use_device(device):
        head = LDAClassifier().fit(X[:180], Y[:180])
        if not waits:
            head.state_digest()
        monkeypatch.setattr(on_device, "product", failing)
        for change in (
            lambda: head.fit(X, Y),
            lambda: head.partial_fit(X[20:], Y[20:]),
            lambda: head.forget(X[:180], Y[:180]),
        ):
            calls.clear()
            with pytest.raises(MemoryError if error == "memory" else KeyboardInterrupt) as said:
                change()
            assert error == "interrupt" or "for a Gram matrix of 300 columns; nothing was changed" in str(said.value)
        monkeypatch.undo()
        assert head.state_digest() == LDAClassifier().fit(X[:180], Y[:180]).state_digest()
        head.forget(X[:180], Y[:180])


def test_too_little_memory_for_the_rows_is_said(device, monkeypatch):  # noqa: F811
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")

    def fail(*args, **how):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    with use_device(device):
        head = LDAClassifier().fit(X, Y)
        before = head.state_digest()
        monkeypatch.setattr(torch, "empty", fail)
        with pytest.raises(MemoryError, match="for 200 rows of 300 integers; nothing was changed"):
            head.partial_fit(X, Y)
        assert head.state_digest() == before
