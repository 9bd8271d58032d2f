"""Which rows are in the state, so that only learned rows are forgotten, and each only as often as it was learned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from analytic_cl._device import DeviceRows
from analytic_cl._sparse import SparseRows, array_or_sparse
from analytic_cl.ledger.digests import row_digests
from analytic_cl.ledger.ids import SampleId, as_ids, named, other_kind
from analytic_cl.ledger.merged import find_merged
from analytic_cl.ledger.records import KEY_BYTES, Records
from analytic_cl.ledger.row_index import Positions
from analytic_cl.ledger.search import NotLearnedError, find_rows
from analytic_cl.ledger.selection import NOWHERE, Selection, Times
from analytic_cl.ledger.table import Entries, Table, check_room_for_dense
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import Target, Targets, repeated, target_from_json, target_to_json

Track = Literal["auto", "rows", "digest", "none"]


@dataclass(frozen=True)
class Draft:
    """Entries that are ready to be recorded, with their memory taken; None for rows that leave no record."""

    n: int  # of entries, or of rows without
    table: Table | None = None
    entries: Entries | None = None


def check_track(track: object) -> None:
    """Raise ValueError for a `track` that no ledger knows."""
    if track not in get_args(Track):
        raise ValueError(f"track must be one of {', '.join(map(repr, get_args(Track)))}, got {track!r}")


class Ledger(Records):
    """Records of the rows that a state holds.

    Parameters
    ----------
    quantizer : Quantizer
        Gives the width and dtype of the rows.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What is kept of each learned row: its integers, a keyed 128-bit digest of row and target, or nothing. "auto"
        keeps the integers of rows that come with an id, and the digest of the others.
    keep_rows : bool, default=False
        Keep the integers of all rows whatever `track` says: for a state that consists of them.

    Attributes
    ----------
    revision : int
        Counts changes.

    Notes
    -----
    Every `check_*` and `find_*` is a question, and changes nothing. A change is drafted first, so that what can fail
    fails before the state is touched; `record`, `erase` and `replace` then only write.

    Cost: ``width`` bytes times the integer's size for a kept row, 16 bytes for a digest; hashing 3 to 4 GB/s.
    """

    def __init__(self, quantizer: Quantizer, track: Track = "auto", *, keep_rows: bool = False) -> None:
        check_track(track)
        super().__init__(quantizer)
        self.track = track
        self.keep_rows = keep_rows
        self.revision = 0

    # ---- questions

    def check_new(self, ids: list[SampleId] | None) -> None:
        """Refuse ids that can't be recorded: already in use, or without a ledger to hold them."""
        if ids is None:
            return
        if self.track == "none":
            raise ValueError('sample_id needs a ledger to be kept in: this model has track="none"')
        known = [name for name in ids if name in self.kept.by_id or name in self.hashed.by_id]
        if known:
            raise ValueError(f"sample ids already learned: {named(known)}; use rectify to replace their rows")

    def find_ids(self, ids: list[SampleId]) -> Selection:
        """The rows of these ids. Raises NotLearnedError naming unknown ones."""
        unknown = [name for name in ids if name not in self.kept.by_id and name not in self.hashed.by_id]
        if unknown:
            raise NotLearnedError(
                f"sample ids never learned, or already forgotten: {named(unknown)}{self._of_another_kind(unknown)}"
            )
        kept = [self.kept.by_id[name] for name in ids if name in self.kept.by_id]
        hashed = [self.hashed.by_id[name] for name in ids if name in self.hashed.by_id]
        return self._whole(np.array(kept, dtype=np.int64), np.array(hashed, dtype=np.int64))

    def _whole(self, kept: Positions, hashed: Positions, untracked: int = 0) -> Selection:
        """Entries with all rows that they stand for."""
        return Selection(kept, hashed, untracked, self.kept.times_of(kept), self.hashed.times_of(hashed))

    def _of_another_kind(self, unknown: list[SampleId]) -> str:
        """Text that stands for an integer id that was learned, or the other way round."""
        others = [other for name in unknown if (other := other_kind(name)) is not None]
        known = [name for name in others if name in self.kept.by_id or name in self.hashed.by_id]
        return f"; learned were {named(known)}: integers and text are different ids" if known else ""

    def find_ids_with_rows(self, ids: list[SampleId], rows: NDArray[Any], targets: Targets) -> Selection:
        """As `find_ids`, checking that the rows and labels of these ids, in order, are the given ones."""
        found = self.find_ids(ids)
        digests = [row_digests(rows, targets, key) for key in self.keys]
        wrong = []
        for i, name in enumerate(ids):
            if (at := self.hashed.by_id.get(name)) is not None:
                same = np.array_equal(self.hashed.payload[at], digests[int(self.hashed.keys[at])][i])
            else:
                at = self.kept.by_id[name]
                number = self.number_of.get(targets.values[targets.codes[i]])
                same = np.array_equal(self.kept.payload[at], rows[i]) and self.kept.codes[at] == number
            if not same:
                wrong.append(name)
        if wrong:
            raise NotLearnedError(
                f"sample ids {named(wrong)} were learned with other rows or labels than the given ones; nothing was "
                "forgotten"
            )
        return found

    def find_rows(self, rows: NDArray[Any], targets: Targets, weights: Times | None = None) -> Selection:
        """These rows under these labels, each as often as it is given, or as its weight says; rows without an id are
        taken first.

        Raises NotLearnedError naming rows that were not learned so often, and ValueError where one of several ids
        would have to be chosen.
        """
        return find_rows(self, rows, targets, weights)

    def find_target(self, value: Target) -> Selection:
        """All rows of a target, such as a class, or of a label in sets, that the ledger has a record of."""
        numbers = [
            number
            for known, number in self.number_of.items()
            if known == value or (isinstance(known, frozenset) and value in known)
        ]
        kept, hashed = (t.live()[np.isin(t.codes[t.live()], numbers)] for t in (self.kept, self.hashed))
        return self._whole(kept, hashed)

    def find_merged(self, other: Ledger) -> Selection:
        """All that another ledger holds, as `drafts_of` brought it here.

        An id must be here with the same row, label and weight, a row without an id as often as there, a digest under
        the same key. Raises NotLearnedError otherwise, and where rows without a record are not as many here; of which
        classes these are the ledgers don't know, and whoever asks must.
        """
        return find_merged(self, other)

    def find_all(self) -> Selection:
        """All rows."""
        return self._whole(self.kept.live(), self.hashed.live(), self.untracked)

    def rows_of(self, found: Selection) -> tuple[NDArray[Any], Targets]:
        """Integers and labels of selected rows, each as often as it is meant. Raises ValueError where only digests are
        kept.
        """
        return repeated(*self.weighted_rows_of(found))

    def weighted_rows_of(self, found: Selection) -> tuple[NDArray[Any], Targets, Times | None]:
        """As `rows_of`, with one row an entry and how often it is meant; None for once each."""
        if len(found) > found.n_kept:
            raise ValueError(
                f"the ledger does not keep the rows themselves of {len(found) - found.n_kept} of the "
                f"{len(found)} rows asked for: pass them as X and y as well, or learn with track='rows'"
            )
        rows, targets = self.kept.payload[found.kept], self.targets(self.kept.codes[found.kept]).used()
        return rows, targets, found.kept_times

    def weights_of(self, ids: list[SampleId]) -> Times | None:
        """How many rows each of these ids, which were learned, stands for; None for one each."""
        tables = (self.kept, self.hashed)
        if all(table.times is None for table in tables):
            return None
        where = [(table, table.by_id[name]) for name in ids for table in tables if name in table.by_id]
        return np.array([1 if table.times is None else table.times[at] for table, at in where], dtype=np.int64)

    def names_of(self, found: Selection) -> list[SampleId | None]:
        """The ids of selected entries: first of the kept, then of the hashed, then None for those without a record."""
        kept = [self.kept.ids[at] for at in found.kept.tolist()]
        return [*kept, *(self.hashed.ids[at] for at in found.hashed.tolist()), *([None] * found.untracked)]

    def ids_of(self, rows: NDArray[Any], targets: Targets) -> tuple[list[list[SampleId]], NDArray[np.intp]]:
        """The ids under which rows were learned with these labels, in no order.

        One list for all rows that are equal and have one label, and for each row the place of its list.
        """
        digests = row_digests(rows, targets, self.keys[0])
        _, first, place = np.unique(digests, axis=0, return_index=True, return_inverse=True)
        distinct = Targets(targets.values, targets.codes[first])
        found = self.entries(rows[first], distinct, digests[first])
        ids = [
            [name for table, hits in each for at in hits.tolist() if (name := table.ids[at]) is not None]
            for each in found
        ]
        return ids, place.ravel()

    # ---- changes

    def make_writable(self) -> None:
        """Copy arrays that can't be written to, such as maps of files: ahead of `erase` and `replace`."""
        self.kept.make_writable()
        self.hashed.make_writable()

    def draft(
        self,
        rows: NDArray[Any] | DeviceRows | SparseRows,
        targets: Targets,
        ids: list[SampleId] | None,
        weights: Times | None = None,
    ) -> Draft:
        """Prepare to record learned rows. Their array may be adopted, and is overwritten as rows are erased."""
        if self.track == "none" and not self.keep_rows:
            return Draft(len(rows) if weights is None else int(weights.sum()))
        names: list[SampleId | None] = [None] * len(rows) if ids is None else list(ids)
        keeps_rows = self.keep_rows or self.track == "rows" or (self.track == "auto" and ids is not None)
        table = self.kept if keeps_rows else self.hashed
        if keeps_rows:
            if isinstance(rows, SparseRows):
                check_room_for_dense(self.kept, rows)
            payload = np.asarray(rows)
        else:
            payload = row_digests(array_or_sparse(rows), targets, self.keys[0])
        entries = Entries(payload, self.numbers(targets), 0, names, weights)
        table.reserve(entries)
        return Draft(len(rows), table, entries)

    def record(self, drafts: list[Draft]) -> None:
        """Enter drafted rows, all or none."""
        done = 0
        try:
            for draft in drafts:
                if draft.table is None or draft.entries is None:
                    self.untracked += draft.n
                else:
                    draft.table.append(draft.entries)
                done += 1
        except BaseException:
            self.unrecord(drafts[:done])
            raise
        self.revision += 1

    def unrecord(self, drafts: list[Draft]) -> None:
        """Take back what was just recorded."""
        for draft in drafts:
            if draft.table is None:
                self.untracked -= draft.n
            else:
                draft.table.truncate(draft.table.size - draft.n)
        self.revision += 1

    def erase(self, found: Selection) -> None:
        """Strike selected rows out, overwriting what was kept of them, and the names of classes that have none left."""
        self.kept.erase(found.kept, found.kept_times)
        self.hashed.erase(found.hashed, found.hashed_times)
        self.untracked -= found.untracked
        self.drop_unused_targets()
        self.revision += 1

    def replace(self, found: Selection, rows: NDArray[Any], codes: NDArray[np.int64]) -> None:
        """Put other rows and labels (by `numbers`) in the place of selected kept ones."""
        self.kept.replace(found.kept, rows, codes)
        self.drop_unused_targets()
        self.revision += 1

    def check_mergeable(self, other: Ledger) -> None:
        """Refuse a merge with a ledger that holds an id of this one."""
        mine = self.kept.by_id.keys() | self.hashed.by_id.keys()
        both = [name for table in (other.kept, other.hashed) for name in table.by_id if name in mine]
        if both:
            raise ValueError(f"both models learned the sample ids {named(both)}; forget them in one of the two first")

    def drafts_of(self, other: Ledger) -> list[Draft]:
        """Prepare to record copies of another ledger's rows; digests stay under the key they were made with."""
        self.keys += [key for key in other.keys if key not in self.keys]
        key_number = np.array([self.keys.index(key) for key in other.keys], dtype=np.int32)
        drafts = [Draft(other.untracked)]
        for mine, theirs in ((self.kept, other.kept), (self.hashed, other.hashed)):
            live = theirs.live()
            if live.size:
                ids = [theirs.ids[at] for at in live.tolist()]
                codes = self.numbers(other.targets(theirs.codes[live]))
                entries = Entries(
                    theirs.payload[live], codes, key_number[theirs.keys[live]], ids, theirs.times_of(live)
                )
                mine.reserve(entries)
                drafts.append(Draft(live.size, mine, entries))
        return drafts

    # ---- on disk

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """JSON values and arrays of all that is not erased. The keys are among the values: keep them private."""
        arrays: dict[str, NDArray[Any]] = {}
        names: list[SampleId | None] = []
        values = self.targets(NOWHERE).values
        for title, table in (("kept", self.kept), ("hashed", self.hashed)):
            live = table.live()
            names += [table.ids[at] for at in live.tolist()]
            arrays[f"ledger_{title}_payload"] = table.payload[live]
            arrays[f"ledger_{title}_codes"] = self.targets(table.codes[live]).codes.astype(np.int32)
            arrays[f"ledger_{title}_keys"] = table.keys[live]
            times = table.times_of(live)
            if times is not None and (times != 1).any():
                arrays[f"ledger_{title}_times"] = times
        arrays["ledger_ids"] = np.frombuffer(json.dumps(names).encode(), dtype=np.uint8)
        keys = [key.hex() for key in self.keys]
        description = {
            "track": self.track,
            "keep_rows": self.keep_rows,
            "targets": list(map(target_to_json, values)),
            "keys": keys,
            "untracked": self.untracked,
        }
        return description, arrays

    @classmethod
    def from_arrays(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Ledger:
        """The ledger that `to_arrays` described. Raises an error of some kind where it is not one."""
        ledger = cls(quantizer, description["track"], keep_rows=description["keep_rows"])
        ledger.keys = [bytes.fromhex(key) for key in description["keys"]]
        ledger.untracked = int(description["untracked"])
        ledger.number_of = {target_from_json(value): number for number, value in enumerate(description["targets"])}
        names = json.loads(arrays["ledger_ids"].tobytes())
        given = [name for name in names if name is not None]
        if given and as_ids(given) != given:
            raise ValueError("the ledger's ids are not in their one spelling")
        for title, table in (("kept", ledger.kept), ("hashed", ledger.hashed)):
            payload, codes, keys = (arrays[f"ledger_{title}_{column}"] for column in ("payload", "codes", "keys"))
            n, times = len(codes), arrays.get(f"ledger_{title}_times")
            if (
                payload.dtype != table.payload.dtype
                or payload.shape != (n, table.payload.shape[1])
                or not (len(keys) == n <= len(names))
                or not (times is None or _are_times(times, n))
                or not (_within(codes, len(ledger.number_of)) and _within(keys, len(ledger.keys)))
            ):
                raise ValueError("the ledger's arrays don't fit each other")
            if n:
                entries = Entries(payload, codes, keys, names[:n], times)
                table.reserve(entries)
                table.append(entries)
                del names[:n]
        if names or ledger.untracked < 0 or len(ledger.number_of) != len(description["targets"]):
            raise ValueError("the ledger's ids or labels don't fit its rows")
        if not ledger.keys or any(len(key) != KEY_BYTES for key in ledger.keys):
            raise ValueError("the ledger's keys are of the wrong length")
        if np.abs(ledger.kept.payload.astype(np.int64)).max(initial=0) > quantizer.limit:
            raise ValueError("the ledger's rows are out of the quantizer's range")
        return ledger


def _within(numbers: NDArray[Any], end: int) -> bool:
    return numbers.dtype == np.int32 and (not numbers.size or bool(numbers.min() >= 0 and numbers.max() < end))


def _are_times(times: NDArray[Any], n: int) -> bool:
    return (
        times.dtype == np.int64 and times.shape == (n,) and bool((times > 0).all()) and times.sum(dtype=float) < 2**53
    )
