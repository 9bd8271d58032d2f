"""First-session adaptation: what is trained, what is left alone, what it gains, and where states may not meet.

With ANALYTIC_CL_REQUIRE_TORCH in the environment, a missing PyTorch is a failure.
"""

import copy
import subprocess
import sys

import numpy as np
import pytest
from common import ignore_quantization, needs

from analytic_cl import ContinualPipeline, LDAClassifier
from analytic_cl.extractors import ConcatExtractor, TorchExtractor, adapt_first_session


@pytest.fixture(scope="module")
def torch():
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    torch.set_num_threads(1)
    return torch


def stripes(n=240, n_classes=6, seed=0):
    """Noisy waves in one of six directions, float32 of shape (n, 1, 12, 12), and the direction."""
    random = np.random.RandomState(seed)
    y = np.arange(n) % n_classes
    (rows, columns), angle = np.mgrid[:12, :12], np.pi / 6 * y[:, None, None]
    phase = random.uniform(0, 2 * np.pi, size=(n, 1, 1))
    waves = np.sin(1.3 * (rows * np.cos(angle) + columns * np.sin(angle)) + phase)
    return (waves + random.normal(scale=0.7, size=waves.shape))[:, None].astype(np.float32), y


def convolutions(torch, seed=0):
    """Batch normalisation, dropout and group normalisation; output (B, 16, 3, 3)."""
    nn = torch.nn
    torch.manual_seed(seed)
    first = [nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.1)]
    return nn.Sequential(*first, nn.Conv2d(16, 16, 3, 2, 1), nn.GroupNorm(4, 16), nn.ReLU())


def transformer(torch, seed=0):
    """Rows of an image as tokens through a transformer layer; output (B, 12, 16)."""
    nn = torch.nn
    torch.manual_seed(seed)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.Sequential(nn.Flatten(1, 2), nn.Linear(12, 16), layer)


MODULES = {"convolutions": convolutions, "transformer": transformer}
NORMALISATION = {  # names of what "film" may change
    "convolutions": {"1.weight", "1.bias", "5.weight", "5.bias"},
    "transformer": {f"2.norm{i}.{name}" for i in (1, 2) for name in ("weight", "bias")},
}
X, Y = stripes()


def adapted(module, **own):
    return adapt_first_session(module, X, Y, **{"epochs": 2, "lr": 0.01, "device": "cpu", **own})


def changes(before, after):
    return {name for name, value in after.state_dict().items() if not value.equal(before.state_dict()[name])}


# ---- what is trained, and what is left alone


@pytest.mark.parametrize("kind", MODULES)
def test_film_changes_scale_and_shift_of_normalisation_layers_only(torch, kind):
    module = MODULES[kind](torch)

    assert changes(module, adapted(module)) == NORMALISATION[kind]


def test_full_changes_all_parameters_and_running_statistics(torch):
    module = convolutions(torch)

    assert changes(module, adapted(module, parameters="full")) == set(module.state_dict())


@pytest.mark.parametrize("parameters", ["film", "full"])
def test_the_given_module_is_left_alone_and_the_result_is_frozen(torch, parameters):
    module = convolutions(torch).train()
    module[4].eval()
    module[4].weight.requires_grad_(False)
    module[0].weight.grad = torch.ones_like(module[0].weight)
    before = copy.deepcopy(module)
    result = adapted(module, parameters=parameters)

    assert not changes(before, module)
    assert [part.training for part in module.modules()] == [part.training for part in before.modules()]
    assert [w.requires_grad for w in module.parameters()] == [w.requires_grad for w in before.parameters()]
    assert [name for name, weight in module.named_parameters() if weight.grad is not None] == ["0.weight"]
    assert module[0].weight.grad.eq(1).all()
    assert not any(part._forward_hooks for part in [*module.modules(), *result.modules()])
    assert not any(part.training for part in result.modules())
    assert not any(weight.requires_grad or weight.grad is not None for weight in result.parameters())
    statistics = copy.deepcopy(result.state_dict())
    TorchExtractor(result, device="cpu").transform(X)
    assert all(value.equal(statistics[name]) for name, value in result.state_dict().items())


def test_pytorchs_settings_and_random_numbers_are_put_back(torch):
    module = convolutions(torch)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.inference_mode():
            adapted(module)
            assert torch.is_inference_mode_enabled()
        with torch.no_grad():
            adapted(module)
            assert not torch.is_grad_enabled()
        assert torch.get_float32_matmul_precision() == "medium"
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.rand(3).equal(expected)
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("parameters", ["film", "full"])
@pytest.mark.parametrize("kind", MODULES)
def test_one_seed_gives_the_same_weights_bit_for_bit(torch, kind, parameters):
    module = MODULES[kind](torch)
    first = adapted(module, parameters=parameters, seed=3)
    torch.rand(7)

    assert not changes(first, adapted(module, parameters=parameters, seed=3))
    assert changes(first, adapted(module, parameters=parameters, seed=4))


def as_tensor(row):
    import torch

    return torch.as_tensor(row)


def test_inputs_come_as_arrays_lists_tensors_or_through_preprocessing(torch):
    module = convolutions(torch)
    first = adapted(module)

    for inputs, preprocess in ((list(X), None), (torch.as_tensor(X), None), (X.astype(np.float64), as_tensor)):
        again = adapt_first_session(
            module, inputs, Y.astype(str), preprocess=preprocess, epochs=2, lr=0.01, device="cpu"
        )
        assert not changes(first, again)


def test_a_layer_before_the_last_is_adapted_by_its_own_features(torch):
    module = convolutions(torch)

    assert changes(module, adapted(module, layer="2")) == {"1.weight", "1.bias"}
    assert changes(module, adapted(module, layer="2", pool="flatten")) == {"1.weight", "1.bias"}
    assert changes(adapted(module, layer="2"), adapted(module, layer="2", pool="flatten"))


def test_rows_that_the_batch_size_does_not_divide_leave_no_batch_of_one(torch):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(144, 4), torch.nn.BatchNorm1d(4))

    for n, batch_size in ((2, 2), (3, 2), (65, 64), (5, 4)):
        adapt_first_session(module, X[:n], Y[:n], parameters="full", epochs=1, batch_size=batch_size, device="cpu")


# ---- what it is for


def blocks(n=300, seed=1):
    """Another domain: a light or a dark square somewhere on grey, and which."""
    random = np.random.RandomState(seed)
    y = np.arange(n) % 2
    X = random.normal(2, 1.5, size=(n, 1, 12, 12))
    for i, (top, left) in enumerate(random.randint(8, size=(n, 2))):
        X[i, 0, top : top + 4, left : left + 4] += 12 * y[i] - 6
    return X.astype(np.float32), y


@ignore_quantization
def test_adaptation_gains_over_the_frozen_body_and_both_over_either(torch):
    own = {"lr": 0.01, "seed": 1, "device": "cpu"}
    body = adapt_first_session(convolutions(torch, 1), *blocks(), parameters="full", epochs=5, **own)
    (X, y), (new_X, new_y) = stripes(360, seed=1), stripes(600, seed=100)
    first = y < 3
    film = adapt_first_session(body, X[first], y[first], epochs=20, **own | {"lr": 0.03})
    full = adapt_first_session(body, X[first], y[first], parameters="full", epochs=20, **own)
    frozen, film, full = (TorchExtractor(module, device="cpu") for module in (body, film, full))

    def accuracy(extractor):
        pipeline = ContinualPipeline(extractor, LDAClassifier())
        pipeline.partial_fit(X[first], y[first]).partial_fit(X[~first], y[~first])
        right = pipeline.predict(new_X) == new_y
        return np.array([right.mean(), right[new_y >= 3].mean()])  # of all classes, of the later ones

    at_first, adapted_fully = accuracy(frozen), accuracy(full)
    assert (accuracy(film) > at_first + 0.03).all()
    assert (adapted_fully > at_first + 0.5).all()
    assert (accuracy(ConcatExtractor([frozen, full])) > adapted_fully).all()


# ---- one state, one extractor


@ignore_quantization
def test_a_state_learned_behind_the_frozen_module_is_refused_behind_the_adapted_one(torch, tmp_path):
    module = convolutions(torch)
    frozen, other = (TorchExtractor(each, device="cpu") for each in (module, adapted(module)))
    assert len({frozen.fingerprint(), other.fingerprint(), ConcatExtractor([frozen, other]).fingerprint()}) == 3
    assert TorchExtractor(adapted(module), device="cpu").fingerprint() == other.fingerprint()

    pipeline = ContinualPipeline(frozen, LDAClassifier()).fit(X, Y, sample_id=np.arange(len(X)))
    pipeline.save(tmp_path / "state")
    before = pipeline.state_digest()
    with pytest.raises(ValueError, match="was learned from TorchExtractor"):
        ContinualPipeline.load(tmp_path / "state", extractor=other)
    with pytest.raises(ValueError, match="different quantizers can't be merged"):
        pipeline.merge(ContinualPipeline(other, LDAClassifier()).fit(X, Y))
    pipeline.set_params(extractor=other)
    for call in (lambda: pipeline.partial_fit(X, Y), lambda: pipeline.predict(X), lambda: pipeline.forget(X, Y)):
        with pytest.raises(ValueError, match="was learned from TorchExtractor"):
            call()
    assert pipeline.state_digest() == before


def test_adapted_weights_come_back_from_safetensors_with_their_fingerprint(torch, tmp_path):
    from safetensors.torch import load_model, save_model

    module = convolutions(torch)
    result = adapted(module, parameters="full")
    save_model(result, tmp_path / "adapted.safetensors")
    load_model(module, tmp_path / "adapted.safetensors")

    assert TorchExtractor(module).fingerprint() == TorchExtractor(result).fingerprint()


# ---- what is refused


def plain(torch):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(144, 4))


def spoiled(row, value):
    damaged = X.copy()
    damaged[row, 0, 3, 3] = value
    return damaged


@pytest.mark.parametrize(
    ("own", "error", "message"),
    [
        ({"module": plain}, ValueError, 'no such layers: use parameters="full"'),
        ({"module": lambda torch: torch.nn.BatchNorm2d(1, affine=False)}, ValueError, "none with a scale or shift"),
        ({"module": lambda torch: torch.nn.Flatten(), "parameters": "full"}, ValueError, "no parameters to train"),
        ({"module": lambda torch: "resnet18"}, TypeError, r"must be a torch\.nn\.Module"),
        ({"layer": "0"}, ValueError, "none of the parameters"),
        ({"layer": "convolution"}, ValueError, "no layer 'convolution'"),
        ({"y": Y[:-1]}, ValueError, r"one label an input, shape \(240,\)"),
        ({"y": np.where(np.arange(240) % 100 == 7, np.nan, Y)}, ValueError, r"no label .* rows 7, 107, 207"),
        ({"y": Y + 0.5}, ValueError, "Unknown label type"),
        ({"y": np.zeros(240, int)}, ValueError, "at least two classes, got 240"),
        ({"X": X[:1], "y": Y[:1]}, ValueError, "at least two classes, got 1"),
        ({"X": X[:0], "y": Y[:0]}, ValueError, "X is empty"),
        ({"X": spoiled(17, np.nan)}, ValueError, "NaN or infinity in row 17"),
        ({"X": spoiled(18, np.inf)}, ValueError, "NaN or infinity in row 18"),
        ({"X": ["a.png"] * 240}, TypeError, "give preprocess"),
        ({"lr": 1e30, "parameters": "full"}, ValueError, r"loss is not finite in epoch 1: a smaller lr than 1e\+30"),
        ({"parameters": "lora"}, ValueError, 'must be "film" or "full"'),
        ({"epochs": 0}, ValueError, "epochs must be an integer of at least 1"),
        ({"batch_size": 1}, ValueError, "batch_size must be an integer of at least 2"),
        ({"seed": None}, ValueError, "seed must be an integer"),
        ({"lr": np.nan}, ValueError, "lr must be a positive number"),
        ({"device": "tpu"}, ValueError, "device must be"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(torch, own, error, message):
    own = {"module": convolutions, "X": X, "y": Y, "epochs": 2, "device": "cpu", **own}
    module = own.pop("module")(torch)
    before = copy.deepcopy(module)
    with pytest.raises(error, match=message):
        adapt_first_session(module, **own)

    assert isinstance(module, str) or not changes(before, module)
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_missing_pytorch_is_named_with_its_extra():
    code = """
import sys
from analytic_cl.extractors import adapt_first_session
sys.modules["torch"] = None
try:
    adapt_first_session(None, [[0.0], [1.0]], [0, 1])
except ImportError as error:
    print(error)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout

    assert "pip install 'analytic-cl[torch]'" in shown
