"""What is different in a store whose rows have numbers in place of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analytic_cl.heads.regression import Regression
from analytic_cl.ledger import as_ids
from analytic_cl.store.model import Incoming
from analytic_cl.store.parts import Parts
from analytic_cl.store.record import has_classes
from analytic_cl.store.tasks import Selector, Task


def check_selector(parts: Parts, task: Task) -> None:
    """Refuse to choose rows by a label where all have the same."""
    selector = getattr(task, "selector", None)
    if selector is not None and selector.label is not None and not has_classes(parts.database):
        raise ValueError("rows of a regression have no label: name them by sample_id, subject or session")


def with_other_targets(parts: Parts, y: ArrayLike, sample_id: Any) -> Incoming:
    """Rows of known ids as they are in the store, with other targets. Raises RefusedError for unknown ids."""
    model, ids = parts.model, as_ids(sample_id)
    head = model.head
    if not isinstance(head, Regression):
        raise ValueError("rectify needs X: only the targets of a regressor can be replaced without the rows")
    with parts.database.transaction("DEFERRED"):
        Selector(ids=ids).choose(parts.rows)
        quantizer = model.quantizer()
        integers = {row["sample_id"]: row["integers"] for row in parts.rows.about_chosen(quantizer)}
    rows, targets = head.with_other_targets(np.array([integers[name] for name in ids], dtype=quantizer.dtype), y)
    about = parts.database.about("rows")
    return Incoming(rows, targets, ids, quantizer, quantizer.n_features, about["feature_names"], [])
