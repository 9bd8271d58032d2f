"""A FAISS index over learned rows: a cache that follows the table, and keeps nothing of what left it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytic_cl._arrays import writable
from analytic_cl._config import get_threads
from analytic_cl._locks import CacheLock, in_forked_child
from analytic_cl.ledger import Positions, Table
from analytic_cl.memory.scan import Proposals, Scan, largest_norm, rounding_error, unit_rows

Device = Literal["auto", "cpu", "cuda"]

_ROWS = 65_536  # that are turned into float32 at a time
_MOST_ON_GPU = 2048  # neighbours that FAISS finds, and lists that it looks into, on a GPU
_GROWTH = 4  # how many times as many rows as the lists were made for, before they are made anew

# Where an erased row is moved to: so far that it is never proposed, and no distance to it overflows float32.
_NOWHERE = np.float32(1e15)


def load_faiss(needed_for: str) -> Any:
    """The module, or an ImportError that says what to install."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            f"{needed_for} needs FAISS: pip install 'analytic-cl[faiss]', or 'analytic-cl[faiss-gpu]' for CUDA"
        ) from error
    return faiss


def set_threads(faiss: Any) -> None:
    """Threads for what this thread asks of FAISS next; one in a forked child, where OpenMP would wait for lost ones."""
    faiss.omp_set_num_threads(1 if in_forked_child() else get_threads())


def has_gpu(faiss: Any) -> bool:
    """Whether this FAISS can use a GPU that is here."""
    return bool(hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus())


class FaissIndex:
    """Float32 copies of the rows of a table at their positions, flat or in lists around coarse centroids.

    FAISS removes by moving what is behind, leaves the bytes at the end of the buffer, and can't remove on a GPU. So
    nothing is removed here: the copy of an erased row is overwritten in place by a point far from everything, and the
    index is made anew when the table squeezes, or on a GPU after each erasure. A centroid may be the mean of few rows,
    or one of them: where rows are erased, it becomes the mean of those that are left in its list.

    Parameters
    ----------
    table : Table
    lists : bool
        Whether to use lists (IVF), with centroids from k-means on the rows that are there.
    n_probes : int or None
        Lists that a query looks into; all of them by default.
    cuda : bool
    by_angle : bool
        Whether copies have unit length, so that distances are 2 - 2 cosine.

    Notes
    -----
    Cost: making it copies 4 d bytes a row; forgetting overwrites as many. Memory 4 d bytes a row.
    """

    def __init__(
        self, table: Table, lists: bool = False, n_probes: int | None = None, cuda: bool = False, by_angle: bool = False
    ) -> None:
        self._faiss = load_faiss("this index")
        if cuda and not has_gpu(self._faiss):
            raise ImportError(
                "device='cuda' needs a GPU and a FAISS that uses it: pip install 'analytic-cl[faiss-gpu]' in place of "
                "faiss-cpu"
            )
        self._table, self._lists, self._n_probes, self._cuda = table, lists, n_probes, cuda
        self._by_angle = by_angle
        self._lock = CacheLock()  # of threads that predict at once, all but one wait for the index
        self._index: Any = None
        self._make()

    @property
    def is_exact(self) -> bool:
        """Whether every row is looked at in every search."""
        return not self._lists or self._n_probes is None

    def follow(self) -> None:
        """Take over what came to the table and what left it."""
        with self._lock:
            index, self._index = self._index, None  # put back at the end: what breaks off half-way leaves no index
            if index is None or self._is_outdated():
                return
            set_threads(self._faiss)
            gone = np.flatnonzero(self._alive & ~self._table.alive[: self._alive.size])
            if gone.size and self._cuda:
                return
            if gone.size:
                self._overwrite(index, gone)
            self._append(index)
            self._index = index

    def state_changed(self, *_: object) -> None:
        """A listener of a learner: follow at once, so that nothing erased stays."""
        with suppress(Exception):  # the change is made; an index that could not follow it is made again
            self.follow()

    def _is_outdated(self) -> bool:
        """Whether positions have changed, or the rows are many more than the lists were made for."""
        table = self._table
        moved = table.generation != self._generation or self._alive.size > table.size
        return moved or (self._lists and table.n_alive > _GROWTH * self._made_for)

    def propose(self, queries: NDArray[Any], m: int) -> tuple[Proposals, NDArray[np.float64]]:
        """The m nearest rows by float32 distances for each query, and by how much a distance may be wrong."""
        if self._cuda and m > _MOST_ON_GPU:
            return Scan(self._table, self._by_angle).propose(queries, m)
        x = np.ascontiguousarray(self._copies(queries))
        with self._lock:
            if self._index is None:
                self._make()
            set_threads(self._faiss)
            index = self._index
            if self._cuda:  # a GPU's resources are one search's at a time
                distances, positions = index.search(x, m)
        if not self._cuda:
            distances, positions = index.search(x, m)
        alive = (positions >= 0) & self._table.alive[np.maximum(positions, 0)]
        nearest = np.where(alive, distances, np.inf).astype(np.float64), np.where(alive, positions, -1)
        if (
            self._by_angle
        ):  # of rounded copies, and of sums of squares and products, half a unit in the last place a term
            return nearest, np.full(len(x), (2 * x.shape[1] + 32) * float(np.finfo(np.float32).eps))
        norms = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
        limits = (norms + self._largest) ** 2
        error = np.array([rounding_error(limit, x.shape[1], np.dtype(np.float32)) for limit in limits.tolist()])
        return nearest, error

    def to_bytes(self) -> bytes:
        """The index as FAISS writes it, to look into; nothing of it is ever saved."""
        with self._lock:
            if self._index is None:
                self._make()
        index = self._faiss.index_gpu_to_cpu(self._index) if self._cuda else self._index
        return bytes(self._faiss.serialize_index(index).tobytes())

    # ---- upkeep

    def _copies(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        return unit_rows(rows) if self._by_angle else rows.astype(np.float32)

    def _make(self) -> None:
        faiss, table = self._faiss, self._table
        set_threads(faiss)
        width = table.payload.shape[1]
        self._generation, self._made_for = table.generation, max(1, table.n_alive)
        self._alive, self._largest = np.zeros(0, dtype=np.bool_), 0.0
        index = faiss.IndexFlatL2(width)
        if self._lists:
            n_lists = max(1, min(round(4 * np.sqrt(table.n_alive)), table.n_alive // 40, _MOST_ON_GPU))
            index = faiss.IndexIVFFlat(index, width, n_lists, faiss.METRIC_L2)
            index.cp.min_points_per_centroid = 1  # fewer make the centroids coarse, which is no news here
            index.train(self._copies(table.payload[table.live()]))
            if not self._cuda:
                index.set_direct_map_type(faiss.DirectMap.Array)
            index.nprobe = min(n_lists, self._n_probes or n_lists)
        if self._cuda:
            self._resources = faiss.StandardGpuResources()
            index = faiss.index_cpu_to_gpu(self._resources, 0, index)
        self._append(index)
        self._index = index

    def _append(self, index: Any) -> None:
        """Copy the rows behind the last that was copied, erased ones as points far away."""
        table = self._table
        for start in range(self._alive.size, table.size, _ROWS):
            rows = table.payload[start : min(start + _ROWS, table.size)]
            alive = table.alive[start : start + len(rows)].copy()
            copies = self._copies(rows)
            copies[~alive] = _NOWHERE
            self._largest = max(self._largest, largest_norm(rows))
            index.add(copies)
            self._alive = np.concatenate([self._alive, alive])

    def _overwrite(self, index: Any, gone: Positions) -> None:
        faiss, width = self._faiss, self._table.payload.shape[1]
        if self._lists:
            offsets: dict[int, list[int]] = {}
            for position in gone.tolist():
                place = index.direct_map.get(position)
                offsets.setdefault(place >> 32, []).append(place & 0xFFFFFFFF)
            quantiser = faiss.downcast_index(index.quantizer)
            centroids = faiss.rev_swig_ptr(quantiser.get_xb(), quantiser.ntotal * width).reshape(-1, width)
            for number, places in offsets.items():
                codes = faiss.rev_swig_ptr(
                    index.invlists.get_codes(number), index.invlists.list_size(number) * 4 * width
                )
                copies = codes.view(np.float32).reshape(-1, width)
                copies[places] = _NOWHERE
                left = copies[copies[:, 0] != _NOWHERE]
                centroids[number] = left.mean(axis=0, dtype=np.float64) if len(left) else _NOWHERE
        else:
            copies = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * width).reshape(-1, width)
            copies[gone] = _NOWHERE
        self._alive = writable(self._alive)
        self._alive[gone] = False
