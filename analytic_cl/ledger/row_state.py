"""States that consist of their rows."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

from analytic_cl.ledger.ledger import Ledger
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import State


class RowState(State):
    """A state whose rows lie once, in its ledger: what enters or leaves the ledger is learned or forgotten.

    Attributes
    ----------
    ledger : Ledger
        With ``keep_rows=True``.
    """

    ledger: Ledger

    @classmethod
    @abstractmethod
    def over(cls, ledger: Ledger, quantizer: Quantizer) -> Self:
        """The state of the rows in a ledger. Raises ValueError where it does not keep all of them."""

    def _touch(self) -> None:
        """The ledger counts its changes by itself, and `revision` is the ledger's."""
