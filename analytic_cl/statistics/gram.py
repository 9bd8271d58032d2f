"""The exact Gram matrix of integer rows, accumulated into packed triangles of int64, or of int32 where that is enough.

A state keeps the upper triangle, row-major in one array: entry (i, j), j >= i. Rows of 8 and 16 bits need one
plane. Rows of 32 bits are cut as x = 2^16 h + l into three planes, because one product of two such values fills an
int64: sum h h', sum (h l' + l h') and sum l l', of weights 2^32, 2^16 and 1.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from analytic_cl._config import get_backend, get_threads, native
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._numba import kernel
from analytic_cl._sparse import SparseRows

Planes = list[NDArray[Any]]  # of int64, or of int32 where the one who holds them sees to it that they fit

PLANE_SHIFTS = {8: (0,), 16: (0,), 32: (32, 16, 0)}

# Rows a product in BLAS may hold and stay exact: 127^2 * 1,024 < 2^24 in float32; float64 has room for millions of
# 16-bit rows, so there the number only bounds memory.
_BLOCK_ROWS = {8: 1024, 16: 4096, 32: 4096}

# Where the native kernel is faster than BLAS, by measurement: see docs/benchmarks.md.
_NATIVE_WINS = {"avx512vnni": (8, 16, 32), "avx2": (8,), "portable": ()}

# Below so many products, and entries to add them to (which count for 64 each), a second thread costs more than it
# brings: it may have to wait for a core on which a thread of BLAS still spins.
_WORTH_A_THREAD = 200_000_000


def empty_planes(width: int, bits: int, kind: type[np.signedinteger[Any]] = np.int64) -> Planes:
    """Triangles of zeros.

    Raises MemoryError where they would take more than half of the machine, which then could neither solve nor merge:
    memory that nobody has written to yet costs nothing, so that the system would hand it out, and kill somebody later.
    They count as int64, whatever they are: they may have to become it.
    """
    entries = width * (width + 1) // 2
    needed, there = 8 * entries * len(PLANE_SHIFTS[bits]), _memory_of_machine()
    if needed > there / 2:
        raise MemoryError(
            f"a Gram matrix of {width} columns behind {bits} bits takes {needed / 1e9:.1f} GB, and this machine has "
            f"{there / 1e9:.1f} GB, of which solving needs as much again: use fewer features, or a head that keeps "
            "class sums only, such as NearestMeanClassifier"
        )
    return [np.zeros(entries, dtype=kind) for _ in PLANE_SHIFTS[bits]]


def _memory_of_machine() -> float:
    """Bytes of memory; infinite where the system doesn't say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not on Windows
        return math.inf


def row_starts(width: int) -> NDArray[np.int64]:
    """Where row i of the packed triangle begins, which is also where its diagonal entry lies."""
    i = np.arange(width, dtype=np.int64)
    return i * width - i * (i - 1) // 2


def square_part(planes: Planes, width: int, columns: slice) -> Planes:
    """The packed triangles of some neighbouring columns of rows of this width."""
    first, last, _ = columns.indices(width)
    starts = row_starts(width)
    return [np.concatenate([p[starts[i] : starts[i] + last - i] for i in range(first, last)]) for p in planes]


def accumulate(
    planes: Planes,
    rows: NDArray[Any] | SparseRows,
    bits: int,
    sign: int,
    interruptible: bool = True,
    stops: NDArray[np.int64] | None = None,
    make_room: Callable[[int], None] | None = None,
) -> None:
    """Planes += sign * rows.T @ rows, whole or not at all.

    All memory is taken before the first write. On Ctrl-C, or an error in a product, the finished blocks are taken
    back, without stopping again, before the exception goes on. `interruptible=False` is for taking something back.

    With `stops`, planes have a row for each of several matrices, and the rows of each end there.

    `make_room` is told how many rows come next, and may put wider planes into the list, of the same values.
    """
    n, d = rows.shape
    each = [(planes, 0, n)]
    if stops is not None:
        ends = stops.tolist()
        each = [(list(own), *ends) for own, *ends in zip(zip(*planes, strict=True), [0, *ends[:-1]], ends, strict=True)]
    block = _block(max((last - first for _, first, last in each), default=0), d, bits)
    step = block.rows_at_once
    dense = DenseBlocks(rows, step) if isinstance(rows, SparseRows) else rows
    pieces = [
        (own, slice(start, min(start + step, last))) for own, first, last in each for start in range(first, last, step)
    ]
    done = 0
    with deferred_interrupts() as guard:
        try:
            for own, piece in pieces:
                if interruptible:
                    guard.check()
                if make_room:
                    make_room(piece.stop - piece.start)
                block.multiply(dense[piece])
                block.add_to(own, sign)
                done += 1
            if interruptible:
                guard.check()
        except BaseException:
            for own, piece in pieces[:done]:
                block.multiply(dense[piece])
                block.add_to(own, -sign)
            raise


class DenseBlocks:
    """Sparse rows, some of them dense at a time in memory that is taken beforehand."""

    def __init__(self, rows: SparseRows, at_once: int) -> None:
        self._rows = rows
        self._block = np.zeros((min(len(rows), at_once), rows.shape[1]), dtype=rows.dtype)

    def __getitem__(self, piece: slice) -> NDArray[Any]:
        block = self._block[: piece.stop - piece.start]
        self._rows[piece].matrix.toarray(out=block)
        return block


class Block(Protocol):
    """Adds the product of a block of rows to the planes, without taking memory."""

    rows_at_once: int

    def multiply(self, rows: NDArray[Any]) -> None: ...

    def add_to(self, planes: Planes, sign: int) -> None: ...


def _block(n: int, d: int, bits: int) -> Block:
    backend = get_backend()
    if backend == "numpy":
        return _IntegerBlock(n, d, bits)
    if backend == "native" and bits in _NATIVE_WINS[native.isas()[0]]:
        return NativeBlock(n, d, bits)
    return _BlasBlock(n, d, bits)


def split(rows: NDArray[Any], low: NDArray[np.int64], high: NDArray[np.int64]) -> None:
    """Cut 32-bit rows as x = 2^16 h + l with -0x8080 <= l <= 0x7F7F, so that both consist of two signed bytes."""
    np.add(rows, 0x8080, out=high, dtype=np.int64)
    np.right_shift(high, 16, out=high)
    np.left_shift(high, 16, out=low)
    np.subtract(rows, low, out=low)


class NativeBlock:
    """Products of one block in C++, added to the planes as they are made."""

    def __init__(self, n: int, d: int, bits: int, isa: str = "") -> None:
        self.rows_at_once = native.BLOCK_ROWS
        self.run = {8: native.gram8, 16: native.gram16, 32: native.gram32}[bits]
        self.scratch = np.empty(native.gram_scratch_bytes(d, bits // 8), dtype=np.int8)
        self.threads = get_threads() if (n + 64) * d * d > _WORTH_A_THREAD else 1
        self.isa = isa

    def multiply(self, rows: NDArray[Any]) -> None:
        self.rows = rows

    def add_to(self, planes: Planes, sign: int) -> None:
        self.run(self.rows, sign, planes, self.scratch, self.threads, self.isa)


class _BlasBlock:
    """Products of one block of rows in BLAS, exact in its floating point.

    BLAS works in Fortran order: its lower triangle, transposed, is the upper one in C order.
    """

    def __init__(self, n: int, d: int, bits: int) -> None:
        dtype = np.float32 if bits == 8 else np.float64
        self.rows_at_once = _BLOCK_ROWS[bits]
        n = min(n, self.rows_at_once)
        self.bits = bits
        self.parts = [np.empty((n, d), dtype=dtype) for _ in range(2 if bits == 32 else 1)]
        self.whole = [np.empty((n, d), dtype=np.int64) for _ in range(2 if bits == 32 else 0)]
        self.products = [np.empty((d, d), dtype=dtype, order="F") for _ in PLANE_SHIFTS[bits]]

    def multiply(self, rows: NDArray[Any]) -> None:
        n = rows.shape[0]
        if self.bits < 32:
            x = self.parts[0][:n]
            x[:] = rows
            syrk = blas.ssyrk if self.bits == 8 else blas.dsyrk
            syrk(1.0, x.T, c=self.products[0], overwrite_c=1, lower=1)
            return
        high, low = (whole[:n] for whole in self.whole)
        split(rows, low, high)
        h, l = (part[:n] for part in self.parts)  # noqa: E741  (the symbols of the docstring)
        h[:], l[:] = high, low
        blas.dsyrk(1.0, h.T, c=self.products[0], overwrite_c=1, lower=1)
        blas.dsyr2k(1.0, h.T, l.T, c=self.products[1], overwrite_c=1, lower=1)
        blas.dsyrk(1.0, l.T, c=self.products[2], overwrite_c=1, lower=1)

    def add_to(self, planes: Planes, sign: int) -> None:
        for plane, product in zip(planes, self.products, strict=True):
            _add_triangle(plane, product.T, sign)


class _IntegerBlock:
    """The twin in plain NumPy integers."""

    def __init__(self, n: int, d: int, bits: int) -> None:
        self.rows_at_once = _BLOCK_ROWS[bits]
        self.bits = bits
        self.products: list[NDArray[np.int64]] = []

    def multiply(self, rows: NDArray[Any]) -> None:
        if self.bits < 32:
            x = rows.astype(np.int64)
            self.products = [x.T @ x]
            return
        h, l = np.empty(rows.shape, dtype=np.int64), np.empty(rows.shape, dtype=np.int64)  # noqa: E741
        split(rows, l, h)
        cross = h.T @ l
        self.products = [h.T @ h, cross + cross.T, l.T @ l]

    def add_to(self, planes: Planes, sign: int) -> None:
        for plane, product in zip(planes, self.products, strict=True):
            _add_triangle_reference(plane, product, sign)


def add_triangle(plane: NDArray[Any], square: NDArray[np.int64]) -> None:
    """Plane += the upper triangle of a square; nothing but an error of the machine stops it."""
    (_add_triangle_reference if get_backend() == "numpy" else _add_triangle)(plane, square, 1)


@kernel
def _add_triangle(plane: NDArray[Any], product: NDArray[Any], sign: int) -> None:
    d = product.shape[0]
    start = 0
    for i in range(d):
        row, target = product[i, i:], plane[start : start + d - i]
        for j in range(d - i):
            target[j] += sign * np.int64(row[j])
        start += d - i


def _add_triangle_reference(plane: NDArray[Any], product: NDArray[Any], sign: int) -> None:
    for i, start in enumerate(row_starts(product.shape[0])):
        plane[start : start + product.shape[0] - i] += sign * product[i, i:].astype(np.int64)
