"""Checks of what users pass that scikit-learn's own validation does not make."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.statistics import EncodedLabels, Label, encode_labels


def label_input(y: Any) -> Any:
    """A list of labels as an object array: NumPy would turn [1, "a"] into strings, and hide the mixture."""
    if not isinstance(y, list | tuple) or any(np.ndim(label) for label in y):
        return y
    array: NDArray[Any] = np.empty(len(y), dtype=object)
    array[:] = y
    return array


def labels_outside(encoded: EncodedLabels, classes: Any) -> list[Label]:
    """Labels in use that `classes` does not declare."""
    declared = {(type(label), label) for label in encode_labels(label_input(classes)).labels}
    return [label for label in encoded.labels if (type(label), label) not in declared]


def check_strength(name: str, value: Any, words: tuple[str, ...], high: float = np.inf) -> None:
    """Raise ValueError unless `value` is one of `words` or a number in [0, high]."""
    if isinstance(value, str):
        valid = value in words
    else:
        number = isinstance(value, Real) and not isinstance(value, bool)
        valid = number and bool(np.isfinite(value)) and 0 <= float(value) <= high
    if not valid:
        words_named = " or ".join(f'"{word}"' for word in words)
        limit = "at least 0" if high == np.inf else f"from 0 to {high:g}"
        raise ValueError(f"{name} must be {words_named}, or a number {limit}; got {value!r}")
