"""Random Fourier features are the declared function of seed and integers, and approximate a Gaussian kernel."""

import hashlib
import math

import numpy as np
import pytest
from common import blobs, pack

import analytic_cl
from analytic_cl import FourierFeatures, LDAClassifier, use_backend
from analytic_cl._config import BACKENDS
from analytic_cl.quantizers import Quantizer, resolve_quantizer
from analytic_cl.quantizers.fourier import COSINES


def drawn_by_hand(seed, component, n_features):
    prefix = b"analytic-cl fourier features 1\0"
    stream = hashlib.shake_128(prefix + seed.to_bytes(8, "little") + component.to_bytes(8, "little"))
    data = stream.digest(4 + -(-n_features // 8))
    signs = [1 if data[4 + j // 8] >> (j % 8) & 1 else -1 for j in range(n_features)]
    return int.from_bytes(data[:4], "little"), signs


def test_features_follow_the_specification():
    q = np.random.RandomState(0).randint(-127, 128, size=(6, 300)).astype(np.int8)
    turns = round(math.sqrt(2 * 0.25) * 2**32 / (2 * math.pi * 512))
    expected = []
    for row in q.tolist():
        drawn = [drawn_by_hand(5, k, 300) for k in range(7)]
        angles = [sum(s * x for s, x in zip(signs, row, strict=True)) * turns + phase for phase, signs in drawn]
        expected.append([COSINES[angle % 2**32 >> 20] for angle in angles])

    np.testing.assert_array_equal(FourierFeatures(7, 0.25, 5).project(q, 512.0), expected)


def test_the_table_of_cosines_is_the_same_on_every_machine():
    digest = hashlib.sha256(COSINES.tobytes()).hexdigest()
    assert digest == "8a25b9bfae795c7281f3a0ab14099053769aaf7d6ce3fefb5875752cd5879af1"


def test_backends_agree_and_first_components_do_not_depend_on_their_number():
    q = np.random.RandomState(1).randint(-127, 128, size=(20, 77)).astype(np.int8)
    many = FourierFeatures(40, 1.0, 3).project(q, 256.0)
    for backend in BACKENDS:
        with use_backend(backend):
            np.testing.assert_array_equal(FourierFeatures(40, 1.0, 3).project(q, 256.0), many)
    np.testing.assert_array_equal(FourierFeatures(11, 1.0, 3).project(q, 256.0), many[:, :11])
    for other in (FourierFeatures(40, 1.0, 4), FourierFeatures(40, 1.1, 3)):
        assert (other.project(q, 256.0) != many).any()


def test_inner_products_of_features_are_a_gaussian_kernel():
    x = np.random.default_rng(0).normal(size=(30, 400))
    x[10:] = x[:10].repeat(2, axis=0) + 0.5 * x[10:]
    quantizer = resolve_quantizer("auto", FourierFeatures(40_000, 0.7), 400)
    z = quantizer.dequantise(quantizer.quantise(x))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    kernel = np.exp(-0.7 * ((x[:, None] - x[None]) ** 2).sum(axis=2))

    np.testing.assert_allclose(z @ z.T, kernel, atol=0.03)
    assert kernel.min() < 0.4


def test_state_digest_file_and_description_know_the_map(tmp_path):
    X, y = blobs(40, 6)
    head = LDAClassifier(projection=FourierFeatures(30, 0.3)).fit(X, y)
    others = [FourierFeatures(30, 0.25), FourierFeatures(30, 0.3, 1), FourierFeatures(29, 0.3)]
    digests = {LDAClassifier(projection=other).fit(X, y).state_digest() for other in others}
    spec = head.quantizer_.spec()

    assert len(digests | {head.state_digest()}) == 4
    assert Quantizer.from_spec(spec) == head.quantizer_
    assert "30 Fourier features, gamma 0.3, seed 0" in head.quantizer_.describe()
    spec["projection"] = spec["projection"] | {"fingerprint": "0" * 64}
    with pytest.raises(ValueError, match="doesn't agree"):
        Quantizer.from_spec(spec)
    head.save(tmp_path / "head")
    assert analytic_cl.load(tmp_path / "head").projection == head.projection
    assert head.set_params(projection__gamma=2).projection == FourierFeatures(30, 2.0)
    with pytest.raises(ValueError, match=r"keep_input=True"):
        head.moments_.part("input")


@pytest.mark.parametrize("gamma", [0, -1.0, np.nan, np.inf, 1e5, "scale", True, None])
def test_a_bandwidth_that_is_none_is_refused(gamma):
    with pytest.raises(ValueError, match="gamma must be a number from 1e-06 to 10000"):
        FourierFeatures(3, gamma)


def test_kernel_discriminant_analysis_is_better_than_linear_on_real_sentences():
    clinc = pack("clinc150_minilm")
    X, y, T, t = clinc["X_train"][::3], clinc["y_train"][::3], clinc["X_test"][::4], clinc["y_test"][::4]
    kernel = LDAClassifier(means="plain", projection=FourierFeatures(1000)).fit(X, y)

    assert kernel.score(T, t) > LDAClassifier().fit(X, y).score(T, t) + 0.003
