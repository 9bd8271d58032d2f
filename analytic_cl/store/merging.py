"""All rows of another store, or of a head that kept its rows, learned at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analytic_cl.heads import Head
from analytic_cl.statistics import EncodedLabels, encode_labels
from analytic_cl.store.errors import StoreError
from analytic_cl.store.model import Incoming

if TYPE_CHECKING:
    from analytic_cl.store.store import Store


def merge_head(store: Store, other: Head) -> int:
    """Learn the rows of a head's ledger."""
    if not other.__sklearn_is_fitted__():
        return 0
    ledger = other._ledger
    live = ledger.kept.live()
    if live.size < other.moments_.n_rows:
        raise ValueError(
            f"the head's ledger keeps {live.size} of its {other.moments_.n_rows} rows, a store needs them all: learn "
            "with sample_id or track='rows'"
        )
    labels, places = ledger.encoded(ledger.kept.codes[live])
    encoded = encode_labels([labels[place] for place in places.tolist()])
    names = [ledger.kept.ids[at] for at in live.tolist()]
    feature_names = getattr(other, "feature_names_in_", None)
    _insert(
        store,
        ledger.kept.payload[live],
        encoded,
        names,
        [(None, None)] * live.size,
        other.moments_.door,
        other.n_features_in_,
        None if feature_names is None else feature_names.tolist(),
    )
    return int(live.size)


def merge_store(store: Store, other: Store) -> int:
    """Learn the rows of another store that are not restricted there, with ids, subjects and sessions."""
    about = other._db.about("rows")
    if about is None:
        return 0
    door = other._model.door()
    rows, labels, names, owners = other._rows.all_in_state(door)
    if not labels:
        return 0
    _insert(store, rows, encode_labels(labels), names, owners, door, about["n_features"], about["feature_names"])
    return len(labels)


def _insert(
    store: Store,
    rows: Any,
    encoded: EncodedLabels,
    names: list[Any],
    owners: list[tuple[str | None, str | None]],
    door: Any,
    n_features: int,
    feature_names: list[str] | None,
) -> None:
    model = store._model
    about = store._db.about("rows")
    if about is not None and model.door() != door:
        raise ValueError(f"rows behind different doors can't be merged: {model.door().describe()}; {door.describe()}")
    if about is not None and feature_names is not None and about["feature_names"] not in (None, feature_names):
        raise ValueError("the two learned from different columns, or in another order")
    if any(name is None for name in names) and any(name is not None for name in names):
        raise StoreError("rows with and without ids can't be merged at once: merge them apart")
    ids = None if not names or names[0] is None else list(names)
    incoming = Incoming(np.ascontiguousarray(rows), encoded, ids, door, n_features, feature_names)
    store._insert(incoming, [subject for subject, _ in owners], [session for _, session in owners])
