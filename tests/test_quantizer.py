"""A row gives the same integers whatever it comes with, wherever it is computed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analytic_cl import FixedPoint, use_backend
from analytic_cl.quantizers import Quantizer, resolve_quantizer
from analytic_cl.quantizers.fixed_point import LIMITS

QUANTIZERS = {
    "embedding": "embedding",
    "tabular": "tabular",
    "8": FixedPoint(8),
    "16": FixedPoint(16),
    "16-l2": FixedPoint(16, norm="l2"),
    "32-l2": FixedPoint(32, norm="l2"),
    "8-bounds": FixedPoint(8, bounds=(-3, 5)),
    "16-bounds": FixedPoint(16, bounds=(0, 1e6)),
    "scale": FixedPoint(16, scale=100.0),
}
all_quantizers = pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)


def rows_with_a_spread(n=50, d=37, seed=0):
    random = np.random.RandomState(seed)
    X = random.normal(size=(n, d)) * np.exp(4 * random.normal(size=(n, 1)))
    X[3] = 0
    return X


@all_quantizers
@given(data=st.data())
def test_kernel_equals_its_numpy_twin_on_any_floats(quantizer, data):
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 40)))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    X = data.draw(arrays(dtype, shape, elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))
    resolved = resolve_quantizer(quantizer, None, shape[1])

    fast = resolved.quantise(X)
    with use_backend("numpy"):
        slow = resolved.quantise(X)

    np.testing.assert_array_equal(fast, slow)
    assert fast.dtype == resolved.dtype
    assert np.abs(fast.astype(np.int64)).max() <= resolved.limit


@all_quantizers
def test_row_is_the_same_alone_in_a_batch_in_any_storage(quantizer):
    X = rows_with_a_spread().astype(np.float32)
    resolved = resolve_quantizer(quantizer, None, X.shape[1])
    expected = resolved.quantise(X)

    np.testing.assert_array_equal(np.concatenate([resolved.quantise(row[None]) for row in X]), expected)
    np.testing.assert_array_equal(resolved.quantise(X.astype(np.float64)), expected)
    np.testing.assert_array_equal(resolved.quantise(np.asfortranarray(X)), expected)
    np.testing.assert_array_equal(resolved.quantise(X.astype(">f4")), expected)
    np.testing.assert_array_equal(resolved.quantise(np.repeat(X, 2, axis=1)[:, ::2]), expected)
    np.testing.assert_array_equal(resolved.quantise(X[::-1])[::-1], expected)


def test_norm_follows_the_specification_to_the_bit():
    X = rows_with_a_spread(seed=1)
    scale = 2.0 ** round(math.log2(32 * math.sqrt(X.shape[1])))

    def one_row(x):
        m = max(abs(v) for v in x)
        if m == 0:
            return [0] * len(x)
        v = [math.ldexp(value, -math.frexp(m)[1]) for value in x]
        lanes = [0.0] * 16
        for j, value in enumerate(v):
            lanes[j % 16] += value * value
        total = 0.0
        for lane in lanes:
            total += lane
        f = scale / math.sqrt(total)
        return [max(-127, min(127, round(value * f))) for value in v]

    expected = [one_row(x) for x in X.tolist()]

    np.testing.assert_array_equal(resolve_quantizer("embedding", None, X.shape[1]).quantise(X), expected)


def test_norm_survives_the_largest_and_smallest_floats():
    quantizer = resolve_quantizer(FixedPoint(16, norm="l2"), None, 2)
    directions = np.array([[3.0, 4.0]])

    for size in (5e-324, 1e-310, 1e-200, 1.0, 1e200, 4e307):
        expected = quantizer.quantise(directions * size if size > 1e-300 else np.array([[1.0, 1.0]]))
        got = quantizer.quantise(directions * size if size > 1e-300 else np.array([[size, size]]))
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_allclose(np.linalg.norm(got / 2**14), 1, atol=1e-4)


def test_halves_round_to_even_and_values_clip_symmetrically():
    quantizer = resolve_quantizer(FixedPoint(8, scale=1), None, 1)
    X = np.array([[0.5], [1.5], [2.5], [-0.5], [-1.5], [126.5], [127.49], [1e300], [-1e300], [-128.0]])

    assert quantizer.quantise(X).ravel().tolist() == [0, 2, 2, 0, -2, 126, 127, 127, -127, -127]


@pytest.mark.parametrize(
    ("d", "bits", "norm", "scale"), [(256, 32, None, 2**12), (257, 8, "l2", 512), (1280, 8, "l2", 1024)]
)
def test_auto_chooses_by_width(d, bits, norm, scale):
    quantizer = resolve_quantizer("auto", None, d)

    assert (quantizer.bits, quantizer.rule.norm, quantizer.rule.scale) == (bits, norm, scale)


def test_bounds_map_the_declared_range_onto_all_integers():
    quantizer = resolve_quantizer(FixedPoint(8, bounds=([0.0, -1.0], [255.0, 1.0])), None, 2)

    assert quantizer.quantise(np.array([[0.0, -1.0], [255.0, 1.0], [127.5, 0.0], [300.0, -9.0]])).tolist() == [
        [-127, -127],
        [127, 127],
        [0, 0],
        [127, -127],
    ]
    np.testing.assert_allclose(quantizer.dequantise(np.array([[-127, 127]])), [[0.0, 1.0]])


@all_quantizers
def test_dequantised_rows_are_within_half_a_step(quantizer):
    X = np.random.RandomState(0).uniform(0.5, 1.0, size=(20, 12))
    resolved = resolve_quantizer(quantizer, None, 12)
    target = X / np.linalg.norm(X, axis=1, keepdims=True) if resolved.rule.norm else X
    inside = np.abs((target - resolved.offset) / resolved.step) < resolved.limit

    error = np.abs(resolved.dequantise(resolved.quantise(X)) - target)

    assert (error <= 0.5000001 * resolved.step)[inside].all()


def test_as_is_takes_small_integers_of_any_dtype_and_nothing_else():
    quantizer = resolve_quantizer("integers", None, 2)
    good = np.array([[-127, 127], [0, 1]])

    for dtype in (np.int8, np.int64, np.float32):
        assert quantizer.quantise(good.astype(dtype)).tolist() == good.tolist()
    for bad in ([[0, 0], [0, -128]], [[0, 0], [0.5, 0]], [[0, 0], [np.nan, 0]], [[0, 0], [300, 0]]):
        with pytest.raises(ValueError, match=r"row 1 of X"):
            quantizer.quantise(np.array(bad))


@all_quantizers
def test_spec_describes_the_quantizer_completely(quantizer):
    resolved = resolve_quantizer(quantizer, None, 9)

    assert Quantizer.from_spec(resolved.spec()) == resolved


@pytest.mark.parametrize("values", [[np.nan], [np.inf], [-np.inf], [np.nan, np.inf]], ids=str)
def test_rows_that_are_not_finite_are_named(values):
    X = np.zeros((5000, 3))
    X[np.arange(len(values)) + 4321, 1] = values

    with pytest.raises(ValueError, match=r"contains .*(NaN|infinity) in rows? 4321"):
        resolve_quantizer("tabular", None, 3).quantise(X)


EQUAL = [
    (FixedPoint(8, bounds=(-3, 5)), FixedPoint(np.int64(8), bounds=([-3.0], [5.0]))),
    (FixedPoint(8, bounds=(-3, 5)), FixedPoint(8.0, bounds=([-3.0] * 4, np.full(4, 5)))),
    (FixedPoint(8, bounds=(0.0, 1)), FixedPoint(8, bounds=(-0.0, 1))),
    (FixedPoint(8, bounds=([0, 0, 0, -1], 5)), FixedPoint(8, bounds=([0, 0, 0, -1], [5] * 4))),
    (FixedPoint(32), FixedPoint(32, scale=4096)),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_one_rule_written_in_two_ways_is_one_quantizer(one, other):
    quantizers = [resolve_quantizer(rule, None, 4) for rule in (one, other)]

    assert quantizers[0] == quantizers[1]
    assert quantizers[0].canonical_bytes() == quantizers[1].canonical_bytes()
    assert Quantizer.from_spec(quantizers[1].spec()) == quantizers[0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FixedPoint(12), "bits must be"),
        (lambda: FixedPoint(8, norm="l1"), "norm must be"),
        (lambda: FixedPoint(8, scale=0), "positive"),
        (lambda: FixedPoint(8, scale=float("nan")), "positive"),
        (lambda: FixedPoint(8, scale="a"), "positive"),
        (lambda: FixedPoint(8, scale=10**400), "positive"),
        (lambda: FixedPoint(8, scale=5e-324), "positive"),
        (lambda: FixedPoint([8]), "bits must be"),
        (lambda: FixedPoint(8, bounds=5), "must be a pair"),
        (lambda: FixedPoint(8, bounds=(0, "x")), "must be a pair"),
        (lambda: FixedPoint(8, bounds=(0, 5e-324)), "low < high"),
        (lambda: FixedPoint(8, bounds=(-1e308, 1e308)), "low < high"),
        (lambda: FixedPoint(8, scale=2, bounds=(0, 1)), "neither norm nor scale"),
        (lambda: FixedPoint(8, bounds=(1, 0)), "low < high"),
        (lambda: FixedPoint(8, bounds=([0, 0], [1, 0])), r"feature\(s\) \[1\]"),
        (lambda: FixedPoint(8, bounds=([0, 0], [1, 1, 1])), "disagree"),
        (lambda: FixedPoint(8, bounds=(0, np.inf)), "finite"),
        (lambda: resolve_quantizer(FixedPoint(8, bounds=([0, 0], [1, 1])), None, 3), "bounds are for 2 features"),
        (lambda: resolve_quantizer("int8", None, 3), "quantizer must be"),
        (lambda: FixedPoint.for_rows([[1.0, 2.0], [np.nan, 3.0]]), r"NaN or infinity in row\(s\) \[1\]"),
        (lambda: FixedPoint.for_rows([1.0, 2.0]), "must have shape"),
        (lambda: FixedPoint.for_rows(np.zeros((0, 3))), "not empty"),
        (lambda: FixedPoint.for_rows([["a"]]), "rows of numbers"),
        (lambda: FixedPoint.for_rows([[0.0, 1.0]], bits=12), "bits must be"),
        (lambda: FixedPoint.for_rows([[0.0, -1e300], [1.0, 1e300]]), r"too large at feature\(s\) \[1\]"),
    ],
)
def test_rules_that_mean_nothing_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_rows_that_may_be_looked_at_declare_bounds_for_columns_of_any_size(bits):
    random = np.random.RandomState(0)
    public = random.normal(size=(300, 6)) * [1e-9, 1e-3, 1, 1e6, 1e12, 0] + [0, 0, 30, 1.7e9, 0, 5]
    rule = FixedPoint.for_rows(public, bits)
    quantizer = resolve_quantizer(rule, None, 6)

    error = np.abs(quantizer.dequantise(quantizer.quantise(public)) - public)

    assert FixedPoint.for_rows(public[::-1], bits) == rule
    assert (error.max(axis=0)[:5] < 3 * public.std(axis=0)[:5] / {8: 40, 16: 500, 32: 1e5}[bits]).all()
    assert (
        np.abs(quantizer.quantise(2 * public[:, 5:] * np.ones(6))[:, 5]).max() <= quantizer.limit
    )  # a constant may double
    assert Quantizer.from_spec(quantizer.spec()) == quantizer


def test_far_extremes_leave_integers_to_the_middle_of_a_column():
    public = np.r_[np.random.RandomState(0).normal(size=1000), 1e6][:, None]
    quantizer = resolve_quantizer(FixedPoint.for_rows(public), None, 1)

    assert np.unique(quantizer.quantise(public)).size > 900
    assert np.abs(quantizer.quantise(public).astype(float)).max() < quantizer.limit


def test_limits_leave_every_8_bit_slice_within_a_signed_byte():
    for bits, limit in LIMITS.items():
        for value in (limit, -limit):
            rest = value
            for _ in range(bits // 8):
                rest = (rest - ((rest + 128) % 256 - 128)) // 256
            assert rest == 0
