"""Entries of a table in the order of their digests, so that one is found without looking at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable

Positions = NDArray[np.int64]


class DigestOrder:
    """Positions of entries sorted by the first 64 bits of their digests.

    Parameters
    ----------
    digests : ndarray of uint64, shape (n, 2)
    live : ndarray of int64
        Positions of the entries that count.

    Notes
    -----
    Cost: a sort, then O(log n) to find an entry or to strike one out.
    """

    def __init__(self, digests: NDArray[np.uint64], live: Positions) -> None:
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
