"""Nearest neighbours that can be forgotten."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Literal, NamedTuple, NoReturn, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl._locks import changing, reading
from analytic_cl._parallel import row_blocks
from analytic_cl.heads.base import Head
from analytic_cl.heads.log_probabilities import LogShares
from analytic_cl.heads.prediction import shares
from analytic_cl.heads.row_neighbors import RowNeighbors
from analytic_cl.heads.validation import check_strength
from analytic_cl.ledger import SampleId, Track
from analytic_cl.memory import (
    Device,
    FaissIndex,
    IndexKind,
    LearnedRows,
    Ranked,
    RankedByAngle,
    Scan,
    make_index,
    nearest,
)
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomFeatures
from analytic_cl.statistics import ROWS, Targets

Vote = Literal["softmax", "majority"]

_FOUND = 2**21  # neighbours that are looked for at a time, to bound memory


class Neighbors(NamedTuple):
    """Whose rows are near: three arrays of shape (n_samples, k), nearest first."""

    ids: NDArray[Any]
    """`sample_id` of each neighbour as an object array, None where it was learned without one."""
    labels: NDArray[Any]
    distances: NDArray[np.float64]
    """Euclidean, between rows as they are behind the quantizer: at unit length where the quantizer makes unit rows
    (sqrt(2) to a row of zeros), or from -1 to 1 within declared bounds.
    """


class NearestNeighborsClassifier(RowNeighbors, LogShares, Head):
    """The learned rows themselves: the nearest ones vote, and say whose they are.

    More rows are learned by adding them, in any order, and nothing is solved: classes with several clusters, a handful
    of rows, or drifting streams are no trouble, and every prediction can be traced to rows (`neighbors`). The
    downside: it keeps every row, a prediction reads all of them, and on features of pre-trained networks LDA is mostly
    as accurate at a fraction of the size.

    Parameters
    ----------
    n_neighbors : int, default=20
        How many vote; all rows where there are fewer.
    vote : {"softmax", "majority"}, default="softmax"
        "softmax" weighs a neighbour by exp(cosine / temperature) where rows have unit length (the embedding quantizer,
        a projection), else by exp(-distance^2 / (4 temperature m^2)), m the distance of the neighbour in the middle;
        "majority" counts heads, and takes the first class where they are even.
    temperature : float > 0, default=0.1
        Of the softmax; without a unit.
    index : {"auto", "flat", "ivf"}, default="auto"
        What searches. "flat" is a FAISS index that reads all rows; "ivf" one that reads those in `n_probes` lists
        around centroids. "auto" needs no index for int8 rows, which the native kernel searches several times as fast
        as FAISS, nor for few; else it is "flat". Without FAISS (the extra ``faiss``) BLAS searches: the same answers,
        slower, which is said once.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where FAISS searches; "cuda" needs the extra ``faiss-gpu`` in place of ``faiss``.
    n_probes : int, optional
        Lists of an "ivf" index that a query looks into. All by default: exact. With fewer, a search is quicker, may
        miss neighbours, and depends on centroids that k-means found on the rows which were there when the index was
        made, forgotten ones among them, until `rebuild`: that is outside the guarantee.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    projection : RandomProjection or FourierFeatures, optional
        Random features in front; implies the embedding quantizer.
    track : {"auto", "rows", "digest", "none"}, default="auto"
        What the ledger keeps of learned rows. "auto": the integers of rows with a `sample_id`, a keyed digest of
        others. Where rows are many, "digest" keeps ids without a second copy of the rows; to forget by id then takes
        the row as well.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    state_ : LearnedRows
        The learned state.

    Notes
    -----
    Neighbours are the rows of least squared distance between integers, or behind a quantizer that makes unit rows those
    of the largest cosine, also compared as integers: there clipping may leave rows short. FAISS only proposes. A row of
    zeros has cosine 0 to everything, and so distance sqrt(2). Between equal ones the bytes of the row decide, then its
    label, then its id: not the order of arrival, and not the index. The label goes before the id, so that predictions
    depend on the state alone, which knows no ids.

    Cost: to learn, a copy of the row; to forget, a search by digest; to predict, 2 n_rows d operations a row, which
    for one row of int8 take about as long as to read the learned ones. Memory d bytes a row behind the embedding
    quantizer; a FAISS index, which is made when a prediction needs it, another 4 d.

    Exactness: state and neighbours bit for bit, of every index that looks at all rows. Scores add at most `n_neighbors`
    weights in the order of the neighbours: a row alone and in a batch has the same.

    References
    ----------
    Zhang et al., AdaNPC, ICML 2023 (memory of source features, softmax over neighbours; there a random first row stays
    in the memory for ever, and confidences are softmaxed twice). Guo et al., DeTeCtive, NeurIPS 2024 (retrieval
    adapted by adding rows). Johnson et al., Billion-scale similarity search with GPUs, 2019 (FAISS).

    Examples
    --------
    >>> from analytic_cl import NearestNeighborsClassifier
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [4.0, 4.0]], ["near", "near", "far"]
    >>> head = NearestNeighborsClassifier(n_neighbors=1).fit(X, y, sample_id=["ann", "bob", "eve"])
    >>> ids, labels, distances = head.neighbors([[0.0, 0.9], [3.0, 4.0]], k=2)
    >>> ids.tolist()
    [['bob', 'ann'], ['eve', 'bob']]
    >>> receipt = head.forget(sample_id="bob")
    >>> head.neighbors([[0.0, 0.9]], k=1).ids.tolist()
    [['ann']]
    """

    needs = frozenset({ROWS})

    def __init__(
        self,
        n_neighbors: int = 20,
        vote: Vote = "softmax",
        temperature: float = 0.1,
        *,
        index: IndexKind = "auto",
        device: Device = "auto",
        n_probes: int | None = None,
        quantizer: str | FixedPoint = "auto",
        projection: RandomFeatures | None = None,
        track: Track = "auto",
    ) -> None:
        self.n_neighbors = n_neighbors
        self.vote = vote
        self.temperature = temperature
        self.index = index
        self.device = device
        self.n_probes = n_probes
        self.quantizer = quantizer
        self.projection = projection
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        for name, kinds in (("vote", Vote), ("index", IndexKind), ("device", Device)):
            if not isinstance(getattr(self, name), str) or getattr(self, name) not in get_args(kinds):
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, get_args(kinds)))}, got {getattr(self, name)!r}"
                )
        check_strength("temperature", self.temperature, ())
        if not self.temperature:
            raise ValueError("temperature must be more than 0")
        as_integer("n_neighbors", self.n_neighbors, 1)
        if self.n_probes is not None:
            as_integer("n_probes", self.n_probes, 1)
            if self.index != "ivf":
                raise ValueError(f"n_probes is for index='ivf', not for {self.index!r}")

    def empty_state(self, quantizer: Quantizer) -> LearnedRows:
        return LearnedRows(quantizer)

    @property
    def _state(self) -> LearnedRows:
        return cast(LearnedRows, self.state_)

    @classmethod
    def from_moments(cls, moments: Any, **parameters: Any) -> NoReturn:
        """Refused: rows can't be made from moments."""
        raise TypeError(f"{cls.__name__} learns rows, which moments don't tell: fit it on the rows")

    # ---- neighbours

    @reading
    def neighbors(self, X: ArrayLike, k: int | None = None) -> Neighbors:
        """The nearest learned rows of each row: whose data is behind a prediction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        k : int, optional
            How many, `n_neighbors` by default; all where fewer were learned.

        Returns
        -------
        Neighbors
            A named tuple of ids, labels and distances, each of shape (n_samples, k).

        Notes
        -----
        Exactness: bit for bit; see the notes of the class for what decides between equal distances.
        """
        ranked = self._nearest(X, None if k is None else as_integer("k", k, 1))
        labels = self._state.classes[self._state.class_places(ranked.positions)]
        return Neighbors(self._ids(ranked.positions), labels, np.sqrt(ranked.squared()) * self._unit())

    @reading
    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """How normal each row is, shape (n_samples,): minus the distance to the farthest of its neighbours.

        References
        ----------
        Sun et al., Out-of-distribution detection with deep nearest neighbors, ICML 2022. There: of unit rows alone.
        """
        return np.asarray(-np.sqrt(self._nearest(X).squared()[:, -1]) * self._unit())

    def _nearest(self, X: ArrayLike, k: int | None = None) -> Ranked | RankedByAngle:
        found: list[Ranked | RankedByAngle] = []

        def search(rows: NDArray[Any], index: Scan | FaissIndex) -> NDArray[np.float64]:
            found.extend(self._searched(rows, index, k))
            return np.zeros((len(rows), 1))

        self._scored(X, search)
        return type(found[0])(*(np.concatenate([getattr(r, f.name) for r in found]) for f in fields(found[0])))

    def _unit(self) -> float:
        """What a distance of 1 between ranked rows stands for."""
        quantizer = self.quantizer_
        if self._state.by_angle:
            return 1.0
        return float(quantizer.step[0]) if quantizer.rule.bounds is None else 1 / quantizer.limit

    def _ids(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Ids of the rows at these positions. Of rows with the same bytes and label, the first ids come first."""
        distinct, place = np.unique(positions, return_inverse=True)
        encoded = Targets(self._state.labels, self._state.class_places(distinct))
        found, group = self.learner_.ledger.ids_of(self._state.table.payload[distinct], encoded)
        owners = [sorted(ids, key=_id_order) for ids in found]
        out = np.full(positions.shape, None, dtype=object)
        for i, groups in enumerate(cast("list[list[int]]", group[place].reshape(positions.shape).tolist())):
            taken: dict[int, int] = defaultdict(int)
            for j, same in enumerate(groups):
                if taken[same] < len(owners[same]):
                    out[i, j] = owners[same][taken[same]]
                    taken[same] += 1
        return out

    @changing
    def rebuild(self) -> None:
        """Throw the index away; the next search makes it again from the learned rows."""
        self._check_fitted()
        self.drop_caches()

    # ---- votes

    def _prepared(self) -> Scan | FaissIndex:
        """The index, made or brought up to date."""
        self._check_fitted()
        self.check_parameters()
        key = (self.index, self.device, None if self.n_probes is None else as_integer("n_probes", self.n_probes, 1))
        known, index = self._solved.get("index", (None, None))
        if isinstance(index, FaissIndex):
            if known == key:
                index.follow()
                return index
            self.drop_caches()
        index = make_index(self._state, *key)
        self._solved["index"] = key, index
        if isinstance(index, FaissIndex):
            self._listen(index.state_changed)
        return index

    def _searched(
        self, rows: NDArray[Any], prepared: Scan | FaissIndex, k: int | None = None
    ) -> Iterator[Ranked | RankedByAngle]:
        """The nearest of integer rows, some rows at a time."""
        k = min(as_integer("n_neighbors", self.n_neighbors, 1) if k is None else k, self._state.table.n_alive)
        for part in row_blocks(len(rows), max(1, _FOUND // k)):
            yield nearest(self._state, prepared, rows[part], k)

    def _compare_rows(self, rows: NDArray[Any], prepared: Scan | FaissIndex) -> NDArray[np.float64]:
        scores = np.concatenate([self._votes(ranked) for ranked in self._searched(rows, prepared)])
        return scores[:, 1:] - scores[:, :1] if scores.shape[1] == 2 else scores

    def _votes(self, ranked: Ranked | RankedByAngle) -> NDArray[np.float64]:
        """Shares of the classes."""
        places, shares = self._state.class_places(ranked.positions), self._shares(ranked)
        n, k = len(places), len(self._state.labels)
        places += k * np.arange(n)[:, None]
        # One neighbour after another: a fixed order of summation.
        return np.asarray(np.bincount(places.ravel(), shares.ravel(), n * k).reshape(n, k), dtype=np.float64)

    def _shares(self, ranked: Ranked | RankedByAngle) -> NDArray[np.float64]:
        """Of the vote, by neighbour."""
        if self.vote == "majority":
            return np.full(ranked.positions.shape, 1 / ranked.positions.shape[1])
        squared = ranked.squared()
        # Unit rows have a unit; other rows are scaled so that the neighbour in the middle is at cosine 0.75 of those.
        unit = 1.0 if self._state.by_angle else 2 * squared[:, squared.shape[1] // 2, None]
        behind = squared - squared[:, :1]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # a small unit: only the nearest vote
            weights = np.where(behind > 0, np.exp(-behind / unit / (2 * float(self.temperature))), 1.0)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    @reading
    def voters(self, X: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The neighbours of each row, as positions in ``state_.table``, and their shares of the vote.

        Both of shape (n_samples, n_neighbors). Positions hold until rows are forgotten.
        """
        ranked = self._nearest(X)
        return ranked.positions, self._shares(ranked)

    @reading
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Shares of the vote, shape (n_samples, n_classes), rows summing to 1."""
        return self._of_all_classes(self.probabilities_of(self._scored(X, self._compare_rows)))

    def probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the classes by scores as of `scores_of`."""
        return shares(scores)


def _id_order(name: SampleId) -> tuple[float, str]:
    """Integers by value, then strings."""
    return (name, "") if isinstance(name, int) else (math.inf, name)
