"""PyTorch's integers are those of the CPU's kernels, to the bit."""

import numpy as np
import pytest
from devices import device, tensor  # noqa: F401  (a fixture)

from analytic_cl import FixedPoint, FourierFeatures, RandomProjection, resolve_quantizer, use_device
from analytic_cl.quantizers import reference
from analytic_cl.statistics import class_sums as sums_module
from analytic_cl.statistics import gram, on_device
from analytic_cl.statistics.class_sums import class_sums
from analytic_cl.statistics.deferred import DeferredGram
from analytic_cl.statistics.invariants import gram_diagonal

LIMITS = {8: 127, 16: 32639, 32: 0x7F7F7F7F}


def hard_rows(d):
    """Rows of every size: zeros, one value, subnormal, huge, of widely different values, and values at ties."""
    random = np.random.RandomState(d)
    rows = random.normal(size=(60, d))
    rows[0] = 0.0
    rows[1] = 0.0
    rows[1, -1] = -3.0
    rows[2] *= 5e-324 / 1e-3
    rows[3] *= 1e-308
    rows[4] *= 1e307
    rows[5] = np.finfo(np.float64).max * np.sign(rows[5])
    rows[6:20] *= 10.0 ** random.uniform(-9, 9, size=(14, d))
    rows[20:40] = random.randint(-300, 300, size=(20, d)) + 0.5
    rows[40] = -0.0
    return rows


RULES = [
    FixedPoint(8, norm="l2"),
    FixedPoint(16, norm="l2", scale=300.0),
    FixedPoint(32, norm="l2", scale=1e9 / 7),
    FixedPoint(8, scale=1.0),
    FixedPoint(32),
    FixedPoint(8, bounds=(-0.3, 100.0)),
    FixedPoint(16, bounds=(-1e5, 3e4)),
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("d", [1, 16, 37, 300])
def test_rows_become_the_same_integers(rule, d, device):  # noqa: F811
    quantizer, rows = resolve_quantizer(rule, None, d), hard_rows(d)
    with np.errstate(over="ignore", under="ignore"):
        single = np.nan_to_num(rows.astype(np.float32), posinf=3e38, neginf=-3e38)
    half = np.clip(rows, -6e4, 6e4).astype(np.float16)
    for each in (rows, np.asfortranarray(rows), rows[::-1], single, half, rows[20:40].astype(np.int64)):
        expected = quantizer.quantise(each)
        with use_device(device):
            np.testing.assert_array_equal(quantizer.quantise(each), expected)
            np.testing.assert_array_equal(quantizer.quantise(tensor(each.copy(), device)), expected)


def test_values_that_are_ties_but_for_rounding_fall_to_the_same_side(device):  # noqa: F811
    rows = np.array([[3, 4], [-6, 8], [0.3, 0.4], [3e5, -4e5], [3e200, 4e200]])
    by_reciprocal = 0
    for k in range(200):
        scale = (k + 0.5) / 0.6  # 3 / 5 of it is a half
        quantizer = resolve_quantizer(FixedPoint(16, norm="l2", scale=scale), None, 2)
        expected = quantizer.quantise(np.tile(rows, (4, 1)))
        by_reciprocal += (np.rint(rows[0] * (scale * (1 / np.sqrt(25.0)))) != expected[0]).sum()
        with use_device(device):
            np.testing.assert_array_equal(quantizer.quantise(np.tile(rows, (4, 1))), expected)

    assert by_reciprocal  # such rows tell the two apart


def test_squares_are_summed_in_the_order_of_the_specification(device):  # noqa: F811
    from analytic_cl.quantizers import torch_kernels

    for d in (1, 15, 16, 17, 768):
        squares = np.random.RandomState(d).normal(size=(50, d)) ** 2 * 10.0 ** np.random.RandomState(1).randint(9)
        found = torch_kernels.sum_in_lanes(tensor(squares, device)).cpu().numpy()
        assert found.tobytes() == reference.sum_in_lanes(squares).tobytes()


@pytest.mark.parametrize(
    "projection",
    [
        RandomProjection(70),
        RandomProjection(1000, random_state=3),
        RandomProjection(33, keep_input=True, tanh=True),
        FourierFeatures(65, gamma=0.3),
    ],
    ids=repr,
)
def test_random_features_are_the_same(projection, device):  # noqa: F811
    quantizer, rows = resolve_quantizer("auto", projection, 45), hard_rows(45)
    expected = quantizer.quantise(rows)
    with use_device(device):
        np.testing.assert_array_equal(quantizer.quantise(rows), expected)


def test_a_projection_without_kernels_there_goes_by_the_host(device, monkeypatch):  # noqa: F811
    monkeypatch.delattr(RandomProjection, "project_on_device")
    test_random_features_are_the_same(RandomProjection(70), device)


def random_rows(bits, n, d, seed):
    random, limit = np.random.RandomState(seed), LIMITS[bits]
    rows = random.randint(-limit, limit + 1, size=(n, d))
    rows[: n // 3] = np.where(random.randint(2, size=(n // 3, d)), limit, -limit)
    rows[n // 3 : n // 2] = random.choice([-0x8080, 0x7F7F, -128, 127, 128, 0], size=rows[n // 3 : n // 2].shape)
    return np.clip(rows, -limit, limit).astype(f"int{bits}")


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("d", [1, 40, 64, 130])
def test_gram_matrices_are_the_same_in_any_blocks_and_bands(bits, d, device, monkeypatch):  # noqa: F811
    from analytic_cl._device import DeviceRows

    monkeypatch.setattr(on_device, "BLOCK_ROWS", 64)
    monkeypatch.setattr(on_device, "BAND", 64)
    quantizer = resolve_quantizer(FixedPoint(bits, scale=1.0), None, d)
    matrix, expected = DeferredGram(quantizer), gram.empty_planes(d, bits)
    for seed, (n, sign) in enumerate([(120, 1), (5, 1), (70, -1), (33, 1), (5, -1)]):
        rows = random_rows(bits, n, d, seed)
        gram.accumulate(expected, rows, bits, sign)
        with use_device(device if seed != 3 else "cpu"):
            matrix.change(DeviceRows(tensor(rows, device)) if seed % 2 else rows, sign)
        assert list(matrix.diagonal()) == list(gram_diagonal(expected, quantizer))
        if seed == 1:
            np.testing.assert_array_equal(matrix.planes, expected)

    np.testing.assert_array_equal(matrix.planes, expected)


def test_more_rows_than_an_int32_holds_products_of(device):  # noqa: F811
    n = 2**31 // 127**2 + 2
    quantizer = resolve_quantizer("integers", None, 2)
    matrix = DeferredGram(quantizer)
    with use_device(device):
        matrix.change(np.full((n, 2), [127, -127], dtype=np.int8), 1)

    assert matrix.planes[0].tolist() == [n * 127**2, -n * 127**2, n * 127**2]
    assert n * 127**2 > 2**31 > on_device.BLOCK_ROWS * 128**2


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_class_sums_are_the_same(bits, device, monkeypatch):  # noqa: F811
    from analytic_cl._device import DeviceRows

    monkeypatch.setattr(on_device, "_NUMBERS", 100)
    rows, codes = random_rows(bits, 300, 7, 0), np.random.RandomState(1).randint(4, size=300)
    expected = class_sums(rows, codes, 5)
    monkeypatch.setattr(sums_module, "get_threads", None)  # the CPU's own must not run

    np.testing.assert_array_equal(class_sums(DeviceRows(tensor(rows, device)), codes, 5), expected)
