"""The features of several extractors side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.extractors.base import Extractor, sha256_of
from analytic_cl.extractors.batches import extract, n_inputs
from analytic_cl.extractors.resolve import as_extractor


class ConcatExtractor(Extractor):
    """Features of several extractors in one row, for example of a network before and after its adaptation.

    The downside: the head's cost grows with the sum of the widths, quadratically for LDA and ridge.

    Parameters
    ----------
    extractors : sequence of extractors
        As `ContinualPipeline` takes them; at least one. All see the same inputs.
    normalise : bool, default=True
        Bring each extractor's part of a row to unit length, so that none outweighs the others. Zeros stay zeros.

    Notes
    -----
    Cost: that of all extractors.

    Exactness: as exact as the least exact of them.

    References
    ----------
    Zhou et al., Revisiting class-incremental learning with pre-trained models (APER), IJCV 2024. There the parts are
    concatenated as they come; here they are brought to unit length first, because a row gets one length at the
    quantizer.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.extractors import CallableExtractor, ConcatExtractor
    >>> first = CallableExtractor(lambda X: X[:, :2], "first two columns")
    >>> both = ConcatExtractor([first, CallableExtractor(lambda X: X**2, "squares")])
    >>> both.transform(np.array([[3.0, 4.0, 0.0]])).astype(float).round(2).tolist()
    [[0.6, 0.8, 0.49, 0.87, 0.0]]
    """

    def __init__(self, extractors: Sequence[Any], *, normalise: bool = True) -> None:
        self._parts = [as_extractor(given) for given in extractors]
        if not self._parts:
            raise ValueError("give at least one extractor")
        self._normalise = bool(normalise)
        self.reads_files = any(part.reads_files for part in self._parts)

    @property
    def name(self) -> str:
        return f"ConcatExtractor({', '.join(part.name for part in self._parts)})"

    def transform(self, X: Any) -> NDArray[np.float32]:
        n = n_inputs(X)
        parts = [extract(part, X, range(n), n).astype(np.float64) for part in self._parts]
        if self._normalise:
            lengths = [np.sqrt((rows * rows).sum(axis=1, keepdims=True)) for rows in parts]
            parts = [rows / np.where(length > 0, length, 1) for rows, length in zip(parts, lengths, strict=True)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def fingerprint(self) -> str:
        parts = [[part.name, part.fingerprint()] for part in self._parts]
        return sha256_of({"extractor": "concat", "parts": parts, "normalise": self._normalise})

    def environment(self) -> dict[str, str]:
        if len(self._parts) == 1:
            return self._parts[0].environment()
        return {
            f"{name} of {place}": value
            for place, part in enumerate(self._parts, 1)
            for name, value in part.environment().items()
        }
