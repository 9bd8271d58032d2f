"""Finding given rows among the records of a ledger, by their digests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.ledger.digests import row_digests
from analytic_cl.ledger.ids import named
from analytic_cl.ledger.records import Records
from analytic_cl.ledger.selection import Selection, Times, totals
from analytic_cl.ledger.table import Table
from analytic_cl.quantizers import rows_named
from analytic_cl.statistics import Target, Targets

_ALL = 2**62
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
    taken: list[tuple[Table, int, int]] = []
    unmatched: list[int] = []
    n_unmatched = 0
    for group, found in enumerate(records.entries(rows[first], distinct, wanted[first])):
        need = int(count[group])
        for table, hits in found:
            for at, n in table.take(hits[~table.is_named[hits]], need):
                taken.append((table, at, n))
                need -= n
        if not need:
            continue
        owned = [(table, at, n) for table, hits in found for at, n in table.take(hits[table.is_named[hits]], _ALL)]
        n_owned = sum(n for *_, n in owned)
        members = np.flatnonzero(group_of == group)
        if n_owned > need or (owned and records.untracked):
            ids = [name for table, at, _ in owned if (name := table.ids[at]) is not None]
            raise ValueError(
                f"{rows_named(members)} of X {'was' if members.size == 1 else 'were'} learned under the sample ids "
                f"{named(ids)}, and the rows alone don't say which is meant: forget by sample_id"
            )
        taken += owned
        need -= n_owned
        n_unmatched += need
        often = np.ones(members.size, dtype=np.int64) if weights is None else weights[members]
        unmatched += members[(often > 0) & (np.cumsum(often) > count[group] - need)].tolist()
    if n_unmatched > records.untracked:
        raise NotLearnedError(_explained(records, rows, targets, sorted(unmatched)))
    kept, kept_times = _of_table(records.kept, taken)
    hashed, hashed_times = _of_table(records.hashed, taken)
    return Selection(kept, hashed, n_unmatched, kept_times, hashed_times)


def _of_table(table: Table, taken: list[tuple[Table, int, int]]) -> tuple[NDArray[np.int64], Times | None]:
    positions = np.array([at for owner, at, _ in taken if owner is table], dtype=np.int64)
    if table.times is None:
        return positions, None
    return positions, np.array([n for owner, _, n in taken if owner is table], dtype=np.int64)


def _explained(records: Records, rows: NDArray[Any], targets: Targets, missing: list[int]) -> str:
    """Message for rows that were not found, saying where one of them was learned under another label."""
    shown = missing[:_HINTS]
    labels = list(records.number_of)
    tried = np.repeat(rows[shown], len(labels), axis=0)
    under = Targets(labels, np.tile(np.arange(len(labels)), len(shown)))
    hits = records.entries(tried, under, row_digests(tried, under, records.keys[0])) if labels else []
    learned_as: dict[int, Target] = {}
    for place, found in enumerate(hits):
        i, label = shown[place // len(labels)], labels[place % len(labels)]
        if found and label != targets.values[targets.codes[i]]:
            learned_as.setdefault(i, label)
    hints = [
        f"row {i} was learned as {label!r}, not as {targets.values[targets.codes[i]]!r}"
        for i, label in learned_as.items()
    ]
    hint = "; ".join(hints) or "were they learned from other features? rows learned with a sample_id can go by id"
    return (
        f"{rows_named(np.array(missing))} of X, under the given labels: never learned, already forgotten, or not "
        f"learned so often ({hint}); nothing was forgotten"
    )
