"""A scikit-learn transformer as an extractor, its fingerprint taken from parameters and fitted attributes."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from importlib.metadata import version
from types import BuiltinFunctionType, FunctionType
from typing import Any, cast

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from analytic_cl.extractors.base import Extractor


class FittedTransformer(Extractor):
    """A fitted transformer, or one with a `fingerprint` of its own.

    The fingerprint is computed anew on every call, so that a refit is noticed.
    """

    def __init__(self, transformer: Any) -> None:
        while isinstance(transformer, FrozenEstimator):
            transformer = transformer.estimator
        if not hasattr(transformer, "fingerprint"):
            _check_fitted(transformer)
        self._transformer = transformer
        self.reads_files = bool(getattr(transformer, "reads_files", False))

    @property
    def name(self) -> str:
        return type(self._transformer).__name__

    def transform(self, X: Any) -> Any:
        return self._transformer.transform(X)

    def fingerprint(self) -> str:
        if hasattr(self._transformer, "fingerprint"):
            return str(self._transformer.fingerprint())
        h = hashlib.sha256(b"scikit-learn transformer 1\0")
        _feed(h, self._transformer, self.name)
        return h.hexdigest()

    def environment(self) -> dict[str, str]:
        if hasattr(self._transformer, "environment"):
            return dict(self._transformer.environment())
        return {"scikit-learn": version("scikit-learn"), "numpy": np.__version__}


def _check_fitted(transformer: Any) -> None:
    message = "This %(name)s is not fitted: fit it first, on data that may stay. A pipeline holds it frozen."
    try:
        check_is_fitted(transformer, msg=message)
    except NotFittedError:
        from sklearn.feature_extraction.text import HashingVectorizer

        if not isinstance(transformer, HashingVectorizer):  # has nothing to fit, which older scikit-learns don't say
            raise


def _feed(h: Any, value: Any, where: str) -> None:
    """Feed a value to a hash, with its type and size, so that different values never give the same bytes."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        _put(h, type(value).__name__, value.hex() if isinstance(value, float) else value)
    elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufcUSMm":
        dtype = value.dtype.newbyteorder("<")
        _put(h, f"{dtype.str} {np.shape(value)}", np.asarray(value, dtype=dtype).tobytes())
    elif isinstance(value, np.ndarray):
        _feed_all(h, "objects", value.tolist(), where)
    elif isinstance(value, list | tuple):
        _feed_all(h, type(value).__name__, value, where)
    elif isinstance(value, Mapping):
        pairs = sorted(value.items(), key=lambda pair: (type(pair[0]).__name__, str(pair[0])))
        _feed_all(h, "mapping", [part for pair in pairs for part in pair], where)
    elif isinstance(value, set | frozenset):
        _feed_all(h, "set", sorted(value, key=lambda part: (type(part).__name__, str(part))), where)
    elif isinstance(value, slice):
        _feed_all(h, "slice", [value.start, value.stop, value.step], where)
    elif sparse.issparse(value):
        rows = cast(Any, value).tocsr(copy=True)
        rows.sum_duplicates()
        parts = [rows.shape, rows.data, rows.indices.astype(np.int64), rows.indptr.astype(np.int64)]
        _feed_all(h, "sparse", parts, where)
    elif isinstance(value, np.dtype):
        _put(h, "dtype", value.str)
    elif isinstance(value, BaseEstimator):
        decisive = _decisive(value)
        _put(h, _full_name(type(value)), str(len(decisive)))
        for name in sorted(decisive):
            _put(h, "attribute", name)
            _feed(h, decisive[name], f"{where}.{name}")
    elif isinstance(value, type | FunctionType | BuiltinFunctionType | np.ufunc) and "<" not in _full_name(value):
        _put(h, "name", _full_name(value))
    else:
        raise TypeError(
            f"no fingerprint can be made of {where}, which holds a {type(value).__name__}: give the transformer a name "
            "that you answer for, CallableExtractor(transformer.transform, name='...')"
        )


def _feed_all(h: Any, kind: str, values: Any, where: str) -> None:
    _put(h, kind, str(len(values)))
    for value in values:
        _feed(h, value, where)


def _put(h: Any, kind: str, value: Any) -> None:
    for part in (kind.encode(), value if isinstance(value, bytes) else str(value).encode()):
        h.update(struct.pack("<q", len(part)) + part)


def _decisive(estimator: BaseEstimator) -> dict[str, Any]:
    """Parameters and attributes; of private ones, arrays and estimators only: the rest is bookkeeping."""
    own = {
        name: value
        for name, value in vars(estimator).items()
        if not name.startswith("_") or isinstance(value, np.ndarray | BaseEstimator) or sparse.issparse(value)
    }
    return {**estimator.get_params(deep=False), **own}


def _full_name(value: Any) -> str:
    return f"{getattr(value, '__module__', None) or 'numpy'}.{getattr(value, '__qualname__', value.__name__)}"
