"""Centres of codebooks from the coordinates of rows: a sample, k-means, or a moving average."""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._locks import in_forked_child
from analytic_cl.quantizers.nearest import nearest, squares

Floats = NDArray[np.float64]

# Of the moving average, as the paper has them.
DECAY = 0.95
PASSES = 10
BATCH = 256
DEAD = 0.1  # of the hits that each centre would get if all got the same

_PREFIX = b"analytic-cl key centres 1\0"


def sample(coordinates: NDArray[np.int16], n_keys: int, seed: int, first: int) -> NDArray[Any]:
    """A choice of the rows for each codebook, of its own. Coordinates of shape (n_rows, n_codebooks, n_dimensions)."""
    chosen = [coordinates[shuffled(len(coordinates), seed, first + c)[:n_keys], c] for c in range(coordinates.shape[1])]
    return np.stack(chosen).transpose(0, 2, 1)


def kmeans(coordinates: NDArray[np.int16], n_keys: int, seed: int, first: int) -> NDArray[Any]:
    """Lloyd's algorithm for each codebook, twenty rounds, on at most 256 rows a centre."""
    try:
        faiss = import_module("faiss")
    except ImportError:
        raise ImportError("method='kmeans' needs FAISS: pip install 'analytic-cl[faiss]'") from None
    if in_forked_child():
        faiss.omp_set_num_threads(1)  # OpenMP would wait for threads that a fork does not copy
    found = []
    for c in range(coordinates.shape[1]):
        its_seed = (seed + first + c) % 2**31
        lloyd = faiss.Kmeans(coordinates.shape[2], n_keys, niter=20, seed=its_seed, min_points_per_centroid=1)
        lloyd.train(np.ascontiguousarray(coordinates[:, c], dtype=np.float32))
        found.append(np.rint(lloyd.centroids).T)
    return np.stack(found)


def ema(coordinates: NDArray[np.int16], n_keys: int, seed: int, first: int) -> NDArray[Any]:
    """Moving averages of the rows that hit each centre, over batches in a seeded order."""
    n = len(coordinates)
    usual = min(n, BATCH) / n_keys  # hits of a centre
    totals = sample(coordinates, n_keys, seed, first).transpose(0, 2, 1) * usual
    hits = np.full(totals.shape[:2], usual)
    order = shuffled(n, seed, 2**32)
    for _ in range(PASSES):
        for start in range(0, n, BATCH):
            hits, totals = moved(np.ascontiguousarray(coordinates[order[start : start + BATCH]]), hits, totals, usual)
    return np.asarray(np.rint(totals / hits[:, :, None]).transpose(0, 2, 1))


def moved(batch: NDArray[np.int16], hits: Floats, totals: Floats, usual: float) -> tuple[Floats, Floats]:
    """Averages after one more batch: hits of shape (n_codebooks, 2^bits), totals with a last axis of dimensions.

    A centre, totals over hits, that next to no row hits becomes a row of the batch: both are replaced, so that nothing
    pulls it back. Floats are added in a fixed order, so the same rows in the same order give the same bits.
    """
    n_codebooks, n_keys, n_dimensions = totals.shape
    centres = np.ascontiguousarray(np.rint(totals / hits[:, :, None]).astype(np.int16).transpose(0, 2, 1))
    hit = np.empty((len(batch), n_codebooks), dtype=np.uint16)
    nearest(batch, centres, squares(centres), hit)
    flat = (hit + n_keys * np.arange(n_codebooks)).ravel()
    now = np.bincount(flat, minlength=hits.size).reshape(hits.shape)
    added = [np.bincount(flat, batch[:, :, k].ravel(), minlength=hits.size) for k in range(n_dimensions)]
    hits = DECAY * hits + (1 - DECAY) * now
    totals = DECAY * totals + (1 - DECAY) * np.stack(added, axis=1).reshape(totals.shape)
    dead = hits < DEAD * usual
    rank = np.cumsum(dead, axis=1) - 1  # the first dead centre of a codebook takes the first row, and so on
    hits[dead] = usual
    totals[dead] = batch[rank[dead] % len(batch), np.nonzero(dead)[0]] * usual
    return hits, totals


MAKERS = {"sample": sample, "kmeans": kmeans, "ema": ema}


def shuffled(n: int, seed: int, number: int) -> NDArray[np.intp]:
    """The numbers below n in an order of their own for each seed and number, the same everywhere."""
    head = _PREFIX + seed.to_bytes(8, "little") + number.to_bytes(8, "little")
    return np.argsort(np.frombuffer(hashlib.shake_128(head).digest(4 * n), dtype="<u4"), kind="stable")
