"""Random Fourier features in integers: the kernel trick of KLDA and RanDumb."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._device import padded, sent
from analytic_cl._integers import as_integer
from analytic_cl.quantizers import kernels, reference, torch_kernels
from analytic_cl.quantizers.projection import as_signs
from analytic_cl.quantizers.random_features import RandomFeatures

_PREFIX = b"analytic-cl fourier features 1\0"
_TURN = 2**32  # parts of a full turn that angles are counted in
_LEAST, _MOST = (
    1e-6,
    1e4,
)  # of gamma: below, one step of a row turns by too few parts; above, by whole turns

# One turn of 127 cos in 4,096 steps, from their middles: no value is nearer than 0.001 to a half, so that every
# machine's cosine rounds alike.
COSINES = np.rint(127 * np.cos(2 * math.pi * (np.arange(4096) + 0.5) / 4096)).astype(np.int8)


@dataclass(frozen=True)
class FourierFeatures(RandomFeatures):
    """Lift int8 rows to ``n_components`` cosines of random directions: a Gaussian kernel, without a kernel matrix.

    Heads take it as `projection=`. Discriminant analysis behind it is kernel discriminant analysis.

    Parameters
    ----------
    n_components : int
        Number of random features. 2,000 to 10,000 is usual; state grows with its square.
    gamma : float, default=0.0625
        Bandwidth: dequantised features have inner products of about exp(-gamma |x - x'|^2) for rows x, x' of unit
        length. Between .015 and .5 it makes little difference on embeddings; 4 is far too narrow.
    random_state : int, default=0
        Seed of directions and phases, 0 <= seed < 2**64. None is refused, as in `RandomProjection`.

    Notes
    -----
    Feature j of a row q of integers with scale s is the integer 127 cos(w s_j . q / s + b_j), w = sqrt(2 gamma), s_j a
    direction of +-1. The sum s_j . q is exact; angles are counted in turns of 2^32, of which w / s becomes a whole
    number once, so that they wrap as integers do; the cosine is read from a table of 4,096 int8 values. Phase and
    signs come from one SHAKE-128 stream a component. One step stands for sqrt(2 / n_components) / 127.

    With signs the kernel is the product over columns of cos(w (x_j - x'_j)), which is the Gaussian one but for terms of
    gamma^2 (x_j - x'_j)^4: measured, as accurate as Gaussian directions.

    Exactness: bit for bit.

    Cost: 2 n_components n_features operations in float32 a row; directions of the last two maps stay in memory,
    4 n_components n_features bytes each.

    References
    ----------
    Rahimi and Recht, Random features for large-scale kernel machines, NeurIPS 2007. Momeni et al., Continual learning
    using a kernel-based method over foundation models (KLDA), AAAI 2025; Prabhu et al., RanDumb, NeurIPS 2024. There:
    Gaussian weights, features and statistics in float32.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import FourierFeatures, LDAClassifier
    >>> X = np.random.default_rng(0).normal(size=(200, 6))
    >>> X /= np.linalg.norm(X, axis=1, keepdims=True)
    >>> y = (X[:, 0] * X[:, 1] > 0).astype(int)
    >>> LDAClassifier(quantizer="embedding").fit(X, y).score(X, y) < 0.7
    True
    >>> LDAClassifier(projection=FourierFeatures(200, gamma=1.0)).fit(X, y).score(X, y) > 0.9
    True
    """

    n_components: int
    gamma: float = 0.0625
    random_state: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_components", as_integer("n_components", self.n_components, 1))
        object.__setattr__(self, "random_state", as_integer("random_state", self.random_state, 0, 2**64 - 1))
        object.__setattr__(self, "gamma", _checked_gamma(self.gamma))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"n_components": self.n_components, "gamma": self.gamma, "random_state": self.random_state}

    def describe(self) -> str:
        return f"{self.n_components} Fourier features, gamma {self.gamma:g}, seed {self.random_state}"

    def width(self, n_features: int) -> int:
        return self.n_components

    def steps(self, n_features: int, scale: float) -> NDArray[np.float64]:
        return np.full(self.n_components, math.sqrt(2 / self.n_components) / 127)

    def spec(self, n_features: int) -> dict[str, Any]:
        return {
            "kind": "fourier",
            "n_components": self.n_components,
            "gamma": self.gamma.hex(),
            "random_state": self.random_state,
            "fingerprint": _fingerprint(self.random_state, self.n_components, n_features),
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Self:
        """The map that `spec` describes, but for its fingerprint."""
        return cls(spec["n_components"], float.fromhex(spec["gamma"]), spec["random_state"])

    def drawn(self, n_features: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Phases in parts of a turn of 2^32, and directions of +-1, shape (n_features, n_components)."""
        return _drawn(self.random_state, self.n_components, n_features)

    def turns_per_step(self, scale: float) -> int:
        """By how many parts of a turn of 2^32 one step of a row, quantised at `scale`, moves an angle."""
        return round(math.sqrt(2 * self.gamma) * _TURN / (2 * math.pi * scale))

    def project(self, q: NDArray[np.int8], scale: float) -> NDArray[np.int8]:
        z = np.empty((q.shape[0], self.n_components), dtype=np.int8)
        phases, directions = _drawn(self.random_state, self.n_components, q.shape[1])
        turns, numpy = self.turns_per_step(scale), get_backend() == "numpy"
        rows = max(1, 2**22 // self.n_components)
        for start in range(0, q.shape[0], rows):
            part = slice(start, start + rows)
            if numpy:
                v = q[part].astype(np.int32) @ directions.astype(np.int32)
                reference.table_of_turns(v, turns, phases, COSINES, z[part])
            else:
                v32 = q[part].astype(np.float32) @ directions  # exact: sums stay below 2^24
                kernels.table_of_turns(v32, turns, phases, COSINES, z[part])
        return z

    def project_on_device(self, q: Any, scale: float) -> Any:
        phases, directions = _drawn_on_device(self.random_state, self.n_components, q.shape[1], q.device)
        table = sent(COSINES, q.device)
        return torch_kernels.table_of_turns(
            torch_kernels.sums(q, directions)[:, : self.n_components], self.turns_per_step(scale), phases, table
        )


def _checked_gamma(gamma: Any) -> float:
    number = math.nan if isinstance(gamma, bool) or not isinstance(gamma, Real) else float(gamma)
    if not _LEAST <= number <= _MOST:
        raise ValueError(f"gamma must be a number from {_LEAST:g} to {_MOST:g}, got {gamma!r}")
    return number


@lru_cache(maxsize=4)
def _streams(seed: int, n_components: int, n_features: int) -> NDArray[np.uint8]:
    """Of each component four bytes of phase, little-endian, and one bit a column."""
    n_bytes = 4 - (-n_features // 8)
    head = _PREFIX + seed.to_bytes(8, "little")
    stream = b"".join(
        hashlib.shake_128(head + component.to_bytes(8, "little")).digest(n_bytes) for component in range(n_components)
    )
    return np.frombuffer(stream, dtype=np.uint8).reshape(n_components, n_bytes)


@lru_cache(maxsize=2)
def _drawn(seed: int, n_components: int, n_features: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Phases in parts of a turn, and directions of +-1, shape (n_features, n_components)."""
    streams = _streams(seed, n_components, n_features)
    phases = np.ascontiguousarray(streams[:, :4]).view("<u4").ravel().astype(np.int64)
    phases.flags.writeable = False
    return phases, as_signs(streams[:, 4:], n_features)


@lru_cache(maxsize=2)
def _drawn_on_device(seed: int, n_components: int, n_features: int, device: Any) -> tuple[Any, Any]:
    phases, directions = _drawn(seed, n_components, n_features)
    return sent(phases, device), padded(sent(directions.T.astype(np.int8), device))


@lru_cache(maxsize=16)
def _fingerprint(seed: int, n_components: int, n_features: int) -> str:
    """SHA-256 over phases, signs and the table of cosines, in hexadecimal."""
    streams = _streams(seed, n_components, n_features)
    bits = np.unpackbits(streams[:, 4:], axis=1, count=n_features, bitorder="little")
    drawn = streams[:, :4].tobytes() + np.packbits(bits, bitorder="little").tobytes()
    return hashlib.sha256(drawn + COSINES.tobytes()).hexdigest()
