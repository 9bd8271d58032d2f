"""Random features are the declared function of seed and integers, exactly."""

import hashlib

import numpy as np
import pytest

from analytic_cl import FixedPoint, LDAClassifier, RandomProjection, use_backend
from analytic_cl._config import BACKENDS
from analytic_cl.quantizers import Quantizer, resolve_quantizer
from analytic_cl.quantizers.random_features import MAX_FEATURES


def signs_by_hand(seed, component, n_features):
    prefix = b"analytic-cl random projection 1\0"
    stream = hashlib.shake_128(prefix + seed.to_bytes(8, "little") + component.to_bytes(8, "little"))
    data = stream.digest(-(-n_features // 8))
    return [1 if data[j // 8] >> (j % 8) & 1 else -1 for j in range(n_features)]


def test_features_follow_the_specification():
    q = np.random.RandomState(0).randint(-127, 128, size=(6, 300)).astype(np.int8)
    expected = []
    for row in q.tolist():
        sums = [sum(s * x for s, x in zip(signs_by_hand(5, k, 300), row, strict=True)) for k in range(7)]
        expected.append([min(127, (max(v, 0) + 8) >> 4) for v in sums])

    np.testing.assert_array_equal(RandomProjection(7, 5).project(q, 512.0), expected)


def test_backends_agree_and_first_components_do_not_depend_on_their_number():
    q = np.random.RandomState(1).randint(-127, 128, size=(20, 77)).astype(np.int8)
    many = RandomProjection(40, 3).project(q, 256.0)
    for backend in BACKENDS:
        with use_backend(backend):
            np.testing.assert_array_equal(RandomProjection(40, 3).project(q, 256.0), many)
    np.testing.assert_array_equal(RandomProjection(11, 3).project(q, 256.0), many[:, :11])
    assert (RandomProjection(40, 4).project(q, 256.0) != many).any()


def test_sums_at_the_limit_of_width_stay_exact():
    q = np.full((1, MAX_FEATURES), 127, dtype=np.int8)
    signs = np.array(signs_by_hand(0, 0, MAX_FEATURES))
    v = int((127 * signs).sum())

    z = RandomProjection(1).project(q, 127.0 * 2**13)

    assert z[0, 0] == min(127, (max(v, 0) + 2**14) >> 15)
    with pytest.raises(ValueError, match="at most"):
        resolve_quantizer("auto", RandomProjection(2), MAX_FEATURES + 1)


def test_projection_implies_the_embedding_quantizer():
    quantizer = resolve_quantizer("auto", RandomProjection(9), 4)

    assert (quantizer.bits, quantizer.rule.norm, quantizer.width, quantizer.n_features) == (8, "l2", 9, 4)
    for other in ("tabular", "integers", FixedPoint(8)):
        with pytest.raises(ValueError, match="implies"):
            resolve_quantizer(other, RandomProjection(9), 4)
    with pytest.raises(TypeError, match="must be a RandomProjection"):
        LDAClassifier(projection=5000).fit([[0.0], [1.0]], [0, 1])


def test_spec_carries_the_fingerprint_of_the_signs():
    quantizer = resolve_quantizer("auto", RandomProjection(9, 2), 20)
    spec = quantizer.spec()

    assert Quantizer.from_spec(spec) == quantizer
    spec["projection"]["fingerprint"] = "0" * 64
    with pytest.raises(ValueError, match="signs"):
        Quantizer.from_spec(spec)


@pytest.mark.parametrize(
    "arguments",
    [
        (0,),
        (10, None),
        (10, -1),
        (10, 2**64),
        (10, 0.5),
        ("10",),
        (10, np.random.RandomState(0)),
        (10, 0, 1),
        (10, 0, "yes"),
    ],
)
def test_seeds_and_sizes_that_are_no_identity_are_refused(arguments):
    with pytest.raises(ValueError, match=r"n_components|random_state|keep_input"):
        RandomProjection(*arguments)


def test_a_row_is_kept_beside_its_features_and_each_part_has_the_digest_of_its_own_head():
    X, y = np.random.RandomState(6).normal(size=(40, 12)), np.arange(40) % 3
    both = LDAClassifier(projection=RandomProjection(30, 5, keep_input=True)).fit(X, y)
    alone = {
        "input": LDAClassifier(quantizer="embedding").fit(X, y),
        "projection": LDAClassifier(projection=RandomProjection(30, 5)).fit(X, y),
    }

    assert both.quantizer_.width == 42
    np.testing.assert_allclose(
        both.quantizer_.dequantise(both.quantizer_.quantise(X)),
        np.hstack([h.quantizer_.dequantise(h.quantizer_.quantise(X)) for h in alone.values()]),
    )
    for which, head in alone.items():
        part = both.moments_.part(which)
        assert part.digest() == head.state_digest()
        served = LDAClassifier.from_moments(part)
        np.testing.assert_array_equal(served.decision_function(X), head.decision_function(X))
        assert both.moments_.of_order(1).part(which).digest() == head.moments_.of_order(1).digest()
    assert both.state_digest() not in {head.state_digest() for head in alone.values()}


def test_a_head_that_keeps_its_input_comes_back_from_its_file(tmp_path):
    X, y = np.vstack([np.eye(6), -np.eye(6)]), np.arange(12) % 2
    head = LDAClassifier(projection=RandomProjection(9, keep_input=True)).fit(X, y)
    head.save(tmp_path / "head")

    again = LDAClassifier.load(tmp_path / "head")

    assert again.projection == head.projection
    again.partial_fit(X, y)
    again.forget(X, y)
    assert again.state_digest() == head.state_digest()


@pytest.mark.parametrize("projection", [None, RandomProjection(9)])
def test_only_a_state_with_parts_has_parts(projection):
    head = LDAClassifier(projection=projection).fit(np.eye(4), [0, 0, 1, 1])
    with pytest.raises(ValueError, match="keep_input=True"):
        head.moments_.part("input")
    both = LDAClassifier(projection=RandomProjection(9, keep_input=True)).fit(np.eye(4), [0, 0, 1, 1])
    with pytest.raises(ValueError, match='"input" or "projection"'):
        both.moments_.part("rows")
