"""The Gram matrix of one class: its rows while they are smaller, then a packed triangle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import gram
from analytic_cl.statistics.invariants import contradiction, diagonal_contradiction, gram_diagonal
from analytic_cl.statistics.wide import Int64s

NEVER_LEARNED = "these rows were never all learned under these labels"

_MOST = 64  # rows that wait beside a matrix: entering reads and writes all of it

Planes = list[NDArray[Any]]  # as in `gram`, of int32 where that is enough


class Plan(NamedTuple):
    """What a class will hold; `ClassGram.carry_out` makes it so, and can't fail."""

    planes: Planes | None
    entered: int
    buffer: NDArray[Any]
    waiting: int
    holes: list[int]  # of rows that leave the buffer


def plane_type(quantizer: Quantizer, n: int) -> type[np.signedinteger[Any]]:
    """Of the planes of n rows: int32 where no entry can overflow."""
    return np.int32 if quantizer.bits == 8 and n * quantizer.limit**2 < 2**31 else np.int64


def planes_bytes(quantizer: Quantizer, n: int) -> int:
    entries = quantizer.width * (quantizer.width + 1) // 2 * len(gram.PLANE_SHIFTS[quantizer.bits])
    return int(entries * np.dtype(plane_type(quantizer, n)).itemsize)


class ClassGram:
    """Integer rows of one class as the sum of their products.

    Rows wait as they are while that takes less memory than the matrix would; then all of them enter it, and from there
    on only a few wait. What is held, as values, doesn't depend on that.

    Attributes
    ----------
    n_rows : int
    entered : int
        Rows that are in the matrix, and can't be told apart any more.
    """

    def __init__(self, quantizer: Quantizer) -> None:
        self._quantizer = quantizer
        self._planes: Planes | None = None
        self.entered = 0
        self._buffer: NDArray[Any] = np.zeros((0, quantizer.width), dtype=quantizer.dtype)
        self._waiting = 0

    @property
    def n_rows(self) -> int:
        return self.entered + self._waiting

    @property
    def waiting(self) -> NDArray[Any]:
        """Rows that have not entered the matrix."""
        return self._buffer[: self._waiting]

    def planes(self) -> gram.Planes:
        """The matrix of all rows as packed triangles, a new array each.

        Cost: d^2 operations a waiting row.
        """
        out = gram.empty_planes(self._quantizer.width, self._quantizer.bits)
        gram.accumulate(out, self.waiting, self._quantizer.bits, +1)
        self.add_entered(out)
        return out

    def add_entered(self, planes: gram.Planes) -> None:
        """Add the matrix of the rows that entered to other planes."""
        for out, plane in zip(planes, self._planes or (), strict=False):
            np.add(out, plane, out=out)

    # ---- memory

    def bytes_with(self, more: int) -> int:
        """Bytes that it would hold with more rows."""
        row = self._quantizer.width * self._quantizer.dtype.itemsize
        if self._waiting + more <= self._room():
            held = planes_bytes(self._quantizer, self.entered) if self.entered else 0
            return held + (self._waiting + more) * row
        return planes_bytes(self._quantizer, self.n_rows + more)

    def _room(self) -> int:
        """How many rows may wait."""
        row = self._quantizer.width * self._quantizer.dtype.itemsize
        most = planes_bytes(self._quantizer, 1) // row
        return min(_MOST, most) if self.entered else most

    def make_writable(self) -> None:
        """Copy waiting rows that can't be written to; a matrix is only ever replaced."""
        self._buffer = writable(self._buffer)

    # ---- change: planned, which may fail, and then carried out, which may not

    def plan_add(self, rows: NDArray[Any], check: Callable[[], None]) -> Plan:
        """To add rows. `check` is called where stopping is safe."""
        total = self._waiting + len(rows)
        if total <= self._room():
            buffer = self._buffer
            if total > len(buffer):
                buffer = np.zeros((max(total, min(2 * len(buffer), self._room())), *rows.shape[1:]), dtype=rows.dtype)
                buffer[: self._waiting] = self.waiting
            buffer[self._waiting : total] = rows  # beyond what counts as waiting, until it is carried out
            return Plan(self._planes, self.entered, buffer, total, [])
        return self._entering([self.waiting, rows], check)

    def plan_merge(self, other: ClassGram) -> Plan:
        """To add the rows of another."""
        if not other.entered:
            return self.plan_add(other.waiting, _nothing)
        return self._entering([self.waiting, other.waiting], _nothing, other)

    def _entering(self, parts: list[NDArray[Any]], check: Callable[[], None], other: ClassGram | None = None) -> Plan:
        products = gram.empty_planes(self._quantizer.width, self._quantizer.bits)
        for rows in parts:
            check()
            gram.accumulate(products, rows, self._quantizer.bits, +1)
        entered = self.entered + sum(map(len, parts)) + (other.entered if other else 0)
        for held in (self, other):
            if held is not None:
                held.add_entered(products)
        kind = plane_type(self._quantizer, entered)
        return Plan([p.astype(kind, copy=False) for p in products], entered, self._buffer[:0].copy(), 0, [])

    def plan_subtract(self, rows: NDArray[Any], total: Int64s) -> Plan:
        """To take rows away, with `total` the sum of all rows now.

        A row that waits goes first. Raises ValueError where that and the matrix prove that they were never all added.
        """
        holes, rest = self._found(rows)
        left = self.entered - len(rest)
        if left < 0:
            raise ValueError(f"{NEVER_LEARNED}: {len(rest) - self.entered} of them are not among the rows of the class")
        planes = self._planes
        if len(rest) and planes is not None:
            entered_sum = total - self.waiting.sum(axis=0, dtype=np.int64)
            planes = self._without(planes, rest, left, entered_sum)
        return Plan(planes, left, self._buffer, self._waiting - len(holes), holes)

    def _without(self, planes: Planes, rows: NDArray[Any], left: int, total: Int64s) -> Planes | None:
        quantizer = self._quantizer
        total = total - rows.sum(axis=0, dtype=np.int64)
        products = gram.empty_planes(quantizer.width, quantizer.bits)
        gram.accumulate(products, rows, quantizer.bits, -1)
        for out, plane in zip(products, planes, strict=True):
            np.add(out, plane, out=out)
        wrong = contradiction(quantizer.limit, np.array([left]), total[None, :]) or diagonal_contradiction(
            quantizer.limit, left, total, gram_diagonal(products, quantizer)
        )
        if (
            not wrong
            and len(products) == 1
            and max(int(products[0].max()), -int(products[0].min())) > (left * quantizer.limit**2)
        ):
            wrong = "an entry of the Gram matrix is out of range for its number of rows"
        if not wrong and not left and any(p.any() for p in products):
            wrong = "these are as many rows as were learned, but not the same rows"
        if wrong:
            raise ValueError(f"{NEVER_LEARNED}: {wrong}")
        return [p.astype(planes[0].dtype, copy=False) for p in products] if left else None

    def _found(self, rows: NDArray[Any]) -> tuple[list[int], NDArray[Any]]:
        """Places of waiting rows equal to these, and those of these that don't wait."""
        keys = _bytes_of(rows)
        wanted, holes = Counter(keys), []
        for place, key in enumerate(_bytes_of(self.waiting)):
            if wanted.get(key):
                wanted[key] -= 1
                holes.append(place)
        if len(holes) == len(keys):
            return holes, rows[:0]
        rest = []
        for place, key in enumerate(keys):
            if wanted[key]:
                wanted[key] -= 1
                rest.append(place)
        return holes, rows[rest]

    def carry_out(self, plan: Plan) -> None:
        """Hold what was planned since the last change."""
        before, self._buffer = self._buffer, plan.buffer
        if plan.holes:
            gone = set(plan.holes)
            tail = [place for place in range(plan.waiting, self._waiting) if place not in gone]
            self._buffer[[place for place in plan.holes if place < plan.waiting]] = self._buffer[tail]
            self._buffer[plan.waiting : self._waiting] = 0
        if before is not self._buffer:
            before.fill(0)  # a forgotten row is to be nowhere
        self._planes, self.entered, self._waiting = plan.planes, plan.entered, plan.waiting

    def discard(self) -> None:
        """Keep nothing of what was planned and not carried out."""
        self._buffer[self._waiting :] = 0

    # ---- on disk

    def sorted_rows(self) -> NDArray[Any]:
        """The waiting rows, in the order of their bytes."""
        rows = sorted(_bytes_of(self.waiting))
        return np.frombuffer(b"".join(rows), dtype=self._quantizer.dtype).reshape(len(rows), self._quantizer.width)

    @classmethod
    def of_rows(cls, quantizer: Quantizer, rows: NDArray[Any]) -> ClassGram:
        """Of rows that wait."""
        made = cls(quantizer)
        made._buffer, made._waiting = rows.copy(), len(rows)
        return made

    @classmethod
    def of_planes(cls, quantizer: Quantizer, n: int, total: Int64s, planes: Planes) -> ClassGram:
        """Of a matrix of n rows with this sum. Raises ValueError where no rows can have it."""
        wrong = diagonal_contradiction(
            quantizer.limit, n, total, gram_diagonal([p.astype(np.int64) for p in planes], quantizer)
        )
        if not wrong and len(planes) == 1 and max(int(planes[0].max()), -int(planes[0].min())) > n * quantizer.limit**2:
            wrong = "an entry of a Gram matrix is out of range"
        if wrong:
            raise ValueError(f"not a possible state: {wrong}")
        made = cls(quantizer)
        made._planes, made.entered = [p.copy() for p in planes], n
        return made


def _bytes_of(rows: NDArray[Any]) -> list[bytes]:
    """The bytes of each row."""
    whole = np.ascontiguousarray(rows)
    rows_as_bytes: NDArray[Any] = whole.view(np.dtype((np.void, whole.shape[1] * whole.itemsize)))[:, 0]
    return cast("list[bytes]", rows_as_bytes.tolist())


def _nothing() -> None:
    pass
