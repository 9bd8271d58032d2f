"""Where machine-labelled rows come from, and what an erasure took along."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from analytic_cl.learner import Receipt
from analytic_cl.ledger import SampleId
from analytic_cl.statistics import Label


class Provenance(NamedTuple):
    """Where one machine-labelled row came from."""

    sample_id: SampleId
    """As given, or "machine-", a random part of this memory, and a running number."""
    label: Label
    confidence: float
    """Probability that the label had."""
    session: str | None
    order: int
    """Number of the call that remembered it, from 1: it depends on all rows learned or remembered before that call."""
    model: str
    """HMAC of the digest of the head's state at the time: see `GrowingMemory.keyed_digest`."""


@dataclass(frozen=True)
class CascadeReceipt:
    """Record of a forget that may take machine-labelled rows along.

    Attributes
    ----------
    head : Receipt or None
        Of the rows that the head forgot; None where only machine-labelled rows were asked for.
    machine_rows : int
        Machine-labelled rows that were asked for by their ids.
    cascaded : int
        Further machine-labelled rows that went, because rows which were asked for had a part in their labels.
    dependent : int
        Machine-labelled rows that stay although they depend on erased rows: 0 after a cascade.
    since : int
        Machine-labelled rows of this `Provenance.order` and earlier ones don't depend on what was erased.
    """

    head: Receipt | None
    machine_rows: int
    cascaded: int
    dependent: int
    since: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)
