"""Two splits of features with labels: what a comparison is made on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers import rows_named
from analytic_cl.scenarios.session import labels_of, one_a_row

REQUIRED = ("X_train", "y_train", "X_test", "y_test")
OPTIONAL = ("classes", "domains_train", "domains_test", "subjects_train", "times_train")


@dataclass(frozen=True, eq=False)
class Features:
    """Training and test rows; made and checked by `as_features`.

    Parameters
    ----------
    name : str
        For tables and reports.
    X_train, y_train, X_test, y_test : ndarray
        Rows of shape (n, n_features) and their labels, shape (n,).
    classes : ndarray, optional
        Names of the classes 0, 1, 2, ...; without them, labels are their own names.
    domains_train, domains_test, subjects_train, times_train : ndarray, optional
        One value a row, for the scenarios that need them.
    origin : dict, optional
        Where they were read from: the `name`, `extractor` and `header` that `readers.read` was given.
    notes : tuple of str, optional
        What was left out of a file, and how its rows were split, in a line each.
    """

    name: str
    X_train: NDArray[Any]
    y_train: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]
    classes: NDArray[Any] | None = None
    domains_train: NDArray[Any] | None = None
    domains_test: NDArray[Any] | None = None
    subjects_train: NDArray[Any] | None = None
    times_train: NDArray[Any] | None = None
    origin: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def labels(self) -> NDArray[Any]:
        """Distinct labels of the training rows, sorted."""
        return np.unique(self.y_train)

    @cached_property
    def names(self) -> list[str]:
        """Names of `labels`."""
        named = self.classes is not None and self.labels.dtype.kind in "iu"
        return [str(self.classes[label] if named else label) for label in self.labels]  # type: ignore[index]

    @cached_property
    def floats(self) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        """Both splits as other libraries take them: float32, or float64 where they are that."""
        kind = np.float64 if self.X_train.dtype == np.float64 else np.float32
        return self.X_train.astype(kind, copy=False), self.X_test.astype(kind, copy=False)

    def about(self) -> dict[str, Any]:
        """Name, sizes and digest, as JSON values."""
        return {
            "name": self.name,
            "n_train": len(self.X_train),
            "n_test": len(self.X_test),
            "n_features": self.X_train.shape[1],
            "n_classes": len(self.labels),
            "sha256": self.sha256,
        }

    @cached_property
    def sha256(self) -> str:
        """Of all values that a result can depend on, with their types and shapes."""
        h = hashlib.sha256()
        for key in (*REQUIRED, *OPTIONAL):
            array = getattr(self, key)
            if array is not None:
                h.update(f"{key} {array.dtype.str} {array.shape}\0".encode())
                h.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
        return h.hexdigest()

    def of_classes(self, labels: NDArray[Any], name: str) -> Features:
        """The rows of some classes only."""
        kept = {"train": np.isin(self.y_train, labels), "test": np.isin(self.y_test, labels)}
        parts = {}
        for key in (*REQUIRED, *OPTIONAL):
            array, split = getattr(self, key), key.rpartition("_")[2]
            parts[key] = array[kept[split]] if array is not None and split in kept else array
        return Features(name, **parts, origin=self.origin)


def as_features(
    given: Any, name: str = "", origin: dict[str, Any] | None = None, notes: tuple[str, ...] = ()
) -> Features:
    """Check what a user gives: `Features`, a mapping, or four arrays; `readers.features_of` also takes paths.

    Of a mapping with ``X`` and ``y`` a fifth of each class is for testing, drawn with a fixed seed.

    Raises ValueError naming what is missing or wrong.
    """
    if isinstance(given, Features):
        return given
    if isinstance(given, tuple | list):
        if len(given) != 4:
            raise ValueError(f"features must be (X_train, y_train, X_test, y_test); got {len(given)} values")
        given = dict(zip(REQUIRED, given, strict=True))
    if not isinstance(given, Mapping):
        raise TypeError(f"features must be a path, a mapping or four arrays, got {type(given).__name__}")
    if {"X", "y"} <= given.keys() and not given.keys() & set(REQUIRED):
        given, note = _in_two(given)
        notes = (*notes, f"{origin['name'] if origin else name or 'features'}: {note}")
    missing = [key for key in REQUIRED if key not in given]
    if missing:
        raise ValueError(f"features have no {', '.join(missing)}; there are {', '.join(map(str, given)) or 'none'}")
    arrays: dict[str, Any] = {key: given[key] for key in (*REQUIRED, *OPTIONAL) if given.get(key) is not None}
    for split in ("train", "test"):
        X = arrays[f"X_{split}"] = _matrix(f"X_{split}", arrays[f"X_{split}"])
        for key in (key for key in arrays if key.endswith(f"_{split}") and key != f"X_{split}"):
            values = one_a_row(arrays[key], key)
            if len(values) != len(X):
                raise ValueError(f"X_{split} has {len(X)} rows, {key} has {len(values)}")
            arrays[key] = values if key == "times_train" else labels_of(values, key)
    _check_together(arrays)
    return Features(name or "features", **arrays, origin=origin, notes=notes)


def unit_rows(X: NDArray[Any], dtype: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    """Rows of Euclidean length 1; rows of zeros stay as they are."""
    x = np.asarray(X, dtype=dtype)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(length > 0, length, 1), dtype=dtype)


def _in_two(given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Both splits of rows that came as one, and what there is to say about it."""
    labels = labels_of(one_a_row(given["y"], "y"), "y")
    test = _for_testing(labels)
    arrays = {"classes": given["classes"]} if given.get("classes") is not None else {}
    for key in ("X", "y", "domains", "subjects", "times"):
        if given.get(key) is None:
            continue
        values = np.asarray(given[key])
        if len(values) != len(test):
            raise ValueError(f"y has {len(test)} rows, {key} has {len(values)}")
        arrays |= {f"{key}_train": values[~test], f"{key}_test": values[test]}
    return arrays, f"no split: {test.sum():,} of {len(test):,} rows, a fifth of each class, drawn once, are for testing"


def _for_testing(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows are for testing: a fifth of each class, at least one where it has two, the same in every call."""
    random, test = np.random.default_rng([0, 5]), np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) > 1:
            test[random.permutation(rows)[: max(1, round(len(rows) / 5))]] = True
    return test


def _check_together(arrays: dict[str, Any]) -> None:
    widths = [arrays[key].shape[1] for key in ("X_train", "X_test")]
    if widths[0] != widths[1]:
        raise ValueError(f"X_train has {widths[0]} features, X_test {widths[1]}")
    kinds = ["text" if arrays[key].dtype.kind == "U" else arrays[key].dtype.kind for key in ("y_train", "y_test")]
    if (kinds[0] == "text") != (kinds[1] == "text") or (kinds[0] == "b") != (kinds[1] == "b"):
        raise ValueError(
            f"labels of different kinds: y_train holds {arrays['y_train'].dtype}, y_test {arrays['y_test'].dtype}"
        )
    found = np.unique(arrays["y_train"])
    if len(found) < 2:
        raise ValueError(f"a comparison needs at least two classes; y_train has only {found[0]!r}")
    if "classes" in arrays:
        names = arrays["classes"] = np.asarray(arrays["classes"])
        if found.dtype.kind in "iu" and (found[0] < 0 or found[-1] >= len(names)):
            raise ValueError(
                f"classes names {len(names)} classes, but y_train has labels from {found[0]} to {found[-1]}"
            )


def _matrix(name: str, values: Any) -> NDArray[Any]:
    X = np.asarray(values)
    if X.ndim != 2 or not X.size or X.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must be numbers, one row a sample, shape (n, n_features); got {X.dtype} of shape {X.shape}"
        )
    if X.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
        if bad.size:
            raise ValueError(f"{name} contains NaN or infinity in {rows_named(bad)}: clean or drop them first")
    return X
