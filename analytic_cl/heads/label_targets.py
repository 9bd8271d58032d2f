"""What users pass as labels where a row may have any number of them: an indicator matrix, or a set for each row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from analytic_cl._containers import column_values, local, objects, plain_scalar
from analytic_cl.heads.sparse_input import as_csr
from analytic_cl.quantizers import rows_named
from analytic_cl.statistics import Label, Targets, as_label, encode_label_sets, label_kind


def _is_many(row: Any) -> bool:
    return isinstance(row, list | tuple | set | frozenset) or (isinstance(row, np.ndarray) and row.ndim > 0)


def _is_list(row: Any) -> bool:
    return _is_many(row) and not isinstance(row, set | frozenset)


def is_label_sets(y: Any) -> bool:
    """Whether y gives each row any number of labels: a matrix of two columns or more, or collections.

    A column of one label a row is none, however deep it is nested.
    """
    if issparse(y):
        shape: tuple[int, ...] = y.shape  # type: ignore[attr-defined]  # scipy-stubs lack it
        return len(shape) == 2 and shape[1] != 1
    if isinstance(y, np.ndarray) and y.dtype != object:
        return y.ndim == 2 and y.shape[1] != 1
    return _as_matrix(y) is not None or _as_collections(y) is not None


def matrix_columns(y: Any) -> int:
    """How many columns an indicator matrix has; 0 where y is none."""
    matrix: Any = y if issparse(y) else _as_matrix(y)
    return 0 if matrix is None else int(matrix.shape[1])


def label_set_targets(y: Any) -> Targets:
    """Sets of labels as targets. Columns of a matrix are labels 0, 1, ...

    Raises ValueError, naming rows, for a matrix that holds anything but 0 and 1, rows of different lengths, and labels
    that are none or of mixed kinds.
    """
    if issparse(y):
        return _of_sparse(y)
    matrix = _as_matrix(y)
    return _of_matrix(matrix) if matrix is not None else _of_collections(_as_collections(y) or [])


# ---- what it is


def _values(y: Any) -> Any:
    """Tensors and columns of frames as arrays; frames and everything else as they are."""
    y = local(y, "y")
    return y if hasattr(y, "columns") else column_values(y)


def _as_matrix(y: Any) -> NDArray[Any] | None:
    """An indicator matrix, or what was meant as one: lists of numbers, one a row, are its rows."""
    y = _values(y)
    if isinstance(y, np.ndarray):
        return y if y.ndim == 2 and y.shape[1] != 1 else None
    if not isinstance(y, list | tuple) or not y or not all(map(_is_list, y)):
        return None
    if any(isinstance(label, str | np.str_) for row in y for label in row) or all(len(row) == 0 for row in y):
        return None
    lengths = np.array([len(row) for row in y])
    wrong = np.flatnonzero(lengths != lengths[0])
    if wrong.size:
        raise ValueError(
            f"lists of numbers are rows of an indicator matrix, but {rows_named(wrong)} of y "
            f"{'has' if wrong.size == 1 else 'have'} not the {lengths[0]} columns of row 0; give numbers that are "
            "labels as sets, such as [{3, 7}, set()]"
        )
    if lengths[0] == 1:
        return None
    numbers = set(map(type, (value for row in y for value in row))) <= {
        int,
        float,
        bool,
        np.int64,
        np.float64,
        np.bool_,
    }
    return np.array(y, dtype=np.float64) if numbers else np.array([objects(list(row)) for row in y])


def _as_collections(y: Any) -> Sequence[Any] | None:
    """A collection of labels for each row; None where no row has one."""
    y = _values(y)
    if isinstance(y, np.ndarray) and y.dtype == object and y.ndim == 1:
        y = list(y)
    if not isinstance(y, list | tuple) or not any(map(_is_many, y)):
        return None
    column = all(_is_list(row) and len(row) == 1 for row in y)
    return None if column and not any(isinstance(label, str) for row in y for label in np.ravel(row)) else y


# ---- what it says


def _of_matrix(matrix: NDArray[Any]) -> Targets:
    if matrix.dtype == object:
        try:
            matrix = np.array([[_number(value) for value in row] for row in matrix], dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError("an indicator matrix holds 0 and 1, and y holds something that is no number") from None
    if matrix.dtype.kind not in "biuf" or not matrix.shape[1]:
        raise ValueError(
            f"an indicator matrix has a column a label and holds 0 and 1, got {matrix.dtype} of shape {matrix.shape}"
        )
    _refuse_others((matrix != 0) & (matrix != 1), matrix)
    bits = np.packbits(matrix == 1, axis=1)
    keys = np.ascontiguousarray(bits).view(np.dtype((np.void, bits.shape[1]))).ravel()
    _, first, codes = np.unique(keys, return_index=True, return_inverse=True)
    values = [frozenset(np.flatnonzero(row).tolist()) for row in matrix[first]]
    return Targets(values, codes.astype(np.int64, copy=False))


def _number(value: Any) -> float:
    if value is None or isinstance(value, str):
        raise TypeError
    return float(value)


def _refuse_others(wrong: NDArray[np.bool_], matrix: NDArray[Any]) -> None:
    if wrong.any():
        rows = np.flatnonzero(wrong.any(axis=1))
        value = matrix[rows[0]][wrong[rows[0]]][0]
        raise ValueError(
            f"an indicator matrix holds 0 and 1, and y has others, such as {value}, in {rows_named(rows)}; where rows "
            "have one label each, y is a 1d array"
        )


def _of_sparse(matrix: Any) -> Targets:
    if matrix.ndim != 2 or not matrix.shape[1] or matrix.dtype.kind not in "biuf":
        raise ValueError(
            f"an indicator matrix has a column a label and holds 0 and 1, got {matrix.dtype} of shape {matrix.shape}"
        )
    try:
        floats = matrix.astype(np.float64)  # in which no sum of entries that occur twice wraps around to 1
    except ValueError as error:
        raise ValueError(f"y is no valid sparse matrix of format {matrix.format!r}: {error}") from error
    rows = as_csr(floats, "y")
    wrong = np.flatnonzero((rows.data != 0) & (rows.data != 1))
    if wrong.size:
        bad = np.unique(np.searchsorted(rows.indptr, wrong, side="right") - 1)
        raise ValueError(
            f"an indicator matrix holds 0 and 1, and y has others, such as {rows.data[wrong[0]]}, in {rows_named(bad)}"
        )
    rows.eliminate_zeros()
    return encode_label_sets([frozenset(rows.indices[a:b].tolist()) for a, b in pairwise(rows.indptr)])


def _of_collections(rows: Sequence[Any]) -> Targets:
    single = np.array([not _is_many(row) for row in rows])
    if single.any():
        at = np.flatnonzero(single)
        raise ValueError(
            f"y gives some rows a collection of labels, and not so {rows_named(at)} ({rows[at[0]]!r:.50}): give every "
            "row a set, which may be empty"
        )
    sets: list[frozenset[Label]] = []
    kinds: dict[str, tuple[int, Label]] = {}
    for number, row in enumerate(rows):
        try:
            labels = [as_label(plain_scalar(label)) for label in row]
        except ValueError as error:
            raise ValueError(f"{error} (in row {number} of y)") from None
        for label in labels:
            kinds.setdefault(label_kind(label), (number, label))
        sets.append(frozenset(labels))
    if len(kinds) > 1:
        examples = ", ".join(f"{label!r} ({kind}) in row {at}" for kind, (at, label) in kinds.items())
        raise ValueError(f"labels of mixed types: {examples}; use one type for all labels of a model")
    return encode_label_sets(sets)
