"""What callers pass as `sample_weight`: whole numbers, each of how often a row counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._containers import column_values, local
from analytic_cl._sparse import array_or_sparse
from analytic_cl.heads.encoded import Encoded
from analytic_cl.quantizers import rows_named
from analytic_cl.statistics import Int64s, Targets

MOST = 2**48  # rows of any state, so that sums of weights fit into an int64 and a float64


def as_weights(sample_weight: Any, n_rows: int) -> Int64s | None:
    """Weights as integers, one a row; None where all are 1, or none are given.

    Raises ValueError, naming rows, for what is no whole number from 0 to 2**48, for another number of weights than
    rows, and where all are 0.
    """
    if sample_weight is None:
        return None
    weights = _whole(_numbers(sample_weight))
    if len(weights) != n_rows:
        raise ValueError(f"{n_rows} rows but {len(weights)} values of sample_weight")
    if not weights.any():
        raise ValueError("sample_weight must contain at least one non-zero number: there is nothing to learn or forget")
    if weights.sum(dtype=np.float64) > MOST:
        raise ValueError("sample_weight has a sum above 2**48, more rows than any state holds: use smaller weights")
    return None if (weights == 1).all() else weights


def with_weights(new: Encoded, weights: Int64s | None) -> Encoded:
    """Encoded rows with their weights, without those that count 0 times."""
    if weights is None or weights.all():
        return new._replace(weights=weights)
    rows, targets, left = without_zeros(array_or_sparse(new.rows), new.targets, weights)
    ids = None if new.ids is None else [name for name, weight in zip(new.ids, weights, strict=True) if weight]
    return new._replace(rows=rows, targets=targets, ids=ids, weights=left)


def without_zeros(
    rows: NDArray[Any], targets: Targets, weights: Int64s | None
) -> tuple[NDArray[Any], Targets, Int64s | None]:
    """Rows, targets and weights of the rows that count; no weights where they are 1."""
    if weights is None:
        return rows, targets, None
    counts = weights > 0
    left = weights[counts]
    some = Targets(targets.values, targets.codes[counts]).used()
    return rows[counts], some, None if (left == 1).all() else left


def _numbers(sample_weight: Any) -> NDArray[Any]:
    values = column_values(local(sample_weight, "sample_weight"))
    if hasattr(values, "columns"):
        raise ValueError(f"sample_weight must be one column or a list, got a {type(values).__name__}")
    masked = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    try:
        numbers = np.asarray(values)
    except ValueError:
        raise ValueError("sample_weight must be one number a row, not lists of several lengths") from None
    if numbers.ndim != 1:
        raise ValueError(f"sample_weight must be one number a row, got an array of shape {numbers.shape}")
    if masked is not None and masked.any():
        raise ValueError(f"sample_weight has no number (masked) in {rows_named(np.flatnonzero(masked))}")
    if numbers.dtype.kind == "O":
        missing = np.flatnonzero([_is_missing(value) for value in numbers])
        if missing.size:
            raise ValueError(f"sample_weight has no number (missing) in {rows_named(missing)}")
        if all(isinstance(value, int | float | np.integer | np.floating) for value in numbers):
            numbers = (
                numbers.astype(np.float64) if any(_is_large(value) for value in numbers) else np.array(list(numbers))
            )
    if numbers.dtype.kind not in "biuf":
        raise ValueError(f"sample_weight must be numbers, got {numbers.dtype}")
    return numbers


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _is_large(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > MOST


def _whole(numbers: NDArray[Any]) -> Int64s:
    if numbers.dtype.kind == "f":
        _refuse(~np.isfinite(numbers), "NaN or infinity")
    _refuse(numbers < 0, "negative numbers")
    if numbers.dtype.kind == "f":
        _refuse(
            numbers != np.floor(numbers),
            "fractions",
            ": weights count rows, so that each can be taken out again. Choose a scale, such as np.rint(1000 * w)",
        )
    _refuse(numbers > MOST, "numbers above 2**48", ", more rows than any state holds")
    return numbers.astype(np.int64)


def _refuse(wrong: NDArray[np.bool_], what: str, why: str = "") -> None:
    if wrong.any():
        raise ValueError(f"sample_weight has {what} in {rows_named(np.flatnonzero(wrong))}{why}")
