"""What stands between unit rows and a state: a frozen random map of int8 rows to int8 features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._device import sent

MAX_FEATURES = 2**24 // 127  # beyond it, a float32 product of int8 rows and signs would round


class RandomFeatures(ABC):
    """What heads take as `projection=`: a map that is declared by numbers, and the same integers on every machine.

    A subclass is a frozen dataclass with at least these fields, whose values make it again.
    """

    n_components: int
    random_state: int

    @abstractmethod
    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name, as scikit-learn's estimators give them: for searches over ``projection__...``."""

    @abstractmethod
    def width(self, n_features: int) -> int:
        """How many integers a row of so many features becomes."""

    @abstractmethod
    def steps(self, n_features: int, scale: float) -> NDArray[np.float64]:
        """What one integer step stands for, by column, behind rows quantised at `scale`."""

    @abstractmethod
    def project(self, q: NDArray[np.int8], scale: float) -> NDArray[np.int8]:
        """Integers of int8 rows that were quantised at `scale`, shape (n, width)."""

    def project_on_device(self, q: Any, scale: float) -> Any:
        """As `project`, for a tensor, on its device; a map without kernels there goes by the host."""
        return sent(self.project(q.cpu().numpy(), scale), q.device)

    @abstractmethod
    def spec(self, n_features: int) -> dict[str, Any]:
        """Parameters as JSON values, with a fingerprint of what they draw for rows of this width."""

    @abstractmethod
    def describe(self) -> str:
        """A few words for messages, receipts and tables."""

    def __sklearn_clone__(self) -> Self:
        return self  # it never changes
