"""What a head makes of rows, labels and ids that it is given."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from analytic_cl.ledger import SampleId
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import Targets


class Encoded(NamedTuple):
    """Integer rows, what they are learned with, and their ids, if any; with what their columns are called."""

    rows: NDArray[Any]
    targets: Targets
    ids: list[SampleId] | None
    quantizer: Quantizer
    feature_names: NDArray[Any] | None
