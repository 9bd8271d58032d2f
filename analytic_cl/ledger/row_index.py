"""Where rows lie in a table, by their digests, so that one is found without looking at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable

Positions = NDArray[np.int64]
Digests = NDArray[np.uint64]  # shape (n, 2): 128 bits a row


class RowIndex:
    """A cache beside a table: digests of its rows, and their order. The table tells it what changes.

    Parameters
    ----------
    payload_is_digests : bool
        Whether the table holds digests in the first place, so that none need be made.

    Notes
    -----
    Cost: on the first search the digests of all rows and a sort, later the digests of rows that came since; then
    O(log n) to find a row or to strike it out. Memory 16 bytes a row for the order, and 16 for digests that were made.
    """

    def __init__(self, payload_is_digests: bool) -> None:
        self._is_payload = payload_is_digests
        self._digests: Digests | None = None
        self._order: DigestOrder | None = None

    def clear(self) -> None:
        """Rows changed or moved: all is made again."""
        self._digests = self._order = None

    def make_writable(self) -> None:
        """Copy what can't be written to: ahead of `rows_go`."""
        if self._digests is not None:
            self._digests = writable(self._digests)
        if self._order is not None:
            self._order.make_writable()

    def rows_came(self) -> None:
        """Rows came at the end of the table."""
        self._order = None

    def rows_go(self, positions: Positions, payload: NDArray[np.generic], alive: NDArray[np.bool_]) -> None:
        """These rows, which are not `alive` any more, are about to be overwritten."""
        digests = payload if self._is_payload else self._digests
        if self._order is not None and digests is not None:
            try:
                self._order.strike(digests[positions, 0].view(np.uint64), alive)
            except MemoryError:
                self._order = None
        if self._digests is not None:
            self._digests[positions[positions < len(self._digests)]] = 0

    def find(
        self,
        wanted: Digests,
        payload: NDArray[np.generic],
        alive: NDArray[np.bool_],
        make: Callable[[Positions], Digests],
    ) -> list[Positions]:
        """For each wanted digest, the positions of live rows that have it.

        `payload` and `alive` are the columns of the table, as far as they are filled; `make` gives the digests of the
        rows at some positions.
        """
        digests = payload.view(np.uint64) if self._is_payload else self._made(alive, make)
        order = self._order
        if order is None:
            self._order = order = DigestOrder(digests, np.flatnonzero(alive))
        return [
            positions[alive[positions] & (digests[positions, 1] == rest)]
            for positions, rest in zip(order.find(wanted[:, 0]), wanted[:, 1], strict=True)
        ]

    def _made(self, alive: NDArray[np.bool_], make: Callable[[Positions], Digests]) -> Digests:
        digests = self._digests  # read once: another thread may search, and write them too
        known = 0 if digests is None else len(digests)
        if digests is None or known < alive.size:
            new = known + np.flatnonzero(alive[known:])
            fresh = np.zeros((alive.size - known, 2), dtype=np.uint64)
            fresh[new - known] = make(new)
            self._digests = digests = fresh if digests is None else np.concatenate([digests, fresh])
        return digests


class DigestOrder:
    """Positions of entries sorted by the first 64 bits of their digests.

    Parameters
    ----------
    digests : ndarray of uint64, shape (n, 2)
    live : ndarray of int64
        Positions of the entries that count.
    """

    def __init__(self, digests: Digests, live: Positions) -> None:
        self._positions = live[np.argsort(digests[live, 0], kind="stable")]
        self._words = digests[self._positions, 0]

    def find(self, words: NDArray[np.uint64]) -> list[Positions]:
        """For each word, the positions of the entries that begin with it, erased ones among them."""
        low = np.searchsorted(self._words, words, side="left").tolist()
        high = np.searchsorted(self._words, words, side="right").tolist()
        return [self._positions[a:b] for a, b in zip(low, high, strict=True)]

    def make_writable(self) -> None:
        """Copy what can't be written to: ahead of `strike`."""
        self._words = writable(self._words)

    def strike(self, words: NDArray[np.uint64], alive: NDArray[np.bool_]) -> None:
        """Overwrite words that no live entry has any more by their neighbours', which keeps the order."""
        words = np.unique(words)
        low = np.searchsorted(self._words, words, side="left").tolist()
        high = np.searchsorted(self._words, words, side="right").tolist()
        for a, b in zip(low, high, strict=True):
            if not alive[self._positions[a:b]].any():
                self._words[a:b] = self._words[a - 1] if a else 0
