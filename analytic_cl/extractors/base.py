"""What an extractor is: rows in, features out, and a fingerprint of everything that decides them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._json import canonical


class ExtractorWarning(UserWarning):
    """Features may differ in their last bits from those that were learned: another device, precision or version."""


class Extractor(ABC):
    """Base of the frozen extractors: `transform`, `name`, `fingerprint` and `environment`.

    An extractor does not change once it is made, so copies of a pipeline share it.
    """

    reads_files = False  # whether a str among the inputs is the path of a file

    @property
    @abstractmethod
    def name(self) -> str:
        """A few words for messages, the same on every machine."""

    @abstractmethod
    def transform(self, X: Any) -> NDArray[np.float32]:
        """Features of the inputs of one batch, shape (n_samples, n_features)."""

    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of what the features depend on besides the input: weights, layer, pooling and so on.

        Device, precision and library versions are not in it: they move last bits, and are in `environment`.
        """

    def environment(self) -> dict[str, str]:
        """Device, precision and versions of libraries: what the last bits of features depend on."""
        return {}

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Do nothing: an extractor is frozen."""
        return self

    def __sklearn_clone__(self) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<{self.name}>"


def sha256_of(about: dict[str, Any]) -> str:
    """SHA-256 of JSON values, in hexadecimal."""
    return hashlib.sha256(canonical(about)).hexdigest()
