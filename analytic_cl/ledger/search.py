"""Finding given rows among the records of a ledger, by their digests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.ledger.digests import row_digests
from analytic_cl.ledger.ids import named
from analytic_cl.ledger.records import Records
from analytic_cl.ledger.row_index import Positions
from analytic_cl.ledger.table import Table
from analytic_cl.quantizers import rows_named
from analytic_cl.statistics import Target, Targets

_HINTS = 10  # rows that a refusal looks for under other labels


class NotLearnedError(ValueError):
    """Rows or ids that a request names were never learned, or are already forgotten."""


def find_rows(records: Records, rows: NDArray[Any], targets: Targets) -> tuple[Positions, Positions, int]:
    """Positions of the rows among the kept and the hashed ones, and how many must be among the untracked ones."""
    wanted = row_digests(rows, targets, records.keys[0])
    _, first, group_of, count = np.unique(wanted, axis=0, return_index=True, return_inverse=True, return_counts=True)
    group_of = group_of.ravel()
    distinct = Targets(targets.values, targets.codes[first])
    taken: list[tuple[Table, int]] = []
    unmatched: list[int] = []
    for group, found in enumerate(records.entries(rows[first], distinct, wanted[first])):
        need = int(count[group])
        anonymous = [(table, at) for table, hits in found for at in hits[~table.is_named[hits]][:need].tolist()][:need]
        taken += anonymous
        need -= len(anonymous)
        if not need:
            continue
        owned = [(table, at) for table, hits in found for at in hits[table.is_named[hits]].tolist()]
        members = np.flatnonzero(group_of == group)
        if len(owned) > need or (owned and records.untracked):
            ids = [name for table, at in owned if (name := table.ids[at]) is not None]
            raise ValueError(
                f"{rows_named(members)} of X {'was' if members.size == 1 else 'were'} learned under the sample ids "
                f"{named(ids)}, and the rows alone don't say which is meant: forget by sample_id"
            )
        taken += owned
        unmatched += members[members.size - (need - len(owned)) :].tolist()
    if len(unmatched) > records.untracked:
        raise NotLearnedError(_explained(records, rows, targets, sorted(unmatched)))
    kept, hashed = (
        np.array([at for owner, at in taken if owner is table], dtype=np.int64)
        for table in (records.kept, records.hashed)
    )
    return kept, hashed, len(unmatched)


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
