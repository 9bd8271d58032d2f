"""Checks of what users pass that scikit-learn's own validation does not make."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, check_X_y, validate_data

from analytic_cl._containers import column_values, is_a, local, objects, tensor_of
from analytic_cl._device import get_device
from analytic_cl.heads.sparse_input import as_csr
from analytic_cl.heads.tables import is_time, read_table
from analytic_cl.quantizers import rows_named
from analytic_cl.statistics import Label, LabelledState, Targets, encode_labels, labels_in


def label_input(y: Any, name: str = "y") -> Any:
    """Labels as an array that says what they are, without missing ones.

    NumPy would turn the list [1, "a"] into strings, and scikit-learn a pandas column of nullable booleans into
    numbers: both become object arrays here.
    """
    if issparse(y):
        raise ValueError(f"{name} is a sparse matrix: labels must be a 1d array, such as {name}.toarray().ravel()")
    y = column_values(_only_column(local(y, name), name))
    if isinstance(y, list | tuple) and not any(np.ndim(label) for label in y):
        y = objects(y)
    elif not isinstance(y, np.ndarray) and hasattr(y, "__array__"):
        y = np.asarray(y)
    if not isinstance(y, np.ndarray):
        return y
    _refuse_missing_and_times(y, name)
    return y.astype(object) if y.dtype.kind == "T" else y


def _only_column(y: Any, name: str) -> Any:
    """The column of a frame that has one; anything else is handed back."""
    names = getattr(y, "column_names", None) if is_a(y, "pyarrow", "Table", "RecordBatch") else None
    names = list(y.columns) if names is None and hasattr(y, "columns") else names
    if names is None:
        return y
    if len(names) != 1:
        raise ValueError(
            f"{name} has {len(names)} columns, {str(names)[:200]}: give one, as a 1d array or a series, or an "
            "indicator matrix as an array"
        )
    return y.iloc[:, 0] if hasattr(y, "iloc") else y[names[0]]


def _refuse_missing_and_times(y: NDArray[Any], name: str) -> None:
    kind, missing = y.dtype.kind, np.zeros(len(y) if y.ndim else 0, dtype=bool)
    if kind == "O" and y.ndim == 1:
        kinds = set(map(type, y.tolist()))
        if kinds <= {int, str, bool}:
            return
        if any(is_time(label) for label in y):
            kind = "M"
        missing = np.fromiter(map(_is_missing, y), dtype=bool, count=len(y))
    elif kind == "f" and y.ndim == 1:
        missing = np.isnan(y)
    if isinstance(y, np.ma.MaskedArray) and y.ndim == 1:
        missing = missing | np.ma.getmaskarray(y)
    if missing.any():
        raise ValueError(f"{name} has no label (NaN) in {rows_named(np.flatnonzero(missing))}")
    if kind in "mM":
        raise ValueError(f"{name} holds dates or durations: turn them into numbers or strings first")


def _is_missing(label: Any) -> bool:
    if isinstance(label, float | np.floating):
        return bool(np.isnan(label))
    return label is None or type(label).__name__ in ("NAType", "NaTType")


def validated_rows(head: Any, X: Any, reset: bool = False) -> Any:
    """X through scikit-learn's validation, names of columns included: an array, or a tensor where a device is in force.

    NaN and infinity pass: the quantizer looks for them itself, because it can name the rows. Sparse rows come as CSR.
    """
    if is_sparse_input(head, X):
        return validate_data(
            head, as_csr(X), reset=reset, accept_sparse="csr", dtype="numeric", ensure_all_finite=False
        )
    if (tensor := _tensor(X)) is not None:
        validate_data(head, _stand_in(tensor), reset=reset, dtype="numeric", ensure_all_finite=False)
        return tensor
    named, rows = read_table(X)
    if named is None:
        return np.asarray(validate_data(head, rows, reset=reset, dtype="numeric", ensure_all_finite=False))
    validate_data(head, named, reset=reset, skip_check_array=True)
    return np.asarray(check_array(rows, dtype="numeric", ensure_all_finite=False, estimator=head, input_name="X"))


def validated(head: Any, X: Any, y: Any, reset: bool = False) -> tuple[Any, NDArray[Any]]:
    """As `validated_rows`, with the labels of the rows."""
    if is_sparse_input(head, X):
        how = {"reset": reset, "accept_sparse": "csr", "dtype": "numeric", "ensure_all_finite": False}
        return validate_data(head, as_csr(X), label_input(y), **how)  # type: ignore[no-any-return]
    if (tensor := _tensor(X)) is not None:
        return tensor, validated(head, _stand_in(tensor), y, reset)[1]
    named, rows = read_table(X)
    if named is not None:
        validate_data(head, named, reset=reset, skip_check_array=True)
        labels = label_input(y)
        return check_X_y(rows, labels, dtype="numeric", ensure_all_finite=False, estimator=head)  # type: ignore[no-any-return]
    return validate_data(head, rows, label_input(y), reset=reset, dtype="numeric", ensure_all_finite=False)  # type: ignore[no-any-return]


def is_sparse_input(head: Any, X: Any) -> bool:
    """Whether X is a sparse matrix that the head takes as it is; scikit-learn's validation refuses others."""
    return issparse(X) and getattr(head, "takes_sparse_rows", False)


def _tensor(X: Any) -> Any:
    """X as a tensor where it is one, or speaks DLPack, and a device is in force that reads it where it lies."""
    return None if get_device() == "cpu" else tensor_of(X)


def _stand_in(tensor: Any) -> NDArray[Any]:
    """An array of the shape and kind of a tensor, in no memory, for checks that don't look at values."""
    kind = np.complex64 if tensor.is_complex() else np.float32 if tensor.is_floating_point() else np.int64
    return np.broadcast_to(np.zeros((), dtype=kind), tuple(tensor.shape))


def plain_rows(head: Any, X: Any) -> bool:
    """Whether scikit-learn's validation, which takes longer than a row takes to learn, would let X pass as it is."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.kind in "fiu"
        and len(X) > 0
        and X.shape[1] == head.n_features_in_
        and not hasattr(head, "feature_names_in_")
    )


def plain_labels(y: Any, n: int) -> bool:
    """As `plain_rows`, for n labels."""
    return type(y) is np.ndarray and y.shape == (n,) and y.dtype.kind in "iubU"


def declared_labels(classes: Any) -> list[Label]:
    """What a caller declares as `classes`, sorted."""
    if isinstance(classes, str) or not (isinstance(classes, Iterable) or hasattr(classes, "__array__")):
        raise ValueError(f"classes must be a list of labels, got {classes!r}")
    return encode_labels(label_input(classes, "classes")).values


def labels_outside(labels: list[Label], declared: list[Label]) -> list[Label]:
    """Labels in use that are not declared."""
    known = {(type(label), label) for label in declared}
    return [label for label in labels if (type(label), label) not in known]


def check_strength(name: str, value: Any, words: tuple[str, ...], high: float = math.inf) -> None:
    """Raise ValueError unless `value` is one of `words` or a number in [0, high]."""
    if isinstance(value, str):
        valid = value in words
    else:
        try:
            number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
        except OverflowError:
            number = math.inf
        valid = math.isfinite(number) and 0 <= number <= high
    if not valid:
        words_named = "".join(f'"{word}" or ' for word in words)
        limit = "at least 0" if high == math.inf else f"from 0 to {high:g}"
        raise ValueError(f"{name} must be {words_named}a number {limit}; got {value!r}")


def prior_numbers(priors: Any) -> NDArray[np.float64]:
    """Class probabilities as numbers. Raises ValueError unless they are positive and sum to 1."""
    try:
        numbers = np.asarray(priors, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"priors must be a list of numbers, one a class in the order of classes_, got {priors!r}"
        ) from None
    if numbers.ndim != 1 or not (numbers > 0).all() or not np.isclose(numbers.sum(), 1.0):
        raise ValueError(f"priors must be positive and sum to 1, got {priors!r}")
    return numbers


def check_temperature(value: Any) -> None:
    """Raise ValueError unless `value` is "folds" or a number above 0."""
    check_strength("temperature", value, ("folds",))
    if not isinstance(value, str) and value == 0:
        raise ValueError(f'temperature must be "folds" or a number above 0, got {value!r}')


def check_solver(solver: Any, alpha: Any, fit_intercept: Any) -> None:
    """Raise ValueError for parameters of ridge that are invalid, alone or together; `alpha` is checked by itself."""
    if not isinstance(fit_intercept, bool | np.bool_ | int) or fit_intercept not in (0, 1):
        raise ValueError(f"fit_intercept must be True or False, got {fit_intercept!r}")
    if solver not in ("cholesky", "recursive"):
        raise ValueError(f'solver must be "cholesky" or "recursive", got {solver!r}')
    if solver == "recursive" and (isinstance(alpha, str) or alpha == 0):
        raise ValueError(
            f'solver="recursive" needs a number above 0 as alpha, got {alpha!r}: words choose another strength after '
            "every row, which an inverse can't follow, and without any there may be none"
        )


def check_same_names(head: Any, other: Any) -> None:
    """Refuse to merge what was learned from differently named or ordered columns."""
    mine, theirs = (getattr(each, "feature_names_in_", None) for each in (head, other))
    if mine is not None and theirs is not None and not np.array_equal(mine, theirs):
        raise ValueError(
            f"the two models learned from different columns, or in another order: {mine.tolist()[:10]} and "
            f"{theirs.tolist()[:10]}"
        )


def check_known(state: LabelledState, targets: Targets) -> None:
    """Refuse labels of which a state has no rows."""
    of_sets = isinstance(next(iter(targets.values), None), frozenset)
    labels = labels_in(targets.values) if of_sets else targets.values
    unknown = [label for label in labels if not state.count(label)]
    if unknown:
        raise ValueError(f"no rows of class {', '.join(map(repr, unknown))} were learned; classes are {state.labels}")
