"""Rows of many classes in one array, while they wait to enter the matrices of their classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics.wide import Int64s

_DOUBLED = 2**26  # bytes up to which the array doubles when it is full; above, it grows by a quarter
_SMALL = 64  # rows that are not worth giving back


class Held(NamedTuple):
    """What is held, replaced as one: another thread may read it."""

    buffer: NDArray[Any]
    places: Int64s  # of the class of each row
    n: int


class Plan(NamedTuple):
    """What will be held; `WaitingRows.carry_out` makes it so, and can't fail."""

    held: Held
    end: int  # up to where rows were written
    holes: Int64s  # of rows that leave
    moved: NDArray[Any]  # rows that take their places
    moved_places: Int64s


class WaitingRows:
    """Integer rows, each with the place of its class, in no order."""

    def __init__(self, quantizer: Quantizer) -> None:
        self._held = Held(np.zeros((0, quantizer.width), quantizer.dtype), np.zeros(0, np.int64), 0)

    @property
    def buffer(self) -> NDArray[Any]:
        """The rows, and zeros behind them."""
        return self._held.buffer

    @property
    def rows(self) -> NDArray[Any]:
        return self._held.buffer[: self._held.n]

    @property
    def places(self) -> Int64s:
        return self._held.places[: self._held.n]

    def positions(self, places: Int64s, n_classes: int) -> Int64s:
        """Where the rows of some classes are. Cost: a look at the class of every row."""
        if not self._held.n or not len(places):
            return np.zeros(0, dtype=np.int64)
        if len(places) == 1:
            return np.flatnonzero(self.places == places[0])
        among = np.zeros(n_classes, dtype=bool)
        among[places] = True
        return np.flatnonzero(among[self.places])

    def make_writable(self) -> None:
        buffer, places, n = self._held
        self._held = Held(writable(buffer), writable(places), n)

    def renumber(self, old: int, new: int) -> None:
        self.places[self.places == old] = new

    # ---- change: planned, which may fail, and then carried out, which may not

    def plan(self, leaving: Int64s, rows: NDArray[Any], places: Int64s) -> Plan:
        """To drop the rows at some positions, sorted, and to take others."""
        buffer, held_places, n = self._held
        end, left = n + len(rows), n + len(rows) - len(leaving)
        if end > len(buffer) or 4 * left + _SMALL < len(buffer):
            return self._replaced(leaving, rows, places, self._capacity(left) if end > len(buffer) else left)
        buffer[n:end], held_places[n:end] = rows, places  # beyond what is held, until it is carried out
        first = int(np.searchsorted(leaving, left))
        stays = np.ones(end - left, dtype=bool)
        stays[leaving[first:] - left] = False
        tail = np.flatnonzero(stays) + left if len(leaving) else leaving
        return Plan(Held(buffer, held_places, left), end, leaving[:first], buffer[tail], held_places[tail])

    def _replaced(self, leaving: Int64s, rows: NDArray[Any], places: Int64s, capacity: int) -> Plan:
        """In an array of another size."""
        buffer, held_places, n = self._held
        made = Held(
            np.zeros((capacity, buffer.shape[1]), buffer.dtype),
            np.zeros(capacity, np.int64),
            n - len(leaving) + len(rows),
        )
        kept = n - len(leaving)
        if len(leaving):
            at = np.delete(np.arange(n), leaving)
            # mode "raise" would copy the rows once more
            np.take(buffer, at, axis=0, out=made.buffer[:kept], mode="clip")
            np.take(held_places, at, out=made.places[:kept], mode="clip")
        else:
            made.buffer[:kept], made.places[:kept] = buffer[:n], held_places[:n]
        made.buffer[kept : made.n], made.places[kept : made.n] = rows, places
        return Plan(made, made.n, np.zeros(0, np.int64), rows[:0].copy(), places[:0])

    def _capacity(self, needed: int) -> int:
        buffer = self._held.buffer
        more = len(buffer) if buffer.nbytes <= _DOUBLED else len(buffer) // 4
        return max(needed, len(buffer) + more)

    def carry_out(self, plan: Plan) -> None:
        """Hold what was planned since the last change. A row that left is nowhere then."""
        before, self._held = self._held, plan.held
        if before.buffer is not plan.held.buffer:
            before.buffer.fill(0)
            return
        buffer, places, n = plan.held
        if len(plan.holes):
            buffer[plan.holes], places[plan.holes] = plan.moved, plan.moved_places
            plan.moved.fill(0)
        buffer[n : plan.end] = 0

    def discard(self) -> None:
        """Keep nothing of what was planned and not carried out."""
        self._held.buffer[self._held.n :] = 0

    @classmethod
    def of(cls, quantizer: Quantizer, rows: NDArray[Any], places: Int64s) -> WaitingRows:
        made = cls(quantizer)
        made._held = Held(rows, places, len(rows))
        return made
