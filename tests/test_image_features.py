"""Oriented gradients: the same bits however images come, clear errors, and accuracy without trained weights."""

import hashlib
import json
import math
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from common import DATA, pack
from llvmlite.binding import get_host_cpu_features
from sklearn.base import clone
from sklearn.datasets import load_digits, load_sample_images
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from analytic_cl import (
    ContinualPipeline,
    FixedPoint,
    LDAClassifier,
    OrientedGradients,
    RandomProjection,
    RLSClassifier,
    use_backend,
    use_threads,
)

SIZES = [(28, 28, 1), (8, 8, 1), (32, 32, 3), (9, 14, 2), (96, 64, 1), (1, 5, 1), (1, 1, 1), (2, 3, 4)]


def noise(n, size, seed=0):
    """Images with flat parts, edges and texture, uint8."""
    random = np.random.RandomState(seed)
    images = random.randint(0, 256, size=(n, *size)).astype(np.uint8)
    images[n // 2 :, : size[0] // 2] = 0
    images[:, :, size[1] // 2 :] //= 4
    return images


# ---- bits


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("parameters", [{}, {"grid": 3, "n_orientations": 12}], ids=str)
def test_kernel_and_numpy_twin_give_the_same_bits(size, parameters):
    images, extractor = noise(6, size), OrientedGradients(**parameters)
    with use_backend("numpy"):
        twin = extractor.transform(images)

    assert extractor.transform(images).tobytes() == twin.tobytes()
    assert twin.dtype == np.float32 and np.isfinite(twin).all()


def test_an_image_has_the_same_features_alone_in_any_batch_and_on_any_number_of_threads():
    images = noise(1100, (28, 28))
    with use_threads(1):
        expected = OrientedGradients().transform(images)
    for threads in (2, 5):
        with use_threads(threads):
            assert OrientedGradients().transform(images).tobytes() == expected.tobytes()
    for part in (slice(0, 1), slice(7, 8), slice(333, 341), slice(1099, None)):
        assert OrientedGradients().transform(images[part]).tobytes() == expected[part].tobytes()


def test_layout_and_type_of_the_array_do_not_matter():
    images = noise(5, (12, 10, 3))
    expected = OrientedGradients().transform(images).tobytes()

    for same in (
        images.astype(np.float32),
        images.astype(np.float64),
        images.astype(np.int64),
        np.asfortranarray(images),
        images[::-1][::-1],
        images.tolist(),
        np.ascontiguousarray(images.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
    ):
        assert OrientedGradients().transform(same).tobytes() == expected
    flat = OrientedGradients(shape=(12, 10, 3)).transform(images.reshape(5, -1))
    assert flat.tobytes() == expected


def test_another_process_gives_the_same_bits():
    images = noise(3, (16, 16))
    code = """
import json, sys
import numpy as np
from analytic_cl import OrientedGradients
images = np.array(json.load(sys.stdin), dtype=np.uint8)
print(OrientedGradients().transform(images).tobytes().hex())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(images.tolist()), text=True, capture_output=True, check=True
    )

    assert done.stdout.strip() == OrientedGradients().transform(images).tobytes().hex()


def test_bits_are_those_on_record():
    features = hashlib.sha256()
    for size in ((28, 28), (33, 20, 3)):
        features.update(OrientedGradients().transform(noise(5, size)).astype("<f4").tobytes())

    assert features.hexdigest() == "d9fc4f21958c883c6de0b17088a63beed891bee95516594173c71423e6b63701"


@pytest.mark.parametrize("features", ["", "+avx2,+fma"])
def test_other_processors_compile_to_the_same_bits(features):
    host = get_host_cpu_features()
    if platform.machine() not in ("x86_64", "AMD64") or (features and not (host.get("avx2") and host.get("fma"))):
        pytest.skip("this processor can't run what would be compiled")
    code = """
import numpy as np
from analytic_cl import OrientedGradients
images = np.arange(2 * 20 * 17 * 3).reshape(2, 20, 17, 3) ** 2 % 251
print(OrientedGradients().transform(images).tobytes().hex())
"""
    settings = {
        "NUMBA_CPU_NAME": "haswell" if features else "generic",
        "NUMBA_CPU_FEATURES": features,
        "ANALYTIC_CL_NUMBA_CACHE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **settings}, text=True, capture_output=True, check=True
    )
    images = np.arange(2 * 20 * 17 * 3).reshape(2, 20, 17, 3) ** 2 % 251

    assert done.stdout.strip() == OrientedGradients().transform(images).tobytes().hex()


# ---- what features mean


def test_brightness_and_contrast_of_the_whole_image_do_not_matter():
    images = noise(4, (20, 20)).astype(np.float64)
    expected = OrientedGradients().transform(images)

    for changed in (images / 255, 1e-3 * images - 7, 1e200 * images):
        np.testing.assert_allclose(OrientedGradients().transform(changed), expected, atol=1e-6)


def test_an_image_of_one_value_gives_zeros_and_extreme_values_stay_finite():
    flat = np.full((2, 10, 10), 3.5)
    extreme = np.zeros((2, 10, 10))
    extreme[0, 3:7, 4] = np.finfo(float).max
    extreme[1, :5] = -np.finfo(float).max
    extreme[1, 5:] = np.finfo(float).max

    assert not OrientedGradients().transform(flat).any()
    assert np.isfinite(OrientedGradients().transform(extreme)).all()
    assert np.isfinite(OrientedGradients().transform(np.full((1, 8, 8), 5e-324) * np.eye(8))).all()


def test_layer_1_responds_most_to_the_direction_of_the_gradient():
    y, x = np.mgrid[:24, :24]
    for a in range(8):
        angle = 2 * math.pi * a / 8
        ramp = math.cos(angle) * x + math.sin(angle) * y
        maps = OrientedGradients().transform(ramp[None]).reshape(-1, 7, 7)

        assert maps[1:9, 3, 3].argmax() == a


def test_colour_channels_are_told_apart():
    grey = noise(2, (16, 16, 1))
    red, blue = (np.concatenate([grey if c == at else 0 * grey for c in range(3)], axis=3) for at in (0, 2))
    features = [OrientedGradients().transform(images).reshape(2, -1, 49) for images in (red, blue)]

    assert not np.allclose(*features)
    layer_1 = [f[:, 3 : 3 + 24].reshape(2, 3, 8, 49) for f in features]
    np.testing.assert_array_equal(layer_1[0][:, 0], layer_1[1][:, 2])
    assert not layer_1[0][:, 1:].any()


@pytest.mark.parametrize(("size", "cells"), [((28, 28, 1), 49), ((8, 8, 1), 16), ((32, 32, 3), 49), ((1, 9, 1), 4)])
def test_features_have_names(size, cells):
    images = noise(2, size)
    extractor = OrientedGradients().fit(images)
    names = extractor.get_feature_names_out()

    assert len(set(names)) == len(names) == extractor.transform(images).shape[1] == size[2] * 41 * cells
    assert names[0] == "c0_mean_0_0"
    assert OrientedGradients(shape=size).get_feature_names_out().tolist() == names.tolist()
    with pytest.raises(NotFittedError, match="call fit, or give shape="):
        OrientedGradients().get_feature_names_out()


# ---- errors


@pytest.mark.parametrize(
    ("parameters", "X", "message"),
    [
        ({}, np.zeros((3, 784)), r"flat rows need shape=\(height, width\)"),
        ({}, np.zeros((3, 1, 2, 3, 4)), "X has 5 dimensions"),
        ({}, np.zeros(9), "Expected 2D array, got 1D array"),
        ({}, np.zeros((0, 8, 8)), "minimum of 1 is required"),
        ({}, np.zeros((3, 8, 0)), "no pixels"),
        ({}, np.zeros((3, 3, 32, 32)), "channels come last"),
        ({}, np.zeros((2, 8, 8), dtype=complex), "[Cc]omplex data not supported"),
        ({}, np.zeros((2, 8, 8), dtype="M8[s]"), "real numbers, got datetime64"),
        ({}, [["a", "b"]], "'a'|numeric"),
        ({"shape": (28, 28)}, np.zeros((3, 783)), "X has 783 features, shape=.28, 28. needs 784"),
        ({"shape": (28, 28)}, np.zeros((3, 32, 32)), r"shape \(32, 32, 1\) .*, expected \(28, 28, 1\)"),
        ({"shape": (28,)}, np.zeros((3, 28)), "shape must be"),
        ({"shape": (28, 0)}, np.zeros((3, 28)), "shape must be"),
        ({"shape": "28x28"}, np.zeros((3, 784)), "shape must be"),
        ({"shape": 784}, np.zeros((3, 784)), "shape must be"),
        ({"grid": 0}, np.zeros((3, 8, 8)), "grid must be an integer from 1 to 32, got 0"),
        ({"grid": 2.5}, np.zeros((3, 8, 8)), "grid must be"),
        ({"grid": True}, np.zeros((3, 8, 8)), "grid must be"),
        ({"n_orientations": 7}, np.zeros((3, 8, 8)), "n_orientations must be an even integer from 2 to 32, got 7"),
    ],
)
def test_what_is_no_image_is_refused(parameters, X, message):
    for call in ("fit", "transform"):
        with pytest.raises(ValueError, match=message):
            getattr(OrientedGradients(**parameters), call)(X)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("call", ["fit", "transform"])
def test_nan_and_infinity_are_refused_by_number_of_the_image(bad, call):
    images = np.zeros((9000, 8, 8))
    images[[4100, 4103], 2, 2] = bad

    with pytest.raises(ValueError, match="NaN or infinity in rows 4100, 4103"):
        getattr(OrientedGradients(), call)(images)


def test_images_of_another_size_than_at_fit_are_refused():
    extractor = OrientedGradients().fit(np.zeros((2, 8, 8)))

    with pytest.raises(ValueError, match=r"shape \(9, 8, 1\) .*, expected \(8, 8, 1\)"):
        extractor.transform(np.zeros((2, 9, 8)))
    assert extractor.fit(np.zeros((2, 9, 8))).image_shape_ == (9, 8, 1)


# ---- scikit-learn, pipelines


class AnyWidth(OrientedGradients):
    """Rows as images of one line: a shape must be declared once, and scikit-learn's checks change width as they go."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags

    def _images(self, X, reset):
        size = np.asarray(X).shape if hasattr(X, "__array__") else np.shape(X)
        if len(size) == 2:
            self.shape = (1, max(1, size[1]))
        try:
            return super()._images(X, reset)
        finally:
            self.shape = None


@parametrize_with_checks([AnyWidth(), AnyWidth(2, n_orientations=4)])
def test_scikit_learn_check(estimator, check):
    check(estimator)


def test_no_tag_switches_checks_off():
    names = [check.func.__name__ for _, check in estimator_checks_generator(AnyWidth())]

    assert {"check_transformer_general", "check_estimators_nan_inf", "check_methods_subset_invariance"} <= set(names)


def test_fingerprint_tells_parameters_apart_and_nothing_else():
    different = [
        OrientedGradients(),
        OrientedGradients(6),
        OrientedGradients(n_orientations=6),
        OrientedGradients(shape=(4, 8)),
        OrientedGradients(shape=(8, 4)),
    ]
    prints = [extractor.fingerprint() for extractor in different]

    assert len(set(prints)) == len(prints) and all(len(p) == 64 and int(p, 16) for p in prints)
    assert [clone(extractor).fingerprint() for extractor in different] == prints
    assert OrientedGradients(np.int64(7)).fit(np.zeros((2, 8, 8))).fingerprint() == prints[0]
    assert OrientedGradients(shape=[4, 8]).fingerprint() == prints[3]
    assert (
        prints[0] == "8c4c1610c0cbab70f4d9d5009f298491a124272186648b95d6f13c6217385b7b"
    )  # changes only with the method's version, and then features differ


def test_images_are_learned_and_forgotten_by_themselves_through_a_pipeline():
    images, y = load_digits(return_X_y=True)
    images, y = images[:300].reshape(-1, 8, 8), y[:300]
    pipeline = ContinualPipeline(OrientedGradients(), LDAClassifier(quantizer=FixedPoint(16, norm="l2")), batch_size=64)
    pipeline.fit(images, y)
    pipeline.forget(images[100:117], y[100:117])
    retrained = clone(pipeline).fit(np.delete(images, np.s_[100:117], 0), np.delete(y, np.s_[100:117]))

    assert pipeline.state_digest() == retrained.state_digest()


# ---- accuracy


def test_digits_of_8_by_8_pixels():
    images, y = load_digits(return_X_y=True)
    model = make_pipeline(OrientedGradients(shape=(8, 8)), RLSClassifier(quantizer=FixedPoint(16, norm="l2")))

    assert model.fit(images[:1200], y[:1200]).score(images[1200:], y[1200:]) >= 0.96


def test_patches_of_two_photographs_are_told_apart_in_colour():
    patches = [
        photo[:416, :640].reshape(13, 32, 20, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
        for photo in load_sample_images().images
    ]
    X, y = np.concatenate(patches), np.repeat([0, 1], [len(p) for p in patches])
    order = np.random.RandomState(0).permutation(len(y))
    features = OrientedGradients().transform(X[order])
    head = RLSClassifier(quantizer=FixedPoint(16, norm="l2")).fit(features[:260], y[order][:260])

    assert head.score(features[260:], y[order][260:]) >= 0.85


def test_3000_images_of_mnist_give_98_percent():
    if not (DATA / "mnist_pixels.npz").exists() and "ANALYTIC_CL_REQUIRE_DATA" not in os.environ:
        pytest.skip(f"mnist_pixels.npz is not in {DATA}: set ANALYTIC_CL_DATA to the folder that holds it")
    data = pack("mnist_pixels")
    extractor = OrientedGradients(shape=(28, 28))
    train, test = (extractor.transform(X) for X in (data["X_train"][:3000], data["X_test"][:3000]))
    head = RLSClassifier(projection=RandomProjection(2000)).fit(train, data["y_train"][:3000])

    assert head.score(test, data["y_test"][:3000]) >= 0.98
