"""Parameters that hold a vector for each class, by its label: classes may come and go, and in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.statistics import Label, as_label
from analytic_cl.statistics.labels import check_one_kind

Floats = NDArray[np.float64]


def class_vectors(name: str, value: Any, most_dimensions: int = 1) -> dict[Label, Floats]:
    """A mapping of labels to vectors of one length, with up to `most_dimensions` axes, the last one theirs.

    Raises ValueError or TypeError that says what is wrong with which class.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of labels to vectors, or None; got {type(value).__name__}")
    found: dict[Label, Floats] = {}
    for key, given in value.items():
        label = as_label(key)
        if label in found:
            raise ValueError(f"{name} has two vectors for the class {label!r}")
        found[label] = _vector(f"{name}[{label!r}]", given, most_dimensions)
    if not found:
        raise ValueError(f"{name} holds no class: give a vector for each, or None")
    check_one_kind(list(found))
    lengths = {vector.shape[-1]: label for label, vector in found.items()}
    if len(lengths) > 1:
        (one, a), (two, b), *_ = lengths.items()
        raise ValueError(f"vectors of {name} must have one length: that of {a!r} has {one} numbers, of {b!r} {two}")
    return found


def _vector(name: str, given: Any, most_dimensions: int) -> Floats:
    try:
        vector = np.asarray(given)
        numbers = vector.astype(np.float64) if vector.dtype.kind in "biuf" else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or not 1 <= numbers.ndim <= most_dimensions or not numbers.size:
        shapes = "a vector" if most_dimensions == 1 else "a vector, or a matrix of one vector a row"
        raise ValueError(f"{name} must be {shapes} of numbers, got {str(given)[:60]!r}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return numbers


def stacked(name: str, value: Any, labels: Sequence[Label], width: int) -> Floats:
    """Vectors of `labels`, shape (n_labels, width), zeros for classes that have none."""
    vectors = class_vectors(name, value)
    check_one_kind([*labels, *vectors])
    length = len(next(iter(vectors.values())))
    if length != width:
        raise ValueError(f"vectors of {name} have {length} numbers, and rows {width}, behind a projection its own")
    return np.array([vectors.get(label, np.zeros(width)) for label in labels]).reshape(len(labels), width)


def unit_vectors(name: str, value: Any) -> dict[Label, Floats]:
    """A vector of length 1 for each class: of several, the direction of the mean of their directions."""
    return {
        label: _unit(_unit(given, name, label).mean(axis=0) if given.ndim == 2 else given, name, label)
        for label, given in class_vectors(name, value, 2).items()
    }


def _unit(vectors: Floats, name: str, label: Label) -> Floats:
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    if not largest.all():
        raise ValueError(f"{name}[{label!r}] has length 0, and so no direction")
    scaled = vectors / largest
    return np.asarray(scaled / np.sqrt((scaled**2).sum(axis=-1, keepdims=True)))
