"""The C++ kernels give the bits of plain integer arithmetic, on every instruction set, for every shape and stride."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from analytic_cl import RandomProjection, show_config, use_backend, use_threads
from analytic_cl._config import native
from analytic_cl.quantizers import projection
from analytic_cl.statistics import gram

pytestmark = pytest.mark.skipif(native is None, reason="the package was installed without a compiler")

ISAS = [] if native is None else native.isas()
DTYPES = {8: np.int8, 16: np.int16, 32: np.int32}
LIMITS = {8: 0x7F, 16: 0x7F7F, 32: 0x7F7F7F7F}
SHAPES = [(0, 5), (1, 1), (3, 2), (5, 7), (8, 48), (9, 49), (100, 17), (37, 200), (4096, 3), (4099, 50), (1000, 193)]

all_isas = pytest.mark.parametrize("isa", ISAS)


def rows_of(bits, n, d, seed=0):
    limit = LIMITS[bits]
    rows = np.random.RandomState(seed).randint(-limit, limit + 1, size=(n, d)).astype(DTYPES[bits])
    rows[: n // 3] = limit
    rows[n // 3 : n // 2] = -limit
    return rows


def values(planes, bits):
    return sum(plane.astype(object) << shift for plane, shift in zip(planes, gram.PLANE_SHIFTS[bits], strict=True))


@all_isas
@pytest.mark.parametrize("bits", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_gram_is_exact(isa, bits, shape, threads):
    rows = rows_of(bits, *shape)
    exact = rows.astype(object).T @ rows.astype(object) if shape[0] else np.zeros((shape[1],) * 2, dtype=object)
    planes = gram.empty_planes(shape[1], bits)
    block = gram.NativeBlock(*shape, bits, isa)
    block.threads = threads

    for sign, expected in ((1, exact), (1, 2 * exact), (-1, exact), (-1, 0 * exact)):
        for start in range(0, shape[0], block.rows_at_once):
            block.multiply(rows[start : start + block.rows_at_once])
            block.add_to(planes, sign)
        np.testing.assert_array_equal(values(planes, bits), expected[np.triu_indices(shape[1])])


@all_isas
@pytest.mark.parametrize("bits", DTYPES)
def test_planes_are_those_of_the_other_backends(isa, bits):
    rows = rows_of(bits, 300, 70)
    mine, theirs = gram.empty_planes(70, bits), gram.empty_planes(70, bits)
    block = gram.NativeBlock(300, 70, bits, isa)
    block.multiply(rows)
    block.add_to(mine, 1)
    with use_backend("numpy"):
        gram.accumulate(theirs, rows, bits, 1)

    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@all_isas
@pytest.mark.parametrize("bits", DTYPES)
def test_any_strides_are_read_as_they_are(isa, bits):
    rows = rows_of(bits, 50, 61)
    wide = np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)
    expected = values(_gram(rows, bits, isa), bits)

    for view in (np.asfortranarray(rows), wide[::2, ::3], rows[::-1][::-1], np.broadcast_to(rows, rows.shape)):
        np.testing.assert_array_equal(values(_gram(view, bits, isa), bits), expected)
    upside_down = rows[::-1, ::-1]
    np.testing.assert_array_equal(_gram(upside_down, bits, isa), _gram(upside_down.copy(), bits, isa))


def _gram(rows, bits, isa):
    planes = gram.empty_planes(rows.shape[1], bits)
    block = gram.NativeBlock(*rows.shape, bits, isa)
    block.multiply(rows)
    block.add_to(planes, 1)
    return planes


@all_isas
@pytest.mark.parametrize(
    "shape", [(0, 4, 5), (1, 1, 1), (7, 3, 2), (9, 13, 50), (300, 31, 48), (100, 384, 97), (8, 1280, 49)], ids=str
)
@pytest.mark.parametrize("shift", [0, 1, 5])
def test_projection_is_exact(isa, shape, shift):
    n, d, components = shape
    q = rows_of(8, n, d)
    sums = q @ projection._signs(3, components, d).astype(np.int64)
    expected = np.minimum((np.maximum(sums, 0) + (1 << shift >> 1)) >> shift, 127)
    out, out_sums = np.full((n, components), -1, dtype=np.int8), np.empty((n, components), dtype=np.int32)
    signs = native.Signs(projection._sign_bits(3, components, d), d, isa)

    native.project(q, signs, shift, out, 2)
    native.project_sums(q, signs, out_sums, 2)

    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(out_sums, sums)


def test_signs_are_shared_by_threads():
    q, packed = rows_of(8, 400, 300), projection._sign_bits(0, 4000, 300)
    signs = native.Signs(packed, 300, "")
    expected = np.empty((400, 4000), dtype=np.int8)
    native.project(q, signs, 3, expected, 1)

    def project(_):
        out = np.empty_like(expected)
        native.project(q, signs, 3, out, 3)
        return np.array_equal(out, expected)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(project, range(40)))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's count of resident pages")
def test_signs_go_with_their_last_user():
    packed = projection._sign_bits(0, 4000, 300)
    native.Signs(packed, 300, "")
    before = resident_bytes()
    for _ in range(100):  # 15 MB or more, were they kept
        native.Signs(packed, 300, "")
    assert resident_bytes() - before < 8e6


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("n", [1, 7, 8, 9, 100, 257])
def test_few_rows_get_the_bits_that_they_get_among_many(n):
    q = rows_of(8, 3000, 301, seed=1)
    assert np.array_equal(RandomProjection(200).project(q[:n], 512.0), RandomProjection(200).project(q, 512.0)[:n])


def test_threads_change_nothing():
    q = rows_of(8, 3000, 100)
    features = []
    for n in (1, 2, 5):
        with use_threads(n), use_backend("native"):
            features.append(RandomProjection(200).project(q, 256.0))

    np.testing.assert_array_equal(features[0], features[1])
    np.testing.assert_array_equal(features[0], features[2])
    with pytest.raises(ValueError, match="from 1 to 4096"), use_threads(0):
        pass


def test_calls_that_would_leave_memory_are_refused():
    rows, planes = rows_of(8, 10, 6), gram.empty_planes(6, 8)
    scratch = np.empty(native.gram_scratch_bytes(6, 1), dtype=np.int8)
    bits, out = projection._sign_bits(0, 5, 6), np.empty((10, 5), dtype=np.int8)
    signs = native.Signs(bits, 6, "")

    for call in (
        lambda: native.gram8(rows, 1, gram.empty_planes(5, 8), scratch, 1, ""),
        lambda: native.gram8(rows, 1, [], scratch, 1, ""),
        lambda: native.gram8(rows, 1, [planes[0].astype(np.int16)], scratch, 1, ""),
        lambda: native.gram8(rows, 1, [gram.empty_planes(5, 8, np.int32)[0]], scratch, 1, ""),
        lambda: native.gram16(rows.astype(np.int16), 1, [planes[0].astype(np.int32)], np.tile(scratch, 2), 1, ""),
        lambda: native.gram8(rows, 1, planes, scratch[:1000], 1, ""),
        lambda: native.gram8(np.zeros((native.BLOCK_ROWS + 1, 6), np.int8), 1, planes, scratch, 1, ""),
        lambda: native.gram8(rows, 1, planes, scratch, 1, "mmx"),
        lambda: native.Signs(bits, 9, ""),
        lambda: native.project(rows, signs, 1, out[:9], 1),
        lambda: native.project(rows, signs, 40, out, 1),
        lambda: native.project(rows, signs, 1, out, 0),
        lambda: native.project(np.zeros((10, 60), np.int8), signs, 1, out, 1),
        lambda: native.project_sums(rows, signs, np.empty((10, 4), np.int32), 1),
    ):
        with pytest.raises((ValueError, RuntimeError), match=r"fit|planes|plane|scratch|instruction set|cast"):
            call()
    for wrong in (rows.astype(np.int16), rows[0]):
        with pytest.raises(TypeError):
            native.gram8(wrong, 1, planes, scratch, 1, "")


def test_config_says_what_runs():
    config = show_config()

    assert config["instruction sets"] == ISAS
    assert config["instruction sets"][-1] == "portable"
    assert config["threads"] >= 1
