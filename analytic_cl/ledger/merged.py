"""Finding all entries of one ledger in another, into which it was merged."""

from __future__ import annotations

import numpy as np

from analytic_cl.ledger.digests import row_digests
from analytic_cl.ledger.ids import named
from analytic_cl.ledger.records import Records
from analytic_cl.ledger.row_index import Positions
from analytic_cl.ledger.search import NotLearnedError
from analytic_cl.ledger.table import Table

_UNCHANGED = "nothing was forgotten"


def find_merged(records: Records, other: Records) -> tuple[Positions, Positions]:
    """Positions of all entries of `other` among the kept and the hashed ones. Raises NotLearnedError.

    An entry is looked for in the table into which merging puts it: a kept row among kept rows, a digest among those of
    the same key, an id under itself. Nothing is matched across, so that none is taken for another.
    """
    return _found(records, other, records.kept, other.kept), _found(records, other, records.hashed, other.hashed)


def _found(records: Records, other: Records, mine: Table, theirs: Table) -> Positions:
    of_rows = mine is records.kept
    live = theirs.live()
    targets = other.targets(theirs.codes[live])
    codes = np.array([records.number_of.get(value, -1) for value in targets.values], dtype=np.int64)[targets.codes]
    here = np.array([records.keys.index(key) if key in records.keys else -1 for key in other.keys], dtype=np.int64)
    keys = np.zeros(live.size, dtype=np.int64) if of_rows else here[theirs.keys[live]]
    if (keys < 0).any():
        raise NotLearnedError(
            f"{np.count_nonzero(keys < 0)} rows of the other model are on record as digests under a key that is not "
            "here: unmerge the model that was merged, a copy of it, or its file; one that learned the rows again has "
            f"another key; {_UNCHANGED}"
        )
    is_named = theirs.is_named[live]
    by_name = _by_name(mine, theirs, live[is_named], codes[is_named], None if of_rows else keys[is_named])
    rest = live[~is_named]
    codes, keys = codes[~is_named], keys[~is_named]
    payload = theirs.payload[rest]
    digests = row_digests(payload, other.targets(theirs.codes[rest]), records.keys[0]) if of_rows else payload
    _, first, counts = np.unique(digests, axis=0, return_index=True, return_counts=True)
    taken: list[Positions] = [by_name]
    missing = 0
    hits = records.hits(mine, digests[first]) if first.size else []
    for at, need, found in zip(first.tolist(), counts.tolist(), hits, strict=True):
        same = ~mine.is_named[found] & (mine.codes[found] == codes[at])
        if not of_rows:
            same &= mine.keys[found] == keys[at]
        own = found[same][:need]
        missing += need - own.size
        taken.append(own)
    if missing:
        raise NotLearnedError(
            f"{missing} rows that the other model learned without an id are not on record here, or not so often: they "
            f"were not merged, or are forgotten already; {_UNCHANGED}"
        )
    return np.concatenate(taken)


def _by_name(mine: Table, theirs: Table, live: Positions, codes: Positions, keys: Positions | None) -> Positions:
    names = [name for at in live.tolist() if (name := theirs.ids[at]) is not None]
    unknown = [name for name in names if name not in mine.by_id]
    if unknown:
        raise NotLearnedError(
            f"sample ids of the other model that were not learned here as there, or are forgotten already: "
            f"{named(unknown)}; {_UNCHANGED}"
        )
    own = np.array([mine.by_id[name] for name in names], dtype=np.int64)
    same = (mine.payload[own] == theirs.payload[live]).all(axis=1) & (mine.codes[own] == codes)
    if keys is not None:
        same &= mine.keys[own] == keys
    if not same.all():
        wrong = [names[i] for i in np.flatnonzero(~same).tolist()]
        raise NotLearnedError(
            f"sample ids {named(wrong)} stand here for other rows or labels than in the other model, such as after a "
            f"rectification: forget them in both first; {_UNCHANGED}"
        )
    return own
