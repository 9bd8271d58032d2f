"""Rows to keys without looking at data: sign bits of random projections, the codebooks of a key-value bottleneck."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend, get_threads, native
from analytic_cl._integers import as_integer
from analytic_cl._numba import kernel
from analytic_cl.quantizers.projection import as_signs
from analytic_cl.quantizers.quantizer import TABULAR_FEATURES

MAX_BITS = 10  # of a key: a table has 2^bits entries for every codebook and class
MAX_CODEBOOKS = 2**16
MAX_SEED = 2**64 - 1

_PREFIX = b"analytic-cl sign keys 1\0"


@dataclass(frozen=True)
class SignKeys:
    """`n_codebooks` keys a row, each of the signs of `bits` random projections (locality-sensitive hashing).

    Above 256 features, where rows come from networks, a projection has as many +1 as -1 (one more for an odd number),
    so that what all columns share, as behind a ReLU, cancels. Up to 256, where so few signs would repeat themselves,
    its weights are random integers from -128 to 127. They come from one SHAKE-128 stream a projection, the same on
    every platform; the first k codebooks don't depend on how many there are.

    Exactness: bit for bit.

    Cost: 2 n_codebooks bits n_features operations a row; the signs of the last two kinds of keys stay in memory,
    n_codebooks bits n_features bytes each, and four times that without the native kernels.
    """

    n_codebooks: int
    bits: int
    random_state: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("n_codebooks", 1, MAX_CODEBOOKS),
            ("bits", 1, MAX_BITS),
            ("random_state", 0, MAX_SEED),
        ):
            object.__setattr__(self, name, as_integer(name, getattr(self, name), low, high))

    def spec(self) -> dict[str, Any]:
        """The keys as JSON values."""
        return {"kind": "signs", "codebooks": self.n_codebooks, "bits": self.bits, "seed": self.random_state}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Nothing: the seed says it all."""
        return {}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> SignKeys:
        """The keys that `spec` described. Raises an error where it is not one."""
        if spec["kind"] != "signs":
            raise ValueError(f"keys of kind {spec['kind']!r} are not known to this version")
        return cls(spec["codebooks"], spec["bits"], spec["seed"])

    def keys(self, rows: NDArray[Any]) -> NDArray[np.uint16]:
        """Key of integer rows in each codebook, shape (n, n_codebooks)."""
        n, d = rows.shape
        out = np.empty((n, self.n_codebooks), dtype=np.uint16)
        n_projections = self.n_codebooks * self.bits
        at_once = max(1, 2**23 // n_projections)
        pack = _pack_reference if get_backend() == "numpy" else _pack
        for start in range(0, n, at_once):
            part = rows[start : start + at_once]
            if _native_can(part):
                positive = np.empty((len(part), n_projections), dtype=np.int8)
                signs = _native_signs(self.random_state, n_projections, d)
                native.project(np.ascontiguousarray(part), signs, 0, positive, get_threads())
            else:
                positive = (weighted_sums(part, self.random_state, n_projections) > 0).astype(np.int8)
            pack(positive, self.bits, out[start : start + at_once])
        return out


def weighted_sums(
    rows: NDArray[Any], seed: int, n_projections: int, some: slice | None = None
) -> NDArray[np.int32 | np.int64 | np.float32 | np.float64]:
    """Exact sums of integer rows under the weights of all projections, or of some; floats hold integers."""
    d = rows.shape[1]
    if _native_can(rows):
        if some is None:
            signs = _native_signs(seed, n_projections, d)
        else:
            signs = native.Signs(_plus_bits(seed, n_projections, d)[some], d, "")
        sums = np.empty((len(rows), signs.n_components), dtype=np.int32)
        native.project_sums(np.ascontiguousarray(rows), signs, sums, get_threads())
        return sums
    weights = (_signs if d > TABULAR_FEATURES else _small_integers)(seed, n_projections, d)[:, some or slice(None)]
    if get_backend() == "numpy":
        return np.asarray(rows.astype(np.int64) @ weights.astype(np.int64))
    # Exact: sums of int8 rows stay below 2^24, all others below 2^53.
    dtype = np.float32 if rows.dtype == np.int8 and d < 2**24 // 127 else np.float64
    return np.asarray(rows.astype(dtype) @ weights.astype(dtype))


def _native_can(rows: NDArray[Any]) -> bool:
    fast = get_backend() == "native" and native.isas()[0] != "portable" and rows.dtype == np.int8
    return fast and TABULAR_FEATURES < rows.shape[1] <= native.MAX_TERMS


@kernel
def _pack(positive: NDArray[np.int8], bits: int, keys: NDArray[np.uint16]) -> None:
    """The signs of each codebook as one number, the first sign lowest."""
    for i in range(keys.shape[0]):
        for c in range(keys.shape[1]):
            key = 0
            for b in range(bits):
                key |= (positive[i, c * bits + b] > 0) << b
            keys[i, c] = key


def _pack_reference(positive: NDArray[np.int8], bits: int, keys: NDArray[np.uint16]) -> None:
    signs = positive.reshape(*keys.shape, bits) > 0
    keys[...] = (signs << np.arange(bits)).sum(axis=2)


@lru_cache(maxsize=4)
def _plus_bits(seed: int, n_projections: int, n_features: int) -> NDArray[np.uint8]:
    """One line a projection: bit j, least significant first, is 1 where feature j is added, else it is subtracted."""
    head = _PREFIX + seed.to_bytes(8, "little")
    plus = np.zeros((n_projections, n_features), dtype=np.uint8)
    half = -(-n_features // 2)
    for p in range(n_projections):
        stream = hashlib.shake_128(head + p.to_bytes(8, "little")).digest(4 * n_features)
        plus[p, np.argsort(np.frombuffer(stream, dtype="<u4"), kind="stable")[:half]] = 1
    return np.packbits(plus, axis=1, bitorder="little")


@lru_cache(maxsize=2)
def _native_signs(seed: int, n_projections: int, n_features: int) -> Any:
    return native.Signs(_plus_bits(seed, n_projections, n_features), n_features, "")


@lru_cache(maxsize=4)
def _small_integers(seed: int, n_projections: int, n_features: int) -> NDArray[np.float32]:
    head = _PREFIX + seed.to_bytes(8, "little")
    streams = (hashlib.shake_128(head + p.to_bytes(8, "little")).digest(n_features) for p in range(n_projections))
    weights = np.frombuffer(b"".join(streams), dtype=np.int8).reshape(n_projections, n_features)
    return np.ascontiguousarray(weights.T, dtype=np.float32)


@lru_cache(maxsize=2)
def _signs(seed: int, n_projections: int, n_features: int) -> NDArray[np.float32]:
    return as_signs(_plus_bits(seed, n_projections, n_features), n_features)
