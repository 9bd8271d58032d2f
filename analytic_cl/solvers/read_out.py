"""From key counts to scores of classes: how the codebooks vote."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend, get_threads
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.spd import Floats
from analytic_cl.statistics import KEY_COUNTS, KeyCounts

ReadOut = Literal["naive bayes", "mean posterior", "mean log posterior"]
READ_OUTS: tuple[str, ...] = get_args(ReadOut)

_WORTH_A_THREAD = 2**20  # counts to look up


@needs(KEY_COUNTS)
def read_out(counts: KeyCounts, keys: NDArray[np.uint16], how: str, smoothing: float) -> Floats:
    """Scores of rows with these keys, shape (n, n_classes), classes sorted.

    With T the counts of a row's key in one of C codebooks of J keys, N_y the rows of class y, a the smoothing and Y the
    number of classes:

    * "naive bayes": log N_y / N + sum over codebooks of log (T_y + a) / (N_y + a J);
    * "mean posterior": mean over codebooks of p_y = (T_y + a) / (sum of T + a Y);
    * "mean log posterior": mean over codebooks of log p_y.

    Cost: n_codebooks n_classes look-ups a row.

    Exactness: a pure function of the counts; sums run over codebooks in order, so a row alone and in a batch get the
    same bits. Every backend gives the same bits, except for "mean log posterior", where logarithms may differ in the
    last one.
    """
    tables, places = counts.tables_by_arrival
    n_codebooks, n_keys, _ = tables.shape
    n_classes, out = len(places), np.zeros((len(keys), len(places)))
    totals = np.zeros(len(keys))
    logs = np.log(np.arange(counts.counts.max() + 1) + smoothing)
    threads = get_threads() if keys.size * n_classes > _WORTH_A_THREAD else 1
    plain = get_backend() == "numpy"
    add_logs = _add_logs_reference if plain else _add_logs
    add_posteriors = _add_posteriors_reference if plain else _add_posteriors

    def vote(part: slice) -> None:
        by_codebook = np.ascontiguousarray(keys[part].T)
        if how == "mean posterior":
            add_posteriors(tables, by_codebook, n_classes, smoothing, out[part])
        else:
            add_logs(tables, by_codebook, n_classes, smoothing, logs, how != "naive bayes", out[part], totals[part])

    map_blocks(vote, row_blocks(len(keys), max(1, -(-len(keys) // threads))))
    out = np.ascontiguousarray(out[:, places])  # the kernels work in the order of arrival
    if how == "mean posterior":
        return np.asarray(out / n_codebooks)
    if how == "mean log posterior":
        return np.asarray((out - totals[:, None]) / n_codebooks)
    n = counts.counts
    return np.asarray(out - n_codebooks * np.log(n + smoothing * n_keys) + np.log(n / n.sum()))


@kernel
def _add_logs(
    tables: NDArray[np.int32],
    keys: NDArray[np.uint16],
    n_classes: int,
    smoothing: float,
    logs: Floats,
    normalise: bool,
    out: Floats,
    totals: Floats,
) -> None:
    for c in range(keys.shape[0]):
        table = tables[c]
        for i in range(keys.shape[1]):
            row, scores = table[keys[c, i]], out[i]
            for y in range(n_classes):
                scores[y] += logs[row[y]]
            if normalise:
                total = 0
                for y in range(n_classes):
                    total += row[y]
                totals[i] += np.log(total + smoothing * n_classes)


def _add_logs_reference(
    tables: NDArray[np.int32],
    keys: NDArray[np.uint16],
    n_classes: int,
    smoothing: float,
    logs: Floats,
    normalise: bool,
    out: Floats,
    totals: Floats,
) -> None:
    for table, key in zip(tables, keys, strict=True):
        hit = table[key, :n_classes]
        out += logs[hit]
        if normalise:
            totals += np.log(hit.sum(axis=1, dtype=np.int64) + smoothing * n_classes)


@kernel
def _add_posteriors(
    tables: NDArray[np.int32], keys: NDArray[np.uint16], n_classes: int, smoothing: float, out: Floats
) -> None:
    for c in range(keys.shape[0]):
        table = tables[c]
        for i in range(keys.shape[1]):
            row, scores, total = table[keys[c, i]], out[i], 0
            for y in range(n_classes):
                total += row[y]
            for y in range(n_classes):
                scores[y] += (row[y] + smoothing) / (total + smoothing * n_classes)


def _add_posteriors_reference(
    tables: NDArray[np.int32], keys: NDArray[np.uint16], n_classes: int, smoothing: float, out: Floats
) -> None:
    for table, key in zip(tables, keys, strict=True):
        hit = table[key, :n_classes]
        out += (hit + smoothing) / (hit.sum(axis=1, dtype=np.int64) + smoothing * n_classes)[:, None]
