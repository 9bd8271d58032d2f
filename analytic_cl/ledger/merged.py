"""Finding all entries of one ledger in another, into which it was merged."""

from __future__ import annotations

import numpy as np

from analytic_cl.ledger.digests import row_digests
from analytic_cl.ledger.ids import named
from analytic_cl.ledger.records import Records
from analytic_cl.ledger.row_index import Positions
from analytic_cl.ledger.search import NotLearnedError
from analytic_cl.ledger.selection import Selection, Times, totals
from analytic_cl.ledger.table import Table

_UNCHANGED = "nothing was forgotten"


def find_merged(records: Records, other: Records) -> Selection:
    """All rows of `other`, also those without a record. Raises NotLearnedError.

    An entry is looked for where merging puts it: a kept row among kept rows, a digest among digests, an id under
    itself, what has no id among what has none. Nothing is matched across, so that none is taken for another.
    """
    kept, kept_times = _found(records, other, records.kept, other.kept)
    hashed, hashed_times = _found(records, other, records.hashed, other.hashed)
    if other.untracked > records.untracked:
        raise NotLearnedError(
            f"{other.untracked} rows were learned there without a record, and only {records.untracked} here: they "
            f"were not merged, or are forgotten already; {_UNCHANGED}"
        )
    return Selection(kept, hashed, other.untracked, kept_times, hashed_times)


def _found(records: Records, other: Records, mine: Table, theirs: Table) -> tuple[Positions, Times | None]:
    live = theirs.live()
    if theirs is other.hashed:
        here = np.array([key in records.keys for key in other.keys])
        foreign = np.count_nonzero(~here[theirs.keys[live]])
        if foreign:
            raise NotLearnedError(
                f"{foreign} rows of the other model are on record as digests under a key that is not here: unmerge the "
                "model that was merged, a copy of it, or its file; one that learned the rows again has another key; "
                f"{_UNCHANGED}"
            )
    is_named = theirs.is_named[live]
    by_name = _by_name(records, other, mine, theirs, live[is_named])
    rest = live[~is_named]
    digests = theirs.payload[rest]
    if theirs is other.kept:
        digests = row_digests(digests, other.targets(theirs.codes[rest]), records.keys[0])
    distinct, place = np.unique(digests, axis=0, return_inverse=True)
    counts = totals(place.ravel(), len(distinct), theirs.times_of(rest))
    hits = records.hits(mine, distinct) if len(distinct) else []
    anonymous, times, _ = mine.first(hits, np.arange(len(hits)), counts)
    missing = int(counts.sum() - times.sum())
    if missing:
        raise NotLearnedError(
            f"{missing} rows that the other model learned without an id are not on record here, or not so often: they "
            f"were not merged, or are forgotten already; {_UNCHANGED}"
        )
    of_names = mine.times_of(by_name)
    return np.concatenate([by_name, anonymous]), None if of_names is None else np.concatenate([of_names, times])


def _by_name(records: Records, other: Records, mine: Table, theirs: Table, live: Positions) -> Positions:
    names = [name for at in live.tolist() if (name := theirs.ids[at]) is not None]
    unknown = [name for name in names if name not in mine.by_id]
    if unknown:
        raise NotLearnedError(
            f"sample ids of the other model that were not learned here as there, or are forgotten already: "
            f"{named(unknown)}; {_UNCHANGED}"
        )
    own = np.array([mine.by_id[name] for name in names], dtype=np.int64)
    targets = other.targets(theirs.codes[live])
    codes = np.array([records.number_of.get(value, -1) for value in targets.values], dtype=np.int64)[targets.codes]
    same = (mine.payload[own] == theirs.payload[live]).all(axis=1) & (mine.codes[own] == codes)
    same &= mine.rows_at(own) == theirs.rows_at(live)
    if not same.all():
        wrong = [names[i] for i in np.flatnonzero(~same).tolist()]
        raise NotLearnedError(
            f"sample ids {named(wrong)} stand here for other rows or labels than in the other model, such as after a "
            f"rectification: forget them in both first; {_UNCHANGED}"
        )
    return own
