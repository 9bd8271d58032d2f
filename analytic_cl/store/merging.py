"""All rows of another store, or of a head that kept its rows, learned at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analytic_cl.heads import BaseHead
from analytic_cl.ledger import Selection
from analytic_cl.quantizers import Quantizer
from analytic_cl.store.learning import Group, insert
from analytic_cl.store.parts import Parts
from analytic_cl.store.rows import Batch


def merge_head(parts: Parts, other: BaseHead) -> int:
    """Learn the rows of a head's ledger."""
    if not other.__sklearn_is_fitted__():
        return 0
    ledger = other.learner_.ledger
    found = check_keeps_rows(other)
    rows, targets = ledger.rows_of(found)
    nobody = [None] * len(found)
    feature_names = getattr(other, "feature_names_in_", None)
    about = {
        "quantizer": other.quantizer_.spec(),
        "n_features": other.n_features_in_,
        "feature_names": None if feature_names is None else feature_names.tolist(),
    }
    return _insert(parts, about, [Group([Batch(rows, targets, ledger.names_of(found), nobody, nobody)])])


def check_keeps_rows(head: BaseHead) -> Selection:
    """The rows of a head in its ledger; ValueError where it did not keep them all."""
    found, n = head.learner_.ledger.find_all(), head.state_.n_rows
    if found.kept_times is not None and (found.kept_times > 1).any():
        raise ValueError("the head learned rows with weights, and a store holds every row once: learn them one by one")
    if found.n_kept < n:
        raise ValueError(
            f"the head's ledger keeps {found.n_kept} of its {n} rows, a store needs them all: learn with sample_id "
            "or track='rows'"
        )
    return found


def merge_store(parts: Parts, other: Parts) -> int:
    """Learn the rows of another store that are not restricted there, with ids, subjects and sessions."""
    about = other.database.about("rows")
    if about is None:
        return 0
    quantizer, least = Quantizer.from_spec(about["quantizer"]), other.audit.least_confidence()
    groups = [Group(other.rows.full_batches(quantizer, machine=False))]
    if least is not None:  # here they depend on all that was learned before, which is more than on what they do
        groups.append(Group(other.rows.full_batches(quantizer, machine=True), {"confidence": least}))
    return _insert(parts, about, groups)


def _insert(parts: Parts, theirs: dict[str, Any], groups: Iterable[Group]) -> int:
    mine = parts.database.about("rows")
    head, their_quantizer = parts.model.head, Quantizer.from_spec(theirs["quantizer"])
    quantizer = head.quantizer_like(their_quantizer) if mine is None else parts.model.quantizer()
    if quantizer != their_quantizer:
        raise ValueError(
            f"rows behind different quantizers can't be merged: {quantizer.describe()}; {their_quantizer.describe()}"
        )
    if mine is not None:
        columns = [about["feature_names"] for about in (mine, theirs)]
        if None not in columns and columns[0] != columns[1]:
            raise ValueError("the two learned from different columns, or in another order")
        theirs = mine
    return insert(parts, theirs, groups)
