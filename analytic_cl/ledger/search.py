"""Finding given rows among the records of a ledger, by their digests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.door import rows_named
from analytic_cl.ledger.digests import Digests, row_digests
from analytic_cl.ledger.ids import named
from analytic_cl.ledger.order import DigestOrder, Positions
from analytic_cl.ledger.table import Table
from analytic_cl.statistics import EncodedLabels, Label

if TYPE_CHECKING:
    from analytic_cl.ledger.ledger import Ledger

Hits = tuple[Table, Positions]  # at least one

_HINTS = 10  # rows that a refusal looks for under other labels


class NotLearnedError(ValueError):
    """Rows or ids that a request names were never learned, or are already forgotten."""


def find_rows(ledger: Ledger, rows: NDArray[Any], encoded: EncodedLabels) -> tuple[Positions, Positions, int]:
    """Positions of the rows among the kept and the hashed ones, and how many must be among the untracked ones."""
    wanted = row_digests(rows, encoded, ledger.keys[0])
    _, first, group_of, count = np.unique(wanted, axis=0, return_index=True, return_inverse=True, return_counts=True)
    group_of = group_of.ravel()
    distinct = EncodedLabels(encoded.labels, encoded.codes[first])
    taken: list[tuple[Table, int]] = []
    unmatched: list[int] = []
    for group, found in enumerate(entries(ledger, rows[first], distinct, wanted[first])):
        need = int(count[group])
        anonymous = [(table, at) for table, hits in found for at in hits[~table.is_named[hits]][:need].tolist()][:need]
        taken += anonymous
        need -= len(anonymous)
        if not need:
            continue
        owned = [(table, at) for table, hits in found for at in hits[table.is_named[hits]].tolist()]
        members = np.flatnonzero(group_of == group)
        if len(owned) > need or (owned and ledger.untracked):
            ids = [name for table, at in owned if (name := table.ids[at]) is not None]
            raise ValueError(
                f"{rows_named(members)} of X {'was' if members.size == 1 else 'were'} learned under the sample ids "
                f"{named(ids)}, and the rows alone don't say which is meant: forget by sample_id"
            )
        taken += owned
        unmatched += members[members.size - (need - len(owned)) :].tolist()
    if len(unmatched) > ledger.untracked:
        raise NotLearnedError(_explained(ledger, rows, encoded, sorted(unmatched)))
    kept, hashed = (
        np.array([at for owner, at in taken if owner is table], dtype=np.int64)
        for table in (ledger.kept, ledger.hashed)
    )
    return kept, hashed, len(unmatched)


def entries(ledger: Ledger, rows: NDArray[Any], encoded: EncodedLabels, wanted: Digests) -> list[list[Hits]]:
    """For each row, the live entries with its integers and label. `wanted` are its digests under the first key."""
    found: list[list[Hits]] = [[] for _ in wanted]
    kept, hashed = ledger.kept, ledger.hashed
    if kept.n_alive:
        for each, hits in zip(found, _hits(kept, _kept_digests(ledger), wanted), strict=True):
            if hits.size:
                each.append((kept, hits))
    if hashed.n_alive:
        for number, key in enumerate(ledger.keys):
            digests = wanted if number == 0 else row_digests(rows, encoded, key)
            for each, hits in zip(found, _hits(hashed, hashed.payload, digests), strict=True):
                mine = hits[hashed.keys[hits] == number]
                if mine.size:
                    each.append((hashed, mine))
    return found


def _kept_digests(ledger: Ledger) -> Digests:
    """Digests of the kept rows: made on the first search, and later only for the rows that came since."""
    kept, digests = ledger.kept, ledger.kept.digests  # read once: another thread may search, and write them too
    known = 0 if digests is None else len(digests)
    if digests is None or known < kept.size:
        new = known + np.flatnonzero(kept.alive[known : kept.size])
        fresh = np.zeros((kept.size - known, 2), dtype=np.uint64)
        fresh[new - known] = row_digests(kept.payload[new], ledger.encoded(kept.codes[new]), ledger.keys[0])
        kept.digests = digests = fresh if digests is None else np.concatenate([digests, fresh])
    return digests


def _hits(table: Table, digests: Digests, wanted: Digests) -> list[Positions]:
    """For each wanted digest, the positions of live entries that have it."""
    order = table.order
    if order is None:
        table.order = order = DigestOrder(digests, table.live())
    found = order.find(wanted[:, 0])
    return [
        positions[table.alive[positions] & (digests[positions, 1] == rest)]
        for positions, rest in zip(found, wanted[:, 1], strict=True)
    ]


def _explained(ledger: Ledger, rows: NDArray[Any], encoded: EncodedLabels, missing: list[int]) -> str:
    """Message for rows that were not found, saying where one of them was learned under another label."""
    shown = missing[:_HINTS]
    labels = list(ledger.code_of)
    tried = np.repeat(rows[shown], len(labels), axis=0)
    under = EncodedLabels(labels, np.tile(np.arange(len(labels)), len(shown)))
    hits = entries(ledger, tried, under, row_digests(tried, under, ledger.keys[0])) if labels else []
    learned_as: dict[int, Label] = {}
    for place, found in enumerate(hits):
        i, label = shown[place // len(labels)], labels[place % len(labels)]
        if found and label != encoded.labels[encoded.codes[i]]:
            learned_as.setdefault(i, label)
    hints = [
        f"row {i} was learned as {label!r}, not as {encoded.labels[encoded.codes[i]]!r}"
        for i, label in learned_as.items()
    ]
    hint = "; ".join(hints) or "were they learned from other features? rows learned with a sample_id can go by id"
    return (
        f"{rows_named(np.array(missing))} of X, under the given labels: never learned, already forgotten, or not "
        f"learned so often ({hint}); nothing was forgotten"
    )
