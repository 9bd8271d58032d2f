"""Inputs in batches through an extractor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from analytic_cl._containers import column_values, is_a, local
from analytic_cl._integers import as_integer
from analytic_cl._progress import progress_bar
from analytic_cl.extractors.base import Extractor


def n_inputs(X: Any, what: str = "X") -> int:
    """How many inputs there are. Raises TypeError for what has no length, or is a single input."""
    if isinstance(X, str | bytes | dict):
        raise TypeError(f"{what} must be a list or an array, one entry an input; got a single {type(X).__name__}")
    shape = getattr(X, "shape", None)
    if shape is None and not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
        raise TypeError(f"{what} must have a length and be indexable, as lists and arrays are; got {type(X).__name__}")
    if shape is not None and len(shape) == 0:
        raise TypeError(f"{what} must be a list or an array, one entry an input; got a single value")
    n = len(X) if shape is None else int(shape[0])
    if n == 0:
        raise ValueError(f"{what} is empty: give at least one input")
    return n


def as_inputs(X: Any) -> Any:
    """Inputs that can be indexed: what dask would compute, the values of a series that is no pandas', the array that
    others say they are; sparse ones so that rows can be taken.
    """
    if is_a(X, "torch", "Tensor"):  # of any kind: an extractor may want it so
        return X
    X = local(X)
    if is_a(X, "polars", "Series") or is_a(X, "pyarrow", "Array", "ChunkedArray"):
        return column_values(X)
    if sparse.issparse(X):
        return cast(Any, X).tocsr()
    indexable = hasattr(X, "shape") or (hasattr(X, "__len__") and hasattr(X, "__getitem__"))
    return np.asarray(X) if hasattr(X, "__array__") and not indexable else X


def check_batch_size(value: Any) -> int:
    """The batch size, or ValueError."""
    return as_integer("batch_size", value, 1)


def item(X: Any, place: int) -> Any:
    """One input."""
    if hasattr(X, "iloc"):
        found = X.iloc[place]
        return found.to_numpy() if hasattr(found, "to_numpy") else found
    if is_a(X, "polars", "DataFrame"):
        return X.row(place)
    if is_a(X, "pyarrow", "Table", "RecordBatch"):
        return tuple(column[place].as_py() for column in X.columns)
    return X[place]


def extract(
    extractor: Extractor, X: Any, places: Sequence[int], batch_size: int, progress: bool = False
) -> NDArray[Any]:
    """Features of the inputs at these places, in this order, shape (len(places), n_features).

    Raises ValueError, naming the extractor, where its output is not a finite table of numbers with a row an input.
    """
    parts: list[NDArray[Any]] = []
    with progress_bar("extracting", len(places), progress) as done:
        for start in range(0, len(places), batch_size):
            part = list(places[start : start + batch_size])
            rows = _table(extractor.transform(_taken(X, part)), len(part), extractor)
            if parts and rows.shape[1] != parts[0].shape[1]:
                raise ValueError(
                    f"{extractor.name} gave {rows.shape[1]} features for inputs {part[0]} to {part[-1]}, and "
                    f"{parts[0].shape[1]} for earlier ones"
                )
            parts.append(rows)
            done(len(part))
    return np.concatenate(parts)


def _taken(X: Any, places: list[int]) -> Any:
    if hasattr(X, "iloc"):
        return X.iloc[places]
    if is_a(X, "pyarrow", "Table", "RecordBatch"):
        return X.take(places)
    return X[places] if hasattr(X, "shape") else [X[place] for place in places]


def _table(features: Any, n: int, extractor: Extractor) -> NDArray[Any]:
    if sparse.issparse(features):
        features = cast(Any, features).toarray()
    if hasattr(features, "detach"):  # a torch tensor
        features = features.detach().cpu()
    rows = np.asarray(features)
    if rows.dtype.kind not in "biuf" or rows.ndim != 2 or rows.shape[0] != n or rows.shape[1] == 0:
        raise ValueError(
            f"{extractor.name} must give {n} rows of numbers for {n} inputs, got {rows.dtype} of shape {rows.shape}"
        )
    return rows
