"""What a stream of rows loses on the way to integers, counted on a sample, and said once."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from analytic_cl._arrays import writable
from analytic_cl._config import get_backend
from analytic_cl._containers import local
from analytic_cl._locks import CacheLock
from analytic_cl._parallel import row_blocks
from analytic_cl._warnings import warn
from analytic_cl.quantizers import loss_kernels, loss_reference
from analytic_cl.quantizers.advice import Sample, verdict
from analytic_cl.quantizers.inputs import as_floats
from analytic_cl.quantizers.quantizer import Quantizer

_VALUES = 2**16  # about as many values are looked at before rows are left out
_DENSE = 2**21  # values of sparse rows that are dense at a time
_LAST = 2.0**50


class QuantizationWarning(UserWarning):
    """Rows lose much of their information on the way to integers: another quantizer would serve them better."""


class Losses:
    """Counts over one stream, for one warning, or for whoever is to be told instead. Neither part of the state nor of
    its digest.

    The first rows are all looked at, then ever fewer, at places that depend on nothing but their number in the stream:
    batches make no difference. Counts hold extremes and sketches of single rows, so they are never pickled or saved,
    and `restart` drops them when rows are forgotten.

    Exactness: none is needed; no integer depends on what is counted here.

    Cost: a pass over a few hundred rows of a stream, however long. Memory 64 bytes a column.
    """

    def __init__(self, quantizer: Quantizer, tell: Callable[[str], object] | None = None) -> None:
        self.quantizer = quantizer
        self._tell = tell or _warn
        self._lock = CacheLock()  # a stream counts its next rows while another thread may forget some
        self._said = quantizer.takes_integers  # integers that are taken as they are lose nothing
        self._places, self._weights = _sampled(min(max(_VALUES // quantizer.n_features, 32), 256))
        self.restart()

    def restart(self) -> None:
        """Forget all rows that were counted; what was said stays said."""
        with self._lock:
            self._n_rows = self._n_seen = self._next_place = self._next_verdict = 0
            self._columns: NDArray[np.float64] | None = None
            self._rows: list[NDArray[np.float64]] = []  # size, length lost, mark, least difference of marks, weight
            self._keys: list[NDArray[np.int64]] = []

    def saw(self, X: Any, names: Any = None) -> None:
        """Count rows that passed the quantizer; a QuantizationWarning says what they lose, with columns by name or
        number.
        """
        with self._lock:
            message = self._counted(X, names)
        if message:
            self._tell(message)
            self._said = True
            self.restart()

    def _counted(self, X: Any, names: Any) -> str:
        """Count rows; what there is to say, once there are enough."""
        start, self._n_rows = self._n_rows, self._n_rows + X.shape[0]
        if self._said or self._n_rows <= self._next_place:
            return ""
        stop = int(np.searchsorted(self._places, self._n_rows))
        taken = slice(self._n_seen, stop)
        rows = X[self._places[taken] - start]  # of a tensor on a GPU, these few come to the host
        if issparse(rows):
            dense = cast(Any, rows)
            for part in row_blocks(dense.shape[0], max(1, _DENSE // dense.shape[1])):
                self._count(as_floats(dense[part].toarray()), self._weights[taken][part])
        else:
            rows = local(rows)
            self._count(as_floats(rows), self._weights[taken])
        self._n_seen, self._next_place = stop, int(self._places[stop])
        if self._n_seen < self._next_verdict:
            return ""
        self._next_verdict = self._n_seen + max(1, self._n_seen // 8)
        return self._verdict(names, rows.dtype)

    def _count(self, x: NDArray[Any], weights: NDArray[np.float64]) -> None:
        run = loss_reference if get_backend() == "numpy" else loss_kernels
        offset, scale = self.quantizer.affine
        if self._columns is None:
            self._columns = np.zeros((len(loss_kernels.COLUMNS), x.shape[1]))
            self._columns[0] = np.nan
        self._columns = writable(self._columns)
        rows = np.empty((len(x), 5))
        keys = np.empty(len(x), np.int64)
        unit = self.quantizer.rule.norm == "l2"
        run.count_losses(x, weights, unit, offset, scale, float(self.quantizer.limit), self._columns, rows, keys)
        # Of unit rows, those of one direction are one; of others, those that differ by less than rounding errors.
        if unit:
            rows[:, 2], rows[:, 3] = rows[:, 0], 0.01 * rows[:, 0]
        else:
            rows[:, 3] = 8 * float(np.finfo(x.dtype).eps) * rows[:, 0]
        rows[:, 4] = weights
        self._rows.append(rows)
        self._keys.append(keys)

    def _verdict(self, names: NDArray[Any] | None, dtype: np.dtype[Any]) -> str:
        assert self._columns is not None
        if len(self._rows) > 1:
            self._rows, self._keys = [np.concatenate(self._rows)], [np.concatenate(self._keys)]
        sizes, lost, marks, least, weights = self._rows[0].T
        merged, distinct = _merged(self._keys[0], marks, least)
        eps = float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)
        columns = dict(zip(loss_kernels.COLUMNS, self._columns, strict=True))
        return verdict(
            self.quantizer, Sample(columns, sizes, lost, weights, merged / self._n_seen, distinct, eps), names
        )


def _merged(keys: NDArray[np.int64], marks: NDArray[np.float64], least: NDArray[np.float64]) -> tuple[int, int]:
    """Rows of a group of one key in which some differ from the first, and how many rows there are, if equal ones are
    one.
    """
    sizes = np.unique(keys, return_counts=True)[1]
    if len(sizes) == len(keys):
        return 0, len(keys)
    _, firsts, group = np.unique(keys, return_index=True, return_inverse=True)
    differs = np.zeros(len(sizes), dtype=bool)
    differs[group[np.abs(marks - marks[firsts][group]) > least]] = True
    merged = int(sizes[differs].sum())
    return merged, merged + int(np.count_nonzero(~differs))


def _warn(message: str) -> None:
    warn(message, QuantizationWarning)


@lru_cache
def _sampled(full: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the rows that are looked at, and how many rows of the stream each stands for.

    All of the first `full`, then a few each time that the stream doubles, at no fixed period.
    """
    few = max(full / 6, min(full / 3, 16))
    more = np.arange(1, math.ceil(few * math.log2(_LAST / full)))
    places = np.concatenate([np.arange(full), (full * 2.0 ** (more / few)).astype(np.int64)])
    return places, np.diff(places, append=places[-1] + 1).astype(np.float64)
