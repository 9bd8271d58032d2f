"""What a head makes of rows, labels and ids that it is given."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl.ledger import SampleId
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import Int64s, Targets


class Encoded(NamedTuple):
    """Integer rows, what they are learned with, their ids and weights, if any, and what their columns are called."""

    rows: Any  # an array, `DeviceRows` where they are made on a device, or `SparseRows`
    targets: Targets
    ids: list[SampleId] | None
    quantizer: Quantizer
    feature_names: NDArray[Any] | None
    weights: Int64s | None = None
    n_columns: int = 0  # of the indicator matrix that targets were given as, if they were

    @property
    def has_label_sets(self) -> bool:
        """Whether rows have any number of labels each."""
        return isinstance(next(iter(self.targets.values), None), frozenset)

    def with_one_label_each(self, who: str) -> Encoded:
        """The same. Raises ValueError where rows have any number of labels."""
        if self.has_label_sets:
            raise ValueError(f"{who} takes one label a row, and y holds an indicator matrix or sets of labels")
        return self

    def on_host(self) -> Encoded:
        """The same with an array of rows."""
        return self._replace(rows=np.asarray(self.rows))
