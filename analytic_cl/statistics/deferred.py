"""A Gram matrix that takes few rows at a time as readily as many.

Adding one row to a triangle of d^2 / 2 integers reads and writes all of it. So a few rows wait, and enter together
when the matrix is read or when there are many: integer sums don't depend on when they are made. For the same reason
what a GPU has summed stays there until the matrix is read.

Behind 8 bits the triangle is of int32, half of the memory, until an entry might not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl._device import DeviceRows, get_device, torch_device
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._locks import StateLock
from analytic_cl._parallel import row_blocks
from analytic_cl._sparse import SparseRows, array_or_sparse
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import gram, sparse_gram
from analytic_cl.statistics.invariants import Diagonal, gram_diagonal, joined, squares
from analytic_cl.statistics.on_device import GramOnDevice

_FEW = 16  # rows that are worth waiting for others
_MOST = 64  # rows that wait at most

_LARGEST = 2**31 - 1  # of an entry in int32
_UNKNOWN = 2**64  # bound of entries that nobody has looked at, and of those of int64
_NEAR = 2**26  # to it: not worth a look at all entries again and again
_AT_ONCE = 2**16  # entries that are looked at twice, while they are in the cache


class DeferredGram:
    """Planes of a Gram matrix (see `gram`), and the rows and sums that are still to enter them.

    Exactness: bit for bit; what waits is part of every answer.
    """

    def __init__(self, quantizer: Quantizer, planes: gram.Planes | None = None) -> None:
        self._quantizer = quantizer
        # No entry of int32 planes is larger, whatever was added and taken away since somebody looked.
        self._bound = 0 if planes is None else _UNKNOWN
        self._planes = _nothing(quantizer) if planes is None else planes
        self._waiting: dict[int, list[NDArray[Any]]] = {+1: [], -1: []}
        self._on_device: GramOnDevice | None = None
        self._diagonal: Diagonal | None = None  # of the planes alone
        self._lock = StateLock()  # two threads may read one model

    @property
    def planes(self) -> gram.Planes:
        """The planes, complete."""
        with deferred_interrupts(), self._lock:
            self._enter()
            self._fetch()
            return self._planes

    def diagonal(self) -> Diagonal:
        """Diagonal of the matrix, exactly, without reading the rest of it."""
        with deferred_interrupts(), self._lock:
            if self._diagonal is None:
                self._diagonal = gram_diagonal(self._planes, self._quantizer)
            diagonal = self._diagonal
            if self._on_device and (parts := self._on_device.diagonals()):
                diagonal = diagonal + joined(parts, self._quantizer.bits)
            for sign, waiting in self._waiting.items():
                for rows in waiting:
                    diagonal = diagonal + sign * squares(rows)
            return diagonal

    def change(self, rows: NDArray[Any] | DeviceRows | SparseRows, sign: int, interruptible: bool = True) -> None:
        """Add or subtract the products of rows, whole or not at all."""
        with deferred_interrupts(), self._lock:
            if isinstance(rows, SparseRows) and sparse_gram.is_worth_it(rows):
                self._multiply_sparse(rows, sign, interruptible)  # it writes few entries, however few rows there are
                return
            if len(rows) > _FEW:
                self._multiply(rows, sign, interruptible)
                return
            own = np.array(rows)  # the caller's may change while it waits
            if sum(map(len, self._waiting[+1] + self._waiting[-1])) + len(rows) > _MOST:
                self._enter()
            self._waiting[sign].append(own)

    def _multiply(self, rows: NDArray[Any] | DeviceRows | SparseRows, sign: int, interruptible: bool) -> None:
        if get_device() == "cpu":
            self._diagonal = None
            own = array_or_sparse(rows)
            try:
                gram.accumulate(
                    self._planes, own, self._quantizer.bits, sign, interruptible, make_room=self._make_room_for_rows
                )
            except BaseException:
                self._bound = _UNKNOWN  # it may be that of entries half way
                raise
            return
        if self._on_device and self._on_device.device != torch_device():
            self._fetch()
        self._on_device = self._on_device or GramOnDevice(self._quantizer.width, self._quantizer.bits)
        self._on_device.change(rows, sign, interruptible)

    def _multiply_sparse(self, rows: SparseRows, sign: int, interruptible: bool) -> None:
        """On the CPU, whatever device is in force."""
        self._diagonal = None
        self._own()
        if self._is_narrow():
            self._make_room(int(squares(rows).max(initial=0)))
        sparse_gram.accumulate(self._planes, rows, self._quantizer.bits, sign, interruptible)

    def _fetch(self) -> None:
        """Let what a device has summed enter."""
        if self._on_device:
            self._own()
            self._diagonal = None
            if self._is_narrow():
                self._make_room(self._on_device.largest())
            self._on_device.move_into(self._planes)
            self._on_device = None

    def make_writable(self) -> None:
        """Copy planes that can't be written to."""
        with self._lock:
            self._own()

    def _own(self) -> None:
        self._planes = [writable(plane) for plane in self._planes]

    def _enter(self) -> None:
        """Let the waiting rows enter: either sign whole or not at all."""
        if any(self._waiting.values()):
            self._own()
        for sign, waiting in list(self._waiting.items()):
            if waiting:
                self._multiply(np.concatenate(waiting), sign, interruptible=False)
                entered, self._waiting[sign] = waiting, []
                for rows in entered:
                    if rows.flags.writeable:
                        rows.fill(0)

    def merge(self, other: DeferredGram, sign: int = +1) -> None:
        """Add another matrix, or take it away."""
        theirs = other.planes
        with deferred_interrupts(), self._lock:
            self._diagonal = None
            if self._is_narrow():
                self._make_room_for(other._bound, theirs[0])
            for mine, plane in zip(self._planes, theirs, strict=True):
                (np.add if sign > 0 else np.subtract)(mine, plane, out=mine)

    def double(self) -> None:
        """Count every product twice."""
        with deferred_interrupts(), self._lock:
            self._enter()
            self._fetch()
            self._own()
            self._diagonal = None
            if self._is_narrow():
                self._make_room_for(self._bound, self._planes[0])
            for plane in self._planes:
                np.left_shift(plane, 1, out=plane)

    def _is_narrow(self) -> bool:
        return bool(self._planes) and self._planes[0].dtype == np.int32

    def _make_room_for_rows(self, n: int) -> None:
        if self._is_narrow():
            self._make_room(n * self._quantizer.limit**2)

    def _make_room_for(self, bound: int, plane: NDArray[Any]) -> None:
        """For a plane with entries within a bound, which is only looked at where that is too much."""
        self._make_room(bound if self._bound + bound <= _LARGEST else largest(plane))

    def _make_room(self, more: int) -> None:
        """See to it that entries can grow by so much: int32 planes become int64 where they might not.

        The bound holds for rows that were never learned, too: it grows whether they are added or taken away. Only
        where that is too much are all entries looked at.
        """
        if self._bound + more > _LARGEST:
            self._bound = largest(self._planes[0])
            if self._bound + max(more, _NEAR) > _LARGEST:
                self._planes[0] = self._planes[0].astype(np.int64)
                self._bound = _UNKNOWN
                return
        self._bound += more

    def __getstate__(self) -> tuple[Quantizer, gram.Planes]:
        return self._quantizer, self.planes

    def __setstate__(self, state: tuple[Quantizer, gram.Planes]) -> None:
        self.__init__(*state)  # type: ignore[misc]  # the constructor is all that there is to do


def _nothing(quantizer: Quantizer) -> gram.Planes:
    return gram.empty_planes(quantizer.width, quantizer.bits, np.int32 if quantizer.bits == 8 else np.int64)


def narrowed(planes: gram.Planes, quantizer: Quantizer) -> gram.Planes:
    """Copies, of int32 where that is enough."""
    if quantizer.bits > 8:
        return [plane.copy() for plane in planes]
    (plane,) = planes
    out = np.empty(plane.size, dtype=np.int32)
    for part in row_blocks(plane.size, _AT_ONCE):
        if largest(plane[part]) > _LARGEST - _NEAR:
            return [plane.copy()]
        out[part] = plane[part]
    return [out]


def largest(plane: NDArray[Any]) -> int:
    """Largest magnitude of an entry."""
    parts = (plane[part] for part in row_blocks(plane.size, _AT_ONCE))
    return max((max(int(part.max()), -int(part.min())) for part in parts), default=0)
