"""Which rows are in the state, so that only learned rows are forgotten, and each only as often as it was learned."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from analytic_cl.door import Door
from analytic_cl.ledger.digests import row_digests
from analytic_cl.ledger.ids import SampleId, named
from analytic_cl.ledger.search import NotLearnedError, find_rows
from analytic_cl.ledger.table import Positions, Table
from analytic_cl.statistics import EncodedLabels, Label

Track = Literal["auto", "rows", "digest", "none"]

NOWHERE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Selection:
    """Rows that a request names, with their integers and labels where the ledger keeps them.

    `kept` and `hashed` are positions in the ledger's two tables, `untracked` how many rows it has no record of.
    """

    kept: Positions = field(default_factory=lambda: NOWHERE)
    hashed: Positions = field(default_factory=lambda: NOWHERE)
    untracked: int = 0

    def __len__(self) -> int:
        return int(self.kept.size + self.hashed.size + self.untracked)


class Ledger:
    """Records of the rows that a state holds.

    Parameters
    ----------
    door : Door
        Gives the width and dtype of the rows.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What is kept of each learned row: its integers, a keyed 128-bit digest of row and label, or nothing. "auto"
        keeps the integers of rows that come with an id, and the digest of the others.

    Notes
    -----
    Every `find_*` is a question and changes nothing; `record`, `erase` and `merge` change the ledger and can't fail
    on what a `check_*` or `find_*` has let through.

    Cost: ``width`` bytes times the integer's size for a kept row, 16 bytes for a digest; hashing 3 to 4 GB/s.
    """

    def __init__(self, door: Door, track: Track = "auto", key: bytes | None = None) -> None:
        if track not in get_args(Track):
            raise ValueError(f"track must be one of {', '.join(map(repr, get_args(Track)))}, got {track!r}")
        self.track = track
        self.kept = Table(door.width, door.dtype)
        self.hashed = Table(2, np.uint64)
        self.untracked = 0
        self.keys: list[bytes] = [secrets.token_bytes(32) if key is None else key]  # first the own, then merged ones
        self.labels: list[Label] = []
        self._code_of: dict[Label, int] = {}

    # ---- questions

    def check_new(self, ids: list[SampleId] | None, replacing: bool = False) -> None:
        """Refuse ids that can't be recorded: already in use, or without a ledger to hold them."""
        if ids is None:
            return
        if self.track == "none":
            raise ValueError('sample_id needs a ledger to be kept in: this model has track="none"')
        known = [name for name in ids if name in self.kept.by_id or name in self.hashed.by_id]
        if known and not replacing:
            raise ValueError(f"sample ids already learned: {named(known)}; use rectify to replace their rows")

    def find_ids(self, ids: list[SampleId]) -> Selection:
        """The rows of these ids. Raises NotLearnedError naming unknown ones."""
        unknown = [name for name in ids if name not in self.kept.by_id and name not in self.hashed.by_id]
        if unknown:
            raise NotLearnedError(f"sample ids never learned, or already forgotten: {named(unknown)}")
        kept = [self.kept.by_id[name] for name in ids if name in self.kept.by_id]
        hashed = [self.hashed.by_id[name] for name in ids if name in self.hashed.by_id]
        return Selection(np.array(kept, dtype=np.int64), np.array(hashed, dtype=np.int64))

    def find_ids_with_rows(self, ids: list[SampleId], rows: NDArray[Any], encoded: EncodedLabels) -> Selection:
        """As `find_ids`, checking that the rows and labels of these ids, in order, are the given ones."""
        found = self.find_ids(ids)
        digests = {number: row_digests(rows, encoded, key) for number, key in enumerate(self.keys)}
        wrong = []
        for i, name in enumerate(ids):
            if (at := self.hashed.by_id.get(name)) is not None:
                same = np.array_equal(self.hashed.payload[at], digests[int(self.hashed.keys[at])][i])
            else:
                at = self.kept.by_id[name]
                label = self.labels[self.kept.codes[at]]
                same = np.array_equal(self.kept.payload[at], rows[i]) and label == encoded.labels[encoded.codes[i]]
            if not same:
                wrong.append(name)
        if wrong:
            raise NotLearnedError(
                f"sample ids {named(wrong)} were learned with other rows or labels than the given ones; nothing was "
                "forgotten"
            )
        return found

    def find_rows(self, rows: NDArray[Any], encoded: EncodedLabels) -> Selection:
        """These rows under these labels, each as often as it is given; rows without an id are taken first.

        Raises NotLearnedError naming rows that were not learned so often, and ValueError where one of several ids
        would have to be chosen.
        """
        return Selection(*find_rows(self, rows, encoded))

    def find_class(self, label: Label) -> Selection:
        """All rows of a class that the ledger has a record of."""
        code = self._code_of.get(label, -1)
        kept, hashed = (t.live()[t.codes[t.live()] == code] for t in (self.kept, self.hashed))
        return Selection(kept, hashed)

    def rows_of(self, found: Selection) -> tuple[NDArray[Any], EncodedLabels]:
        """Integers and labels of selected rows. Raises ValueError where only digests are kept."""
        if len(found) > found.kept.size:
            raise ValueError(
                f"the ledger does not keep the rows themselves of {len(found) - found.kept.size} of the "
                f"{len(found)} rows asked for: pass them as X and y as well, or learn with track='rows'"
            )
        used, codes = np.unique(self.kept.codes[found.kept], return_inverse=True)
        labels = [self.labels[code] for code in used.tolist()]
        order = sorted(range(len(labels)), key=labels.__getitem__)
        rank = np.empty(len(labels), dtype=np.int64)
        rank[order] = np.arange(len(labels))
        return self.kept.payload[found.kept], EncodedLabels([labels[i] for i in order], rank[codes])

    # ---- changes

    def record(self, rows: NDArray[Any], encoded: EncodedLabels, ids: list[SampleId] | None) -> None:
        """Enter learned rows. The array of rows may be adopted: don't write to it afterwards."""
        if self.track == "none":
            self.untracked += rows.shape[0]
            return
        codes = self._codes(encoded)
        names: list[SampleId | None] = [None] * rows.shape[0] if ids is None else list(ids)
        if self.track == "rows" or (self.track == "auto" and ids is not None):
            self.kept.append(rows, codes, names, 0)
        else:
            self.hashed.append(row_digests(rows, encoded, self.keys[0]), codes, names, 0)

    def _codes(self, encoded: EncodedLabels) -> NDArray[np.int64]:
        for label in encoded.labels:
            if label not in self._code_of:
                self._code_of[label] = len(self.labels)
                self.labels.append(label)
        table = np.array([self._code_of[label] for label in encoded.labels], dtype=np.int64)
        return table[encoded.codes]

    def erase(self, found: Selection) -> None:
        """Strike selected rows out, overwriting what was kept of them."""
        self.kept.erase(found.kept)
        self.hashed.erase(found.hashed)
        self.untracked -= found.untracked

    def check_mergeable(self, other: Ledger) -> None:
        """Refuse a merge with a ledger that holds an id of this one."""
        mine = self.kept.by_id.keys() | self.hashed.by_id.keys()
        both = [name for table in (other.kept, other.hashed) for name in table.by_id if name in mine]
        if both:
            raise ValueError(f"both models learned the sample ids {named(both)}; forget them in one of the two first")

    def merge(self, other: Ledger) -> None:
        """Take over copies of the records of another ledger; digests stay under the key they were made with."""
        keys = [self.keys.index(key) if key in self.keys else -1 for key in other.keys]
        for number, key in enumerate(other.keys):
            if keys[number] < 0:
                keys[number] = len(self.keys)
                self.keys.append(key)
        codes = self._codes(EncodedLabels(other.labels, np.arange(len(other.labels))))
        for mine, theirs in ((self.kept, other.kept), (self.hashed, other.hashed)):
            live = theirs.live()
            if live.size:
                names = [theirs.ids[position] for position in live.tolist()]
                numbers = np.array(keys, dtype=np.int32)[theirs.keys[live]]
                mine.append(theirs.payload[live], codes[theirs.codes[live]], names, numbers)
        self.untracked += other.untracked

    @property
    def n_rows(self) -> int:
        return self.kept.n_alive + self.hashed.n_alive + self.untracked

    # ---- on disk

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """JSON values and arrays of all that is not erased. The keys are among the values: keep them private."""
        arrays: dict[str, NDArray[Any]] = {}
        names: list[SampleId | None] = []
        for title, table in (("kept", self.kept), ("hashed", self.hashed)):
            live = table.live()
            names += [table.ids[at] for at in live.tolist()]
            for column in ("payload", "codes", "keys"):
                arrays[f"ledger_{title}_{column}"] = getattr(table, column)[live]
        arrays["ledger_ids"] = np.frombuffer(json.dumps(names).encode(), dtype=np.uint8)
        about = {"labels": self.labels, "keys": [key.hex() for key in self.keys], "untracked": self.untracked}
        return about, arrays

    @classmethod
    def from_arrays(cls, door: Door, track: Track, about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Ledger:
        """The ledger that `to_arrays` described. Raises ValueError or KeyError where it is not one."""
        ledger = cls(door, track)
        ledger.keys = [bytes.fromhex(key) for key in about["keys"]]
        ledger.untracked = int(about["untracked"])
        ledger._codes(EncodedLabels(about["labels"], NOWHERE))
        names = json.loads(arrays["ledger_ids"].tobytes())
        for title, table in (("kept", ledger.kept), ("hashed", ledger.hashed)):
            payload, codes, keys = (arrays[f"ledger_{title}_{column}"] for column in ("payload", "codes", "keys"))
            fits = payload.dtype == table.payload.dtype and payload.shape == (len(codes), table.payload.shape[1])
            if not (fits and len(codes) == len(keys) <= len(names)) or (
                codes.size and not (0 <= codes.min() <= codes.max() < len(ledger.labels))
            ):
                raise ValueError("the ledger's arrays don't fit each other")
            if len(codes):
                table.append(payload, codes, names[: len(codes)], keys)
                del names[: len(codes)]
        if names or ledger.untracked < 0 or not ledger.keys:
            raise ValueError("the ledger's ids don't fit its rows")
        return ledger
