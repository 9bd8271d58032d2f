"""Sets of labels as targets: none, one or several labels a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from analytic_cl.statistics.class_sums import class_sums
from analytic_cl.statistics.labels import Label, as_label, check_one_kind
from analytic_cl.statistics.targets import Targets
from analytic_cl.statistics.wide import Int64s

_BLOCK = 4096  # rows whose distinct sets get a sum each, to bound memory


def encode_label_sets(y: Iterable[Any] | Targets) -> Targets:
    """Sets of labels as targets; raises ValueError for anything but sets, and for labels of mixed kinds."""
    if isinstance(y, Targets):
        encoded = y
    else:
        rows = [_as_set(row) for row in y]
        place = {value: at for at, value in enumerate(dict.fromkeys(rows))}
        encoded = Targets(list(place), np.fromiter((place[row] for row in rows), dtype=np.int64, count=len(rows)))
    if not all(map(_is_set, encoded.values)):
        raise ValueError("a state of label sets learns a set of labels a row, and got single labels")
    check_one_kind(labels_in(encoded.values))
    return encoded


def _as_set(row: Any) -> frozenset[Label]:
    if isinstance(row, str) or not isinstance(row, Iterable):
        raise ValueError(f"a state of label sets learns a set of labels a row, and got {row!r}")
    return frozenset(map(as_label, row))


def _is_set(value: Any) -> bool:
    return isinstance(value, frozenset) and all(type(label) in (int, str, bool) for label in value)


def labels_in(values: Iterable[Any]) -> list[Label]:
    """All labels that occur in some sets: sorted, where they are of one kind."""
    labels = {(type(label), label): label for value in values for label in value}
    kinds = {kind for kind, _ in labels}
    return sorted(labels.values()) if len(kinds) < 2 else list(labels.values())


def membership(values: list[Any], labels: list[Label]) -> csr_array:
    """Which of the labels each set holds: 0 or 1, shape (n_sets, n_labels), int64. Other labels are left out."""
    place = {(type(label), label): at for at, label in enumerate(labels)}
    found = [[place[type(label), label] for label in value if (type(label), label) in place] for value in values]
    ends = np.cumsum([0, *map(len, found)])
    columns = np.fromiter((at for row in found for at in row), dtype=np.int64, count=ends[-1])
    return csr_array((np.ones(ends[-1], dtype=np.int64), columns, ends), shape=(len(values), len(labels)))


def label_totals(rows: NDArray[Any], targets: Targets) -> tuple[list[Label], Int64s, Int64s]:
    """Labels of these rows, how many rows have each, and their sum, shape (n_labels, width): exact integers.

    Cost: n d for the sums by set, and d a label of every distinct set (of each block of rows).
    """
    values, codes = targets.used()
    labels = labels_in(values)
    has = membership(values, labels).T.tocsr()
    sums = np.zeros((len(labels), rows.shape[1]), dtype=np.int64)
    for start in range(0, len(rows), _BLOCK):
        here, local = np.unique(codes[start : start + _BLOCK], return_inverse=True)
        by_set = class_sums(rows[start : start + _BLOCK], local.astype(np.int64, copy=False), here.size)
        sums += has[:, here] @ by_set
    return labels, np.asarray(has @ np.bincount(codes, minlength=len(values)), dtype=np.int64), sums
