"""Rows to keys by the nearest of given centres: codebooks that were made from public rows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._config import get_backend
from analytic_cl._integers import as_integer
from analytic_cl._numba import kernel
from analytic_cl._parallel import row_blocks
from analytic_cl.quantizers import centres as making
from analytic_cl.quantizers.fixed_point import FixedPoint
from analytic_cl.quantizers.nearest import LIMIT, MAX_DIMENSIONS, nearest, squares
from analytic_cl.quantizers.quantizer import TABULAR_FEATURES, Quantizer, resolve_quantizer
from analytic_cl.quantizers.sign_keys import MAX_BITS, MAX_CODEBOOKS, MAX_SEED, weighted_sums

Method = Literal["sample", "kmeans", "ema"]

_MAGIC = b"analytic-cl nearest keys 1\0"


@dataclass(frozen=True, eq=False, repr=False)
class NearestKeys:
    """Keys that are the nearest of 2^bits centres, for `KeyValueBottleneckClassifier(keys=...)`.

    Each codebook projects the quantised row to a few coordinates, by the weights of the head's usual keys, and takes
    the number of the nearest centre. Make them with `from_rows`. **The centres remember the rows that they were made
    from: give rows that nobody will ask you to forget**, such as public ones. What a head learns it forgets bit for
    bit with any keys; that the keys are not shaped by forgotten rows is yours to see to, and certain only with rows
    that are never learned. This is why it is not the default.

    Parameters
    ----------
    quantizer : Quantizer
        What the integer rows mean.
    centres : ndarray of int16, shape (n_codebooks, n_dimensions, 2^bits)
        From -4095 to 4095.
    shift : int
        Binary places of the sums that are dropped, halves up, to get coordinates, which are clipped to +-4095.
    random_state : int
        Seed of the projections.

    Notes
    -----
    Exactness: keys bit for bit on every backend and for any batch; ties go to the lowest number. Making the centres:
    "sample" and "ema" bit for bit (order of the rows included), "kmeans" depends on machine and threads, so save the
    keys rather than make them again. Equal keys have equal fingerprints.

    Cost: 2 n_codebooks n_dimensions (n_features + 2^bits) operations a row, several times that of signs. Memory
    2 n_codebooks n_dimensions 2^bits bytes (7 MB for 1,024 codebooks of 8 bits), in every saved head too, and
    n_codebooks n_dimensions n_features bytes for the signs of the projections.

    Test accuracy by number of codebooks, 8 bits, naive Bayes, means of 2 to 4 seeds (standard deviations .001 to .005),
    centres from 3,000 rows that were not learned; CIFAR-100 with 15,000 rows. Few codebooks gain most; "sample" is as
    good as the slower methods:

    ========  ======================  ======================
    keys      CLINC150, MiniLM        CIFAR-100, MobileNetV2
    ========  ======================  ======================
    number    32     256    1024      32     256    1024
    signs     .882   .933   .937      .392   .535   .561
    "sample"  .903   .935   .937      .445   .550   .568
    "kmeans"  .905   .931             .443   .546
    "ema"     .907   .933   .934      .450   .545   .560
    ========  ======================  ======================

    References
    ----------
    Traeuble et al., Discrete key-value bottleneck, ICML 2023. There: float keys by a moving average over batches
    ("ema"); a centre that nobody hits is replaced, but not its average, which pulls it back. Here integers, and both
    are replaced.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import KeyValueBottleneckClassifier, NearestKeys
    >>> rng = np.random.default_rng(0)
    >>> public, X, y = rng.normal(size=(300, 12)), rng.normal(size=(90, 12)), np.arange(90) % 3
    >>> keys = NearestKeys.from_rows(public, n_codebooks=64, bits=4)
    >>> head = KeyValueBottleneckClassifier(keys=keys).fit(X, y)
    >>> receipt = head.forget(X[:5], y[:5])
    >>> head.state_digest() == KeyValueBottleneckClassifier(keys=keys).fit(X[5:], y[5:]).state_digest()
    True
    """

    quantizer: Quantizer
    centres: NDArray[np.int16]
    shift: int
    random_state: int = 0

    def __post_init__(self) -> None:
        centres = np.array(self.centres, order="C")
        n_codebooks, n_dimensions, n_keys = centres.shape if centres.ndim == 3 else (0, 0, 0)
        possible = (
            centres.dtype == np.int16
            and 1 <= n_codebooks <= MAX_CODEBOOKS
            and 1 <= n_dimensions <= MAX_DIMENSIONS
            and n_keys in [2**bits for bits in range(1, MAX_BITS + 1)]
        )
        if not possible or centres.max() > LIMIT or centres.min() < -LIMIT:
            raise ValueError(
                f"centres must be int16 from -{LIMIT} to {LIMIT}, of shape (n_codebooks, n_dimensions up to "
                f"{MAX_DIMENSIONS}, a power of two up to {2**MAX_BITS}), got {centres.dtype} of shape {centres.shape}"
            )
        centres.flags.writeable = False
        object.__setattr__(self, "centres", centres)
        object.__setattr__(self, "shift", as_integer("shift", self.shift, 0, 62))
        object.__setattr__(self, "random_state", as_integer("random_state", self.random_state, 0, MAX_SEED))

    @classmethod
    def from_rows(
        cls,
        rows: ArrayLike,
        *,
        n_codebooks: int = 1024,
        bits: int = 8,
        n_dimensions: int = 14,
        method: Method = "sample",
        random_state: int = 0,
        quantizer: str | FixedPoint = "auto",
    ) -> Self:
        """Keys whose centres are made from public rows, at least 2^bits of them.

        Parameters
        ----------
        rows : array-like of shape (n_rows, n_features)
            Of the kind that the head will see, and never to be forgotten: what of them is in the centres stays there.
        n_codebooks : int, default=1024
            Codebooks.
        bits : int from 1 to 10, default=8
            Bits of a key.
        n_dimensions : int from 1 to 32, default=14
            Coordinates among which a codebook looks for the nearest centre.
        method : {"sample", "kmeans", "ema"}, default="sample"
            "sample": a seeded choice of the rows. "kmeans": Lloyd's algorithm, by FAISS (``pip install
            'analytic-cl[faiss]'``). "ema": the paper's moving average, ten passes over the rows.
        random_state : int, default=0
            Seed of projections and choices.
        quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
            The head's.

        Returns
        -------
        NearestKeys
        """
        if method not in get_args(Method):
            raise ValueError(f"method must be one of {', '.join(map(repr, get_args(Method)))}, got {method!r}")
        n_codebooks = as_integer("n_codebooks", n_codebooks, 1, MAX_CODEBOOKS)
        n_keys = 2 ** as_integer("bits", bits, 1, MAX_BITS)
        n_dimensions = as_integer("n_dimensions", n_dimensions, 1, MAX_DIMENSIONS)
        seed = as_integer("random_state", random_state, 0, MAX_SEED)
        X: NDArray[Any] = np.asarray(rows)
        if X.ndim != 2 or X.dtype.kind not in "fiub" or not X.shape[1]:
            raise ValueError(f"rows must be numbers of shape (n_rows, n_features), got {X.dtype} of shape {X.shape}")
        if len(X) < n_keys:
            raise ValueError(f"{n_keys} centres need at least as many rows, got {len(X)}: give more, or fewer bits")
        its_quantizer = resolve_quantizer(quantizer, None, X.shape[1])
        q = its_quantizer.quantise(X)
        shift = _shift_for(q)
        centres = np.empty((n_codebooks, n_dimensions, n_keys), dtype=np.int16)
        at_once = max(1, 2**25 // (len(q) * n_dimensions))  # codebooks, to bound memory
        for part in row_blocks(n_codebooks, at_once):
            some = slice(part.start * n_dimensions, part.stop * n_dimensions)
            sums = weighted_sums(q, seed, n_codebooks * n_dimensions, some)
            coordinates = _coordinates(sums, shift).reshape(len(q), -1, n_dimensions)
            centres[part] = making.MAKERS[method](coordinates, n_keys, seed, part.start)
        return cls(its_quantizer, centres, shift, seed)

    @property
    def n_codebooks(self) -> int:
        return len(self.centres)

    @property
    def n_dimensions(self) -> int:
        return int(self.centres.shape[1])

    @property
    def bits(self) -> int:
        return int(self.centres.shape[2]).bit_length() - 1

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that turns a row into keys, in hexadecimal."""
        about = json.dumps([self.shift, self.random_state, self.centres.shape]).encode()
        h = hashlib.sha256(_MAGIC + self.quantizer.canonical_bytes() + b"\0" + about + b"\0")
        h.update(self.centres.astype("<i2", copy=False).data)
        return h.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, NearestKeys) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # unchangeable, and scikit-learn copies parameters often

    def __repr__(self) -> str:
        return (
            f"NearestKeys({self.n_codebooks} codebooks, {self.bits} bits, {self.n_dimensions} dimensions, "
            f"{self.quantizer.n_features} features, {self.fingerprint[:16]})"
        )

    def keys(self, rows: NDArray[Any]) -> NDArray[np.uint16]:
        """Key of integer rows in each codebook, shape (n, n_codebooks)."""
        out = np.empty((len(rows), self.n_codebooks), dtype=np.uint16)
        n_projections = self.n_codebooks * self.n_dimensions
        for part in row_blocks(len(rows), max(1, 2**21 // n_projections)):
            sums = weighted_sums(rows[part], self.random_state, n_projections)
            coordinates = _coordinates(sums, self.shift).reshape(-1, self.n_codebooks, self.n_dimensions)
            nearest(coordinates, self.centres, self._squares, out[part])
        return out

    @cached_property
    def _squares(self) -> NDArray[np.int32]:
        return squares(self.centres)

    # ---- on disk

    def spec(self) -> dict[str, Any]:
        """The keys without their centres, as JSON values."""
        return {"kind": "nearest", "shift": self.shift, "seed": self.random_state, "fingerprint": self.fingerprint}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The centres."""
        return {"centres": self.centres}

    @classmethod
    def from_arrays(cls, quantizer: Quantizer, spec: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The keys that `spec` and `to_arrays` described. Raises ValueError where they don't fit."""
        if "centres" not in arrays:
            raise ValueError("array 'centres' is missing")
        keys = cls(quantizer, arrays["centres"], spec["shift"], spec["seed"])
        if keys.fingerprint != spec["fingerprint"]:
            raise ValueError("the centres are not those that the keys' fingerprint names")
        return keys


def _shift_for(q: NDArray[Any]) -> int:
    """Coordinates of the middle one of these rows get a standard deviation of about 256, a sixteenth of their range."""
    lengths = np.sqrt((q.astype(np.float64) ** 2).sum(axis=1))
    spread = float(np.median(lengths)) * (1.0 if q.shape[1] > TABULAR_FEATURES else 73.9)  # of a sum
    return max(0, round(math.log2(max(spread, 1.0) / 256)))


def _coordinates(sums: NDArray[Any], shift: int) -> NDArray[np.int16]:
    out = np.empty(sums.shape, dtype=np.int16)
    run = _shift_and_clip_reference if get_backend() == "numpy" else _shift_and_clip
    run(sums, shift, 1 << shift >> 1, LIMIT, out)
    return out


@kernel
def _shift_and_clip(sums: NDArray[Any], shift: int, half: int, limit: int, out: NDArray[Any]) -> None:
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            out[i, j] = min(max((np.int64(sums[i, j]) + half) >> shift, -limit), limit)


def _shift_and_clip_reference(sums: NDArray[Any], shift: int, half: int, limit: int, out: NDArray[Any]) -> None:
    out[...] = np.clip((sums.astype(np.int64) + half) >> shift, -limit, limit)
