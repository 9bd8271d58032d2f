"""Exact nearest neighbours: an index proposes, integer distances decide, what is uncertain is searched in full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._warnings import warn
from analytic_cl.memory.angles import RankedByAngle, rank_by_angle
from analytic_cl.memory.faiss_index import Device, FaissIndex, has_gpu, load_faiss
from analytic_cl.memory.learned_rows import LearnedRows
from analytic_cl.memory.ranking import Ranked, rank
from analytic_cl.memory.scan import Proposals, Scan

IndexKind = Literal["auto", "flat", "ivf"]

_MORE = 8  # proposals beyond k, so that a tie at the last place is seen to end
_SMALL = 2**22  # integers in a table that BLAS searches as fast without an index


class SlowSearchWarning(UserWarning):
    """FAISS is not installed: answers are the same, and slower."""


class Index(Protocol):
    """What proposes rows."""

    def propose(self, queries: NDArray[Any], m: int) -> tuple[Proposals, NDArray[np.float64]]:
        """The m nearest rows of each query by rounded distances, and by how much those may be wrong."""


def make_index(state: LearnedRows, kind: IndexKind, device: Device, n_probes: int | None) -> Scan | FaissIndex:
    """The index that these words mean for a state of this size."""
    table, by_angle = state.table, state.by_angle
    if device == "cuda":
        return FaissIndex(table, lists=kind == "ivf", n_probes=n_probes, cuda=True, by_angle=by_angle)
    integers = get_backend() == "native" and table.payload.dtype == np.int8  # quicker than FAISS, without copies
    if kind == "auto" and (integers or table.n_alive * table.payload.shape[1] <= _SMALL):
        return Scan(table, by_angle)
    try:
        faiss = load_faiss("an index")
    except ImportError:
        if not integers:
            _say_slow()
        return Scan(table, by_angle)
    cuda = device == "auto" and has_gpu(faiss)
    return FaissIndex(table, lists=kind == "ivf", n_probes=n_probes, cuda=cuda, by_angle=by_angle)


@cache
def _say_slow() -> None:
    warn(
        "FAISS is not installed, so neighbours are searched by NumPy: the same answers, slower. "
        "pip install 'analytic-cl[faiss]'",
        SlowSearchWarning,
    )


def nearest(state: LearnedRows, index: Scan | FaissIndex, queries: NDArray[Any], k: int) -> Ranked | RankedByAngle:
    """The k nearest learned rows of each query; see `rank` for their order, or `rank_by_angle` behind unit rows.

    Notes
    -----
    The k-th of the proposed rows bounds the true k-th distance. Where the last proposal, less its possible error, is
    farther, no row that was not proposed can be among the k; else all rows within the bound are ranked.

    Exactness: bit for bit the same answers from any index that looks at all rows; by an index that looks into some
    of its lists, those of the rows in them, if there are k.

    Cost: a search for k + 8 rows, and k + 8 exact distances; a second one, of all rows, for the queries that stay
    uncertain, which are those with more than 8 rows at the k-th distance, and where float32 is too coarse for the
    quantizer's integers. Memory: some 100 bytes a query and neighbour.
    """
    table = state.table
    k = min(k, table.n_alive)
    numbers, places = state.numbered_classes()
    (distances, candidates), error = index.propose(queries, min(k + _MORE, table.n_alive))
    order: Callable[..., Ranked | RankedByAngle] = rank_by_angle if state.by_angle else rank
    ranked = order(queries, table.payload[: table.size], numbers, places, candidates, k)
    radius = ranked.squared()[:, -1]
    if isinstance(index, FaissIndex) and not index.is_exact:
        certain = ranked.positions[:, -1] >= 0
    else:
        certain = ((candidates >= 0).sum(axis=1) >= table.n_alive) | (
            distances[:, -1] - error > radius + state.by_angle * 2**-50
        )
    uncertain = np.flatnonzero(~certain)
    if not uncertain.size:
        return ranked
    ranked.positions[uncertain] = -1
    scan = Scan(table, state.by_angle)
    # A bound that is 0 to rounding has no room for the rounding of the distances that are compared with it.
    for lines, found in scan.within(queries[uncertain], radius[uncertain] * (1 + 2**-50) + state.by_angle * 2**-50):
        at = uncertain[lines]
        both = np.concatenate([ranked.positions[at], found], axis=1)
        again = order(queries[at], table.payload[: table.size], numbers, places, both, k)
        for part in fields(ranked):
            getattr(ranked, part.name)[at] = getattr(again, part.name)
    return ranked
