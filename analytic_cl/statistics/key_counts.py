"""The learned state of a key-value bottleneck: how often each key was hit by rows of each class."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend, get_threads
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl.quantizers import NearestKeys, Quantizer, SignKeys
from analytic_cl.statistics.class_state import ClassState
from analytic_cl.statistics.digest import EMPTY, sized
from analytic_cl.statistics.invariants import NEVER_LEARNED
from analytic_cl.statistics.labelled_state import labels_from_array, labels_to_array
from analytic_cl.statistics.labels import encode_labels, label_bytes
from analytic_cl.statistics.state import KEY_COUNTS
from analytic_cl.statistics.targets import Targets
from analytic_cl.statistics.wide import Int64s

MAGIC = b"analytic-cl key counts 1\0"

_MOST_ROWS = 2**31 - 1  # of a state: counts are int32


class KeyCounts(ClassState):
    """T[c, k, y] = rows of class y that have key k in codebook c.

    Parameters
    ----------
    quantizer : Quantizer
        What the integer rows mean; part of the digest.
    keys : SignKeys or NearestKeys
        What turns integer rows into keys; part of the digest.

    Notes
    -----
    Exactness: bit for bit. Learning adds one to n_codebooks counts a row, forgetting subtracts one.

    Cost: ``add`` and ``subtract`` the keys of the rows and n_codebooks additions a row. Memory
    4 n_codebooks 2^bits bytes a class (twice that while classes grow).
    """

    kind = "key counts"
    can_unmerge = True
    provides = frozenset({KEY_COUNTS})
    can_drop_classes = True
    _BY_CLASS: ClassVar[dict[str, int]] = {"_tables": 2}

    def __init__(self, quantizer: Quantizer, keys: SignKeys | NearestKeys) -> None:
        super().__init__(quantizer)
        self.keys = keys
        self._tables = np.zeros((keys.n_codebooks, 2**keys.bits, 0), dtype=np.int32)

    def __repr__(self) -> str:
        return f"KeyCounts({self.n_rows} rows of {len(self._place)} classes, {self.keys}, {self.quantizer.describe()})"

    @property
    def tables(self) -> NDArray[np.int32]:
        """Counts, shape (n_codebooks, 2^bits, n_classes), classes sorted."""
        return self._tables[:, :, self._sorted_places()]

    @property
    def tables_by_arrival(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """`tables` as they lie in memory, without a copy, and where in them each of the sorted classes is."""
        return self._tables, np.array(self._sorted_places(), dtype=np.int64)

    # ---- change, whole or not at all

    def add(self, rows: NDArray[Any], targets: Iterable[Any], *, from_quantizer: bool = False) -> None:
        encoded = self._encoded(rows, targets) if from_quantizer else self._checked(rows, targets)
        self._check_room(rows.shape[0])
        keys, encoded = self.keys.keys(rows), encoded.used()
        self._reserve(encoded.values)
        self._change(keys, encoded, +1)

    def subtract(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        encoded = self._checked(rows, targets).used()
        self._check_forgettable(encoded.values, np.bincount(encoded.codes, minlength=len(encoded.values)))
        keys = self.keys.keys(rows)
        self.make_writable()
        with deferred_interrupts():
            if self._count(keys, encoded, -1) < 0:
                self._count(keys, encoded, +1)
                raise ValueError(f"{NEVER_LEARNED}: a count would be negative")
            self._shift_classes(encoded, -1)

    def undo(self, rows: NDArray[Any], targets: Iterable[Any], sign: int) -> None:
        self._change(self.keys.keys(rows), encode_labels(targets).used(), -sign)

    def _check_alike(self, other: KeyCounts) -> None:
        if self.keys != other.keys:
            raise ValueError(f"only counts of the same keys can be merged: {self.keys}; {other.keys}")

    def _absorb(self, other: KeyCounts) -> None:
        labels, counts = other.labels, other.counts
        self._reserve(labels)
        for label, place in zip(labels, self._shift_counts(labels, counts, +1), strict=True):
            self._tables[:, :, place] += other._tables[:, :, other._place[label]]

    def _separate(self, other: KeyCounts) -> None:
        labels, counts = other.labels, other.counts
        self._check_forgettable(labels, counts)
        pairs = [(self._place[label], other._place[label]) for label in labels]
        if any((self._tables[:, :, mine] < other._tables[:, :, theirs]).any() for mine, theirs in pairs):
            raise ValueError(f"{NEVER_LEARNED}: a count would be negative")
        self.make_writable()
        for mine, theirs in pairs:
            self._tables[:, :, mine] -= other._tables[:, :, theirs]
        self._shift_counts(labels, counts, -1)
        self._drop_empty_classes(labels)

    def empty(self) -> Self:
        return type(self)(self.quantizer, self.keys)

    @classmethod
    def described(cls, quantizer: Quantizer, description: Mapping[str, Any]) -> Self:
        return cls(quantizer, SignKeys.from_spec(description["keys"]))

    def digest(self) -> str:
        """SHA-256 of the state's values, in hexadecimal: quantizer, keys, classes that have rows, counts; see
        `Moments`.
        """
        if not self._place:
            return EMPTY
        names = sorted((label_bytes(label), label) for label in self._place)
        places = [self._place[label] for _, label in names]
        h = hashlib.sha256(MAGIC)
        h.update(sized(self.quantizer.canonical_bytes()))
        h.update(sized(repr(sorted(self.keys.spec().items())).encode()))
        h.update(struct.pack("<q", len(names)))
        for name, label in names:
            h.update(sized(name) + struct.pack("<q", self.count(label)))
        for table in self._tables:
            h.update(np.ascontiguousarray(table[:, places], dtype="<i4").data)
        return h.hexdigest()

    # ---- on disk

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "keys": self.keys.spec()}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Counts of classes and of keys, classes sorted, and what the keys need."""
        return {
            "labels": labels_to_array(self.labels),
            "counts": self.counts,
            "tables": np.ascontiguousarray(self.tables),
            **self.keys.to_arrays(),
        }

    @classmethod
    def from_arrays(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        spec, labels = description["keys"], labels_from_array(arrays.get("labels"))
        plain = replace(quantizer, source=None)  # keys are made from rows, whatever these come from
        nearest = spec["kind"] == "nearest"
        keys = NearestKeys.from_arrays(plain, spec, dict(arrays)) if nearest else SignKeys.from_spec(spec)
        shape = (keys.n_codebooks, 2**keys.bits, len(labels))
        counts, tables = arrays.get("counts"), arrays.get("tables")
        if counts is None or counts.dtype != np.int64 or counts.shape != (len(labels),) or (counts <= 0).any():
            raise ValueError("array 'counts' is missing, or not positive int64, one a class")
        if tables is None or tables.dtype != np.int32 or tables.shape != shape or (tables < 0).any():
            raise ValueError(f"array 'tables' is missing, or not int32 of shape {shape} from 0 on")
        if (tables.sum(axis=1, dtype=np.int64) != counts).any() or counts.sum() > _MOST_ROWS:
            raise ValueError("not a possible state: a codebook does not hold as many keys as there are rows")
        state = cls(quantizer, keys)
        state._place = {label: place for place, label in enumerate(labels)}
        state._counts, state._tables = counts.copy(), tables.copy()
        return state

    # ---- bookkeeping

    def _check_room(self, n: int) -> None:
        if self.n_rows + n > _MOST_ROWS:
            raise ValueError(f"a state of key counts holds at most {_MOST_ROWS} rows, not {self.n_rows} + {n}")

    def _change(self, keys: NDArray[np.uint16], encoded: Targets, sign: int) -> None:
        self._reserve(encoded.values)
        self.revision += 1
        with deferred_interrupts():
            self._count(keys, encoded, sign)
            self._shift_classes(encoded, sign)

    def _count(self, keys: NDArray[np.uint16], encoded: Targets, sign: int) -> int:
        """Count keys; the lowest count that came out."""
        fresh = iter(range(len(self._place), self._counts.size))
        places = [self._place[label] if label in self._place else next(fresh) for label in encoded.values]
        place_of_row = np.array(places, dtype=np.int64)[encoded.codes]
        by_codebook = np.ascontiguousarray(keys.T)
        tables = self._tables
        threads = get_threads() if keys.size > _WORTH_A_THREAD else 1
        blocks = row_blocks(keys.shape[1], -(-keys.shape[1] // threads))
        run = _add_up_reference if get_backend() == "numpy" else _add_up
        return min(map_blocks(lambda part: run(by_codebook[part], place_of_row, sign, tables[part]), blocks))

    def _shift_classes(self, encoded: Targets, sign: int) -> None:
        counts: Int64s = np.bincount(encoded.codes, minlength=len(encoded.values))
        self._shift_counts(encoded.values, counts, sign)
        self._drop_empty_classes(encoded.values)
        self.revision += 1


_WORTH_A_THREAD = 2**20  # keys to count


@kernel
def _add_up(keys: NDArray[np.uint16], places: NDArray[np.int64], sign: int, tables: NDArray[np.int32]) -> int:
    """Tables[c, keys[c, i], places[i]] += sign, a codebook at a time because one table stays in the cache.

    Returns the lowest count that came out, or 0 where all are above.
    """
    lowest = 0
    for c in range(keys.shape[0]):
        table = tables[c]
        for i in range(keys.shape[1]):
            count = table[keys[c, i], places[i]] + sign
            table[keys[c, i], places[i]] = count
            lowest = min(lowest, count)
    return lowest


def _add_up_reference(keys: NDArray[np.uint16], places: NDArray[np.int64], sign: int, tables: NDArray[np.int32]) -> int:
    lowest = 0
    for table, key in zip(tables, keys, strict=True):
        np.add.at(table, (key, places), sign)
        lowest = min(lowest, int(table[key, places].min(initial=0)))
    return lowest
