"""The Gram matrices of many classes: rows while they are smaller, then packed triangles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import gram, waiting_rows
from analytic_cl.statistics.class_gram import ClassGram, Planes, add_held, impossible_planes, planes_bytes
from analytic_cl.statistics.class_sums import class_sums
from analytic_cl.statistics.invariants import NEVER_LEARNED, NOT_THE_SAME
from analytic_cl.statistics.row_match import match_rows
from analytic_cl.statistics.waiting_rows import WaitingRows
from analytic_cl.statistics.wide import Int64s

_MOST = 64  # rows that wait beside a matrix: entering reads and writes all of it

_AT_ONCE = 2**18  # entries of matrices that are checked together


class Plan(NamedTuple):
    """What some classes will hold; `GramTable.carry_out` makes it so, and can't fail."""

    places: Int64s
    waiting: Int64s
    entered: Int64s
    matrices: dict[int, Planes | None]  # those that change
    rows: waiting_rows.Plan


class GramTable:
    """Integer rows of classes as the sums of their products, by the place of the class.

    Rows of a class wait as they are while that takes less memory than the matrix would; then all of them enter it, and
    from there on only a few wait. What is held, as values, doesn't depend on that.

    Attributes
    ----------
    waiting, entered : ndarray
        Rows of each class that wait, and that are in its matrix.
    rows : WaitingRows
    """

    def __init__(self, quantizer: Quantizer) -> None:
        self._quantizer = quantizer
        self.waiting, self.entered = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self.rows = WaitingRows(quantizer)
        self._matrices: dict[int, Planes] = {}
        row = quantizer.width * quantizer.dtype.itemsize
        self._most = planes_bytes(quantizer, 1) // row  # rows that wait before there is a matrix

    def __getitem__(self, place: int) -> ClassGram:
        at = self.rows.positions(np.array([place]), len(self.waiting))
        return ClassGram(self._quantizer, self._matrices.get(place), int(self.entered[place]), self.rows.buffer, at)

    def matrix(self, place: int) -> tuple[int, Planes]:
        """Number of rows in the matrix of a class that has one, and the matrix."""
        return int(self.entered[place]), self._matrices[place]

    def total(self, places: list[int]) -> gram.Planes:
        """The matrix of all rows of some classes, as packed triangles."""
        planes = gram.empty_planes(self._quantizer.width, self._quantizer.bits)
        for place in places:
            for out, plane in zip(planes, self._matrices.get(place, ()), strict=False):
                np.add(out, plane, out=out)
        rows = self.rows.rows
        if len(places) < np.count_nonzero(self.waiting + self.entered):
            rows = rows[self.rows.positions(np.array(places, dtype=np.int64), len(self.waiting))]
        if len(rows):
            gram.accumulate(planes, rows, self._quantizer.bits, +1)
        return planes

    # ---- memory

    def bytes_with(self, places: Int64s, counts: Int64s) -> int:
        """Bytes that it would hold with more rows of some classes, new ones among them."""
        quantizer, most = self._quantizer, max(len(self.waiting), int(places.max(initial=-1)) + 1)
        waiting, entered = np.zeros((2, most), dtype=np.int64)
        waiting[: len(self.waiting)], entered[: len(self.entered)] = self.waiting, self.entered
        waiting[places] += counts
        enters = waiting > self._room(entered)
        entered[enters] += waiting[enters]
        waiting[enters] = 0
        wide = entered * quantizer.limit**2 >= 2**31 if quantizer.bits == 8 else entered > 0
        small, large = planes_bytes(quantizer, 1), planes_bytes(quantizer, 2**40)
        row = quantizer.width * quantizer.dtype.itemsize
        n_wide, n_matrices = np.count_nonzero(wide), np.count_nonzero(entered)
        return int(waiting.sum()) * row + int(n_matrices - n_wide) * small + int(n_wide) * large

    @property
    def nbytes(self) -> int:
        nothing = np.zeros(0, dtype=np.int64)
        return self.bytes_with(nothing, nothing)

    def _room(self, entered: Int64s) -> Int64s:
        """How many rows may wait."""
        return np.where(entered, min(_MOST, self._most), self._most)

    def make_writable(self) -> None:
        """Copy arrays that can't be written to; a matrix is only ever replaced."""
        self.rows.make_writable()
        self.waiting, self.entered = writable(self.waiting), writable(self.entered)

    def reserve(self, size: int) -> None:
        """Make room for classes, ahead of the first write."""
        if size > len(self.waiting):
            more = np.zeros(size - len(self.waiting), dtype=np.int64)
            self.waiting, self.entered = np.append(self.waiting, more), np.append(self.entered, more)

    # ---- change: planned, which may fail, and then carried out, which may not

    def plan_add(
        self,
        rows: NDArray[Any],
        codes: Int64s,
        places: Int64s,
        counts: Int64s,
        *,
        interruptible: bool = True,
        other: Mapping[int, tuple[int, Planes]] | None = None,
    ) -> Plan:
        """To add rows, with the place of each row's class at its code, and `counts` of each class.

        `other`, by code, has matrices of more rows, and how many.
        """
        other = other or {}
        waiting, entered = self.waiting[places] + counts, self.entered[places]
        enters = waiting > self._room(entered)
        enters[list(other)] = True
        changed: dict[int, Planes | None] = {}
        leaving = np.zeros(0, dtype=np.int64)
        if enters.any():
            leaving = self.rows.positions(places[enters], len(self.waiting))
            more, more_codes = rows, codes
            if enters.all():
                rows, codes = rows[:0], codes[:0]
            else:
                own = enters[codes]
                more, more_codes, rows, codes = rows[own], codes[own], rows[~own], codes[~own]
            parts = [(+1, _Grouped.of(more, more_codes, len(places)))]
            if len(leaving):
                parts.append((+1, _Grouped.of(self.rows.rows[leaving], self._codes(leaving, places), len(places))))
            entered = entered + np.where(enters, waiting, 0)
            for code, (n, _) in other.items():
                entered[code] += n
            waiting = np.where(enters, 0, waiting)
            for some, products in self._products(np.flatnonzero(enters), parts, interruptible):
                for at, code in enumerate(some.tolist()):
                    for plane, theirs in zip(products, other[code][1] if code in other else (), strict=False):
                        np.add(plane[at], theirs, out=plane[at])
                held = [self._matrices.get(place) for place in places[some].tolist()]
                made, _ = add_held(self._quantizer, products, held, entered[some].tolist())
                changed.update(zip(places[some].tolist(), made, strict=True))
        return Plan(places, waiting, entered, changed, self.rows.plan(leaving, rows, places[codes]))

    def plan_subtract(
        self,
        rows: NDArray[Any],
        codes: Int64s,
        places: Int64s,
        counts: Int64s,
        sums: Int64s,
        *,
        interruptible: bool = True,
        other: Mapping[int, tuple[int, Planes]] | None = None,
    ) -> Plan:
        """To take rows away, as in `plan_add`, with `sums` those of the rows that will be left.

        A row that waits goes first; where a matrix goes as well, the other waiting rows of its class enter, because
        some of them may be in it. Raises ValueError where that and the matrices prove that they were never all added.
        """
        other = other or {}
        waiting, entered = self.waiting[places], self.entered[places]
        leaving = at = np.zeros(0, dtype=np.int64)
        if waiting.any():
            at = self.rows.positions(places[waiting > 0], len(self.waiting))
            taken, found = match_rows(self.rows.buffer, at, self.rows.places[at], rows, places[codes])
            leaving, at = at[taken], at[~taken]
            waiting = waiting - np.bincount(codes[found], minlength=len(places))
            if found.any():
                rows, codes = rows[~found], codes[~found]
            counts = np.bincount(codes, minlength=len(places))
        changes = counts > 0
        changes[list(other)] = True
        parts = [(-1, _Grouped.of(rows, codes, len(places)))]
        if other:
            enters = np.isin(self._codes(at, places), list(other))
            entering, at = at[enters], at[~enters]
            leaving = np.append(leaving, entering)
            parts.append((+1, _Grouped.of(self.rows.rows[entering], self._codes(entering, places), len(places))))
        entered = entered - counts
        for code, (n, _) in other.items():
            entered[code] += waiting[code] - n
            waiting[code] = 0
        if (entered < 0).any():
            missing = -int(entered[entered < 0][0])
            raise ValueError(f"{NEVER_LEARNED}: {missing} of them are not among the rows of the class")
        changed: dict[int, Planes | None] = {}
        if changes.any():
            if waiting[changes].any():
                codes_at = self._codes(at, places)
                mixed = changes[codes_at]
                sums = sums - class_sums(self.rows.buffer[at[mixed]], codes_at[mixed], len(places))
            nothing = gram.empty_planes(self._quantizer.width, self._quantizer.bits) if other else None
            for some, products in self._products(np.flatnonzero(changes), parts, interruptible):
                for j, code in enumerate(some.tolist()):
                    for plane, theirs in zip(products, other[code][1] if code in other else (), strict=False):
                        np.subtract(plane[j], theirs, out=plane[j])
                held = [self._matrices.get(place, nothing) for place in places[some].tolist()]
                left = entered[some]
                made, largest = add_held(self._quantizer, products, held, left.tolist())
                wrong = impossible_planes(self._quantizer, left, sums[some], products, largest)
                if not wrong and largest[left == 0].any():
                    wrong = NOT_THE_SAME
                if wrong:
                    raise ValueError(f"{NEVER_LEARNED}: {wrong}")
                for place, n, planes in zip(places[some].tolist(), left.tolist(), made, strict=True):
                    changed[place] = planes if n else None
        return Plan(places, waiting, entered, changed, self.rows.plan(np.sort(leaving), rows[:0], places[:0]))

    def _codes(self, at: Int64s, places: Int64s) -> Int64s:
        """Codes of the classes of waiting rows at some positions."""
        code_of = np.zeros(len(self.waiting), dtype=np.int64)
        code_of[places] = np.arange(len(places))
        return code_of[self.rows.places[at]]

    def _products(
        self, codes: Int64s, parts: list[tuple[int, _Grouped]], interruptible: bool
    ) -> Iterator[tuple[Int64s, gram.Planes]]:
        """Codes, and planes with a row for each: some classes at a time, because what follows has a price each time.

        The planes are written over for the next. Only rows of these codes are in the parts.
        """
        quantizer = self._quantizer
        entries = quantizer.width * (quantizer.width + 1) // 2
        step = min(max(1, _AT_ONCE // entries), len(codes))
        whole = [np.empty((step, entries), dtype=np.int64) for _ in gram.PLANE_SHIFTS[quantizer.bits]]
        for start in range(0, len(codes), step):
            some = codes[start : start + step]
            products = [plane[: len(some)] for plane in whole]
            for plane in products:
                plane.fill(0)
            for sign, part in parts:
                rows, stops = part.of_codes(some)
                if len(rows):
                    gram.accumulate(products, rows, quantizer.bits, sign, interruptible, stops)
            yield some, products

    def carry_out(self, plan: Plan) -> None:
        """Hold what was planned since the last change, room for which is reserved."""
        self.rows.carry_out(plan.rows)
        self.waiting[plan.places], self.entered[plan.places] = plan.waiting, plan.entered
        for place, planes in plan.matrices.items():
            if planes is None:
                self._matrices.pop(place, None)
            else:
                self._matrices[place] = planes

    def discard(self) -> None:
        """Keep nothing of what was planned and not carried out."""
        self.rows.discard()

    def remove(self, place: int, last: int) -> None:
        """Drop a class, moving the last one into its place."""
        if self.waiting[place]:
            leaving = self.rows.positions(np.array([place]), len(self.waiting))
            self.rows.carry_out(self.rows.plan(leaving, self.rows.rows[:0], leaving[:0]))
        self._matrices.pop(place, None)
        if place != last:
            if self.waiting[last]:
                self.rows.renumber(last, place)
            if last in self._matrices:
                self._matrices[place] = self._matrices.pop(last)
        for counts in (self.waiting, self.entered):
            counts[place], counts[last] = counts[last], 0

    @classmethod
    def of(
        cls, quantizer: Quantizer, rows: list[NDArray[Any]], matrices: Mapping[int, tuple[int, Planes]]
    ) -> GramTable:
        """Of the waiting rows of each class, and of matrices with their numbers of rows, by the place of the class."""
        made = cls(quantizer)
        made.waiting = np.array([len(own) for own in rows], dtype=np.int64)
        made.entered = np.zeros(len(rows), dtype=np.int64)
        for place, (n, planes) in matrices.items():
            made.entered[place], made._matrices[place] = n, [plane.copy() for plane in planes]
        if rows:
            made.rows = WaitingRows.of(quantizer, np.concatenate(rows), np.repeat(np.arange(len(rows)), made.waiting))
        return made


class _Grouped(NamedTuple):
    """Rows sorted by code, and where those of each code begin."""

    rows: NDArray[Any]
    starts: Int64s

    @classmethod
    def of(cls, rows: NDArray[Any], codes: Int64s, n_codes: int) -> _Grouped:
        if (codes[1:] < codes[:-1]).any():
            rows = rows[np.argsort(codes, kind="stable")]
        return cls(rows, np.append(0, np.cumsum(np.bincount(codes, minlength=n_codes))))

    def of_codes(self, codes: Int64s) -> tuple[NDArray[Any], Int64s]:
        """The rows of some codes, between which there are no others, and where those of each end."""
        first = self.starts[codes[0]]
        stops = self.starts[codes + 1]
        return self.rows[first : stops[-1]], stops - first
