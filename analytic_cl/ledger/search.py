"""Finding given rows among the records of a ledger, by their digests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.ledger.digests import row_digests
from analytic_cl.ledger.ids import named
from analytic_cl.ledger.records import Hits, Records
from analytic_cl.ledger.row_index import Positions
from analytic_cl.ledger.selection import NOWHERE, Selection, Times, totals
from analytic_cl.ledger.table import Table
from analytic_cl.quantizers import rows_named
from analytic_cl.statistics import Target, Targets

_HINTS = 10  # rows that a refusal looks for under other labels


class NotLearnedError(ValueError):
    """Rows or ids that a request names were never learned, or are already forgotten."""


def find_rows(records: Records, rows: NDArray[Any], targets: Targets, weights: Times | None = None) -> Selection:
    """The entries of the rows, each row as often as its weight says."""
    wanted = row_digests(rows, targets, records.keys[0])
    _, first, group_of = np.unique(wanted, axis=0, return_index=True, return_inverse=True)
    group_of = group_of.ravel()
    count = totals(group_of, first.size, weights)
    distinct = Targets(targets.values, targets.codes[first])
    entries = records.entries(rows[first], distinct, wanted[first])
    taken, left = {}, count.copy()
    for table in (records.kept, records.hashed):
        taken[table] = positions, times, places = _anonymous(table, entries, left)
        if places.size:
            left -= totals(places, len(left), times)
    unmatched: list[int] = []
    for group in np.flatnonzero(left).tolist():
        owned = [(table, hits[table.is_named[hits]]) for table, hits in entries[group]]
        n_owned, need = sum(int(table.rows_at(hits).sum()) for table, hits in owned), int(left[group])
        members = np.flatnonzero(group_of == group)
        if n_owned > need or (n_owned and records.untracked):
            ids = [name for table, hits in owned for at in hits.tolist() if (name := table.ids[at]) is not None]
            raise ValueError(
                f"{rows_named(members)} of X {'was' if members.size == 1 else 'were'} learned under the sample ids "
                f"{named(ids)}, and the rows alone don't say which is meant: forget by sample_id"
            )
        for table, hits in owned:
            positions, times, places = taken[table]
            taken[table] = np.append(positions, hits), np.append(times, table.rows_at(hits)), places
        left[group] = need = need - n_owned
        often = np.ones(members.size, dtype=np.int64) if weights is None else weights[members]
        unmatched += members[(often > 0) & (np.cumsum(often) > count[group] - need)].tolist()
    n_unmatched = int(left.sum())
    if n_unmatched > records.untracked:
        raise NotLearnedError(_explained(records, rows, targets, sorted(unmatched)))
    (kept, kept_times), (hashed, hashed_times) = (
        (positions, None if table.times is None else times) for table, (positions, times, _) in taken.items()
    )
    return Selection(kept, hashed, n_unmatched, kept_times, hashed_times)


def _anonymous(
    table: Table, entries: list[list[Hits]], wanted: NDArray[np.int64]
) -> tuple[Positions, Times, NDArray[np.intp]]:
    """Entries of a table without an id that make up as many rows of each group as are wanted, if there are so many."""
    of_table = [(group, hits) for group, found in enumerate(entries) for owner, hits in found if owner is table]
    if not of_table:
        return NOWHERE, NOWHERE, NOWHERE
    return table.first(
        [hits for _, hits in of_table], np.array([group for group, _ in of_table], dtype=np.intp), wanted
    )


def _explained(records: Records, rows: NDArray[Any], targets: Targets, missing: list[int]) -> str:
    """Message for rows that were not found, saying where one of them was learned under another label."""
    shown = missing[:_HINTS]
    labels = list(records.number_of)
    tried = rows[np.repeat(shown, len(labels))]
    under = Targets(labels, np.tile(np.arange(len(labels)), len(shown)))
    hits = records.entries(tried, under, row_digests(tried, under, records.keys[0])) if labels else []
    learned_as: dict[int, Target] = {}
    for place, found in enumerate(hits):
        i, label = shown[place // len(labels)], labels[place % len(labels)]
        if found and label != targets.values[targets.codes[i]]:
            learned_as.setdefault(i, label)
    hints = [
        f"row {i} was learned as {_shown(label)}, not as {_shown(targets.values[targets.codes[i]])}"
        for i, label in learned_as.items()
    ]
    hint = "; ".join(hints) or "were they learned from other features? rows learned with a sample_id can go by id"
    return (
        f"{rows_named(np.array(missing))} of X, with the y given for it: never learned, already forgotten, or not "
        f"learned so often ({hint}); nothing was forgotten"
    )


def _shown(target: Target) -> str:
    return repr(set(target) if isinstance(target, frozenset) else target)
