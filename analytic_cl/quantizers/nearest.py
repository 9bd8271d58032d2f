"""The nearest of a codebook's centres, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend, get_threads
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks

MAX_DIMENSIONS = 32
LIMIT = 4095  # of a coordinate: 3 * 32 * 4095^2 < 2^31, so that what orders distances fits in int32

_WORTH_A_THREAD = 2**22  # products


def squares(centres: NDArray[np.int16]) -> NDArray[np.int32]:
    """Squared lengths of centres, shape (n_codebooks, 2^bits)."""
    return np.asarray(np.einsum("cmj,cmj->cj", centres, centres, dtype=np.int32))


def nearest(
    coordinates: NDArray[np.int16], centres: NDArray[np.int16], lengths: NDArray[np.int32], keys: NDArray[np.uint16]
) -> None:
    """Number of the nearest centre of rows of coordinates, shape (n, n_codebooks, n_dimensions), into `keys`."""
    run = _nearest_reference if get_backend() == "numpy" else _nearest
    threads = get_threads() if len(coordinates) * centres.size > _WORTH_A_THREAD else 1
    map_blocks(
        lambda part: run(coordinates[:, part], centres[part], lengths[part], keys[:, part]),
        row_blocks(len(centres), -(-len(centres) // threads)),
    )


@kernel
def _nearest(
    coordinates: NDArray[np.int16], centres: NDArray[np.int16], lengths: NDArray[np.int32], keys: NDArray[np.uint16]
) -> None:
    """|centre|^2 - 2 row . centre orders as the distance does; codebook by codebook, because one fits in the cache."""
    n_codebooks, n_dimensions, n_keys = centres.shape
    odd = n_dimensions % 2
    scores = np.empty(n_keys, dtype=np.int32)
    for c in range(n_codebooks):
        for i in range(coordinates.shape[0]):
            x, y = coordinates[i, c], centres[c]
            first = np.int32(-2 * x[0] * odd)
            for j in range(n_keys):
                scores[j] = lengths[c, j] + first * np.int32(y[0, j])
            for k in range(odd, n_dimensions, 2):  # in pairs: half the loads and stores of scores
                one, two = np.int32(-2 * x[k]), np.int32(-2 * x[k + 1])
                for j in range(n_keys):
                    scores[j] += one * np.int32(y[k, j]) + two * np.int32(y[k + 1, j])
            least = np.int64(2**62)
            for j in range(n_keys):  # the number below the score: ties go to the lowest, without a branch
                least = min(least, (np.int64(scores[j]) << 16) | j)
            keys[i, c] = least & 0xFFFF


def _nearest_reference(
    coordinates: NDArray[np.int16], centres: NDArray[np.int16], lengths: NDArray[np.int32], keys: NDArray[np.uint16]
) -> None:
    for c in range(len(centres)):
        away = coordinates[:, c, :, None].astype(np.int64) - centres[c]
        keys[:, c] = (away**2).sum(axis=1).argmin(axis=1)
