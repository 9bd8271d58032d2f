"""A Gram matrix behind 8 bits is of int32 while its entries provably fit, and nobody can tell but by its memory."""

import copy
import pickle
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from analytic_cl import Moments, resolve_quantizer, use_backend
from analytic_cl._sparse import SparseRows
from analytic_cl.quantizers import FixedPoint
from analytic_cl.statistics import deferred, gram
from analytic_cl.statistics.deferred import DeferredGram

D = 5
MOST = (2**31 - 1) // 127**2  # rows that fit in any case


def quantizer_of(bits):
    return resolve_quantizer(FixedPoint(bits, scale=1.0), None, D)


def state(wide=False):
    moments = Moments(quantizer_of(8))
    if wide:
        moments._gram = DeferredGram(moments.quantizer, gram.empty_planes(D, 8))
    return moments


def dtype(moments):
    return moments.planes[0].dtype


def extreme(n):
    return np.full((n, D), [127, -127, 127, 0, 126], dtype=np.int8)


def rows_of(n, seed):
    return np.random.RandomState(seed).randint(-127, 128, size=(n, D)).astype(np.int8)


def sparse(rows):
    return SparseRows.of(csr_array(rows))


def test_half_of_the_memory_behind_8_bits():
    entries = D * (D + 1) // 2
    sizes = {bits: sum(plane.nbytes for plane in Moments(quantizer_of(bits)).planes) for bits in (8, 16, 32)}
    assert sizes == {8: 4 * entries, 16: 8 * entries, 32: 24 * entries}


@pytest.mark.parametrize("backend", ["native", "blas", "numpy"])
def test_at_the_boundary_it_becomes_int64_and_the_digest_tells_nothing(backend):
    mine, wide = state(), state(wide=True)
    kinds = []
    with use_backend(backend):
        for sign, n in ((1, MOST - 6000), (1, 3000), (1, 2990), (1, 20), (1, 4000), (-1, 90_000), (-1, 3)):
            for each in (mine, wide):
                change = each.add if sign > 0 else each.subtract
                change(extreme(n), np.zeros(n, dtype=int))
            kinds.append(dtype(mine))
            assert mine.digest() == wide.digest()
            assert mine.planes[0].tolist() == wide.planes[0].tolist()
    assert kinds[0] == np.int32
    assert kinds[-1] == np.int64 == dtype(wide)
    assert dtype(mine.copy()) == np.int32  # it fits again
    mine.add(extreme(MOST), np.zeros(MOST, dtype=int))
    assert mine.copy().digest() == mine.digest()


def test_typical_rows_stay_narrow_far_beyond_the_worst_case():
    mine, n = state(), 2 * MOST
    mine.add(np.full((n, D), 30, dtype=np.int8), np.zeros(n, dtype=int))
    assert dtype(mine) == np.int32
    assert set(mine.planes[0].tolist()) == {900 * n}


CHANGES = st.lists(
    st.tuples(st.sampled_from(["rows", "sparse", "merge", "double"]), st.integers(1, 90), st.sampled_from([1, -1])),
    max_size=14,
)


@given(changes=CHANGES, seed=st.integers(0, 99), backend=st.sampled_from(["native", "numpy"]))
@settings(max_examples=40, deadline=None)
def test_any_changes_also_of_rows_never_learned_give_the_planes_of_int64(changes, seed, backend):
    quantizer = quantizer_of(8)
    mine, wide = DeferredGram(quantizer), DeferredGram(quantizer, gram.empty_planes(D, 8))
    with pytest.MonkeyPatch.context() as patch, use_backend(backend):
        patch.setattr(deferred, "_LARGEST", 2**22)
        patch.setattr(deferred, "_NEAR", 2**18)
        patch.setattr(deferred.sparse_gram, "is_worth_it", lambda _: True)
        for place, (what, n, sign) in enumerate(changes):
            rows = rows_of(n, seed + place)
            for each in (mine, wide):
                if what == "merge":
                    other = DeferredGram(quantizer)
                    other.change(rows, 1)
                    each.merge(other, sign)
                elif what == "double":
                    each.double()
                else:
                    each.change(sparse(rows * (rows > 100)) if what == "sparse" else rows, sign)
            taken_over = DeferredGram(quantizer)
            taken_over.merge(mine)
            np.testing.assert_array_equal(mine.planes[0], wide.planes[0])
            np.testing.assert_array_equal(taken_over.planes[0], wide.planes[0])
            if mine.planes[0].dtype == np.int32:
                assert deferred.largest(mine.planes[0]) <= mine._bound <= 2**22


def test_sparse_rows_take_the_way_of_their_entries():
    mine, wide = DeferredGram(quantizer_of(8)), DeferredGram(quantizer_of(8), gram.empty_planes(D, 8))
    rows = np.zeros((MOST + 10, D), dtype=np.int8)
    rows[:, 2] = 127
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deferred.sparse_gram, "is_worth_it", lambda _: True)
        for each in (mine, wide):
            each.change(sparse(rows[:1000]), 1)
            assert each is wide or each.planes[0].dtype == np.int32
            each.change(sparse(rows[1000:]), 1)
    assert mine.planes[0].dtype == np.int64
    np.testing.assert_array_equal(mine.planes[0], wide.planes[0])


def test_states_that_fit_alone_and_not_together():
    one, other, n = state(), state(), MOST * 2 // 3
    for each in (one, other):
        each.add(extreme(n), np.zeros(n, dtype=int))
    assert dtype(one) == dtype(other) == np.int32
    before = one.digest()
    twin = one.copy()
    one.merge(other)
    twin.double()
    assert dtype(one) == dtype(twin) == np.int64
    assert one.planes[0][0] == 2 * n * 127**2
    assert one.digest() == twin.digest()
    assert one.unmerge(other).digest() == before


@pytest.mark.parametrize("n", [100, MOST + 1])
def test_arrays_and_pickles_are_those_of_int64_and_read_as_what_fits(n):
    mine, wide = state(), state(wide=True)
    for each in (mine, wide):
        each.add(extreme(n), np.zeros(n, dtype=int))
    arrays = mine.to_arrays()
    for name, array in wide.to_arrays().items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
    read = Moments.from_arrays(mine.quantizer, mine.describe(), arrays)
    narrow = Moments.from_arrays(mine.quantizer, mine.describe(), arrays | {"gram_0": mine.planes[0]})
    parted = mine.of_classes(mine.quantizer, mine.labels, mine.counts, mine.sums, mine.planes)
    for each in (
        read,
        narrow,
        parted,
        copy.deepcopy(mine),
        pickle.loads(pickle.dumps(mine)),
        pickle.loads(pickle.dumps(wide)),
    ):
        assert each.digest() == mine.digest()
        each.add(extreme(MOST), np.ones(MOST, dtype=int))
        assert each.planes[0][0] == (n + MOST) * 127**2
    assert dtype(Moments.from_arrays(mine.quantizer, mine.describe(), arrays)) == (np.int32 if n == 100 else np.int64)


def test_a_look_half_way_is_forgotten_with_what_is_taken_back(monkeypatch):
    mine, n = state(), MOST - 10_000
    mine.add(extreme(n), np.zeros(n, dtype=int))
    before, looks, original = mine.digest(), [], deferred.largest
    multiply = gram._BlasBlock.multiply

    def fail_after_a_look(self, rows):
        if len(looks) == 1:
            looks.append("failed")
            raise MemoryError
        multiply(self, rows)

    monkeypatch.setattr(deferred, "largest", lambda plane: looks.append(original(plane)) or looks[-1])
    monkeypatch.setattr(gram._BlasBlock, "multiply", fail_after_a_look)
    with use_backend("blas"), pytest.raises(MemoryError):
        mine.subtract(extreme(n - 1), np.zeros(n - 1, dtype=int))
    assert looks[0] < n * 127**2  # of what was left half way
    assert dtype(mine) == np.int32
    assert mine.digest() == before
    mine.add(extreme(11_000), np.zeros(11_000, dtype=int))
    assert mine.planes[0][0] == (n + 11_000) * 127**2


def out_of_memory():
    raise MemoryError


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_what_fails_while_it_becomes_int64_or_after_it_is_taken_back(monkeypatch, error):
    mine = state()
    mine.add(extreme(MOST - 10_000), np.zeros(MOST - 10_000, dtype=int))
    before, failed = mine.digest(), []
    if error is MemoryError:
        monkeypatch.setattr(deferred, "largest", lambda _: out_of_memory())
    else:
        original = gram._BlasBlock.multiply

        def multiply(self, rows):
            if mine._gram._planes[0].dtype == np.int64 and not failed:
                failed.append(True)
                signal.raise_signal(signal.SIGINT)
            original(self, rows)

        monkeypatch.setattr(gram._BlasBlock, "multiply", multiply)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with use_backend("blas"), pytest.raises(error):
            mine.add(extreme(20_000), np.zeros(20_000, dtype=int))
    finally:
        signal.signal(signal.SIGINT, handler)
    monkeypatch.undo()
    assert dtype(mine) == (np.int32 if error is MemoryError else np.int64)
    assert mine.digest() == before
    mine.add(extreme(20_000), np.zeros(20_000, dtype=int))
    assert mine.planes[0][0] == (MOST + 10_000) * 127**2
