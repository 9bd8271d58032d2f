"""Random +-1 features with ReLU, in integers: the buffer of ACIL and RanPAC."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend, get_threads, native
from analytic_cl._device import padded, pytorch, sent
from analytic_cl._integers import as_integer
from analytic_cl.quantizers import kernels, reference, torch_kernels
from analytic_cl.quantizers.random_features import RandomFeatures

# Below so many sums a second thread costs more than it brings: it may have to wait for a core that is busy.
WORTH_A_THREAD = 200_000_000

_PREFIX = b"analytic-cl random projection 1\0"


@dataclass(frozen=True)
class RandomProjection(RandomFeatures):
    """Lift int8 rows to ``n_components`` random features: signs, sum, ReLU, rounded shift, int8 again.

    Parameters
    ----------
    n_components : int
        Number of random features. 2,000 to 16,000 is usual; state grows with its square.
    random_state : int, default=0
        Seed of the signs, 0 <= seed < 2**64. None is refused: two heads that are to be merged, or a model that is to
        be retrained as a proof, need the same signs.
    keep_input : bool, default=False
        Put the row's own integers in front of its random features. One Gram matrix then serves heads on the rows, on
        their features and on both (see `Moments.part`), and with few random features ridge and LDA are better than on
        these alone.
    tanh : bool, default=False
        Put the hyperbolic tangent of the same sums behind the random features: the second stream of `DSALClassifier`.

    Notes
    -----
    The signs come from one SHAKE-128 stream a component, so they are the same on every platform and version of
    NumPy, and the first k components don't depend on how many there are. Signs are as accurate as Gaussian
    weights and keep the products exact.

    Exactness: bit for bit.

    Cost: 2 n_components n_features operations a row, twice that with `tanh`; the signs of the last two projections stay
    in memory, n_components n_features bytes each, an eighth of that with AVX512-VNNI, and four times that without the
    native kernels.

    References
    ----------
    McDonnell et al., RanPAC: Random projections and pre-trained models for continual learning, NeurIPS 2023 (there:
    float32 Gaussian weights). Zhuang et al., ACIL, NeurIPS 2022 (there: uniform weights).

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import RandomProjection, RLSClassifier
    >>> X, y = np.random.default_rng(0).normal(size=(100, 20)), np.arange(100) % 2
    >>> head = RLSClassifier(projection=RandomProjection(64)).fit(X, y)
    >>> head.quantizer_.quantise(X[:3]).shape
    (3, 64)

    The row beside its features; what was learned of the row alone has the digest of a head without projection:

    >>> from analytic_cl import LDAClassifier
    >>> both = LDAClassifier(projection=RandomProjection(64, keep_input=True)).fit(X, y)
    >>> both.quantizer_.width
    84
    >>> alone = LDAClassifier(quantizer="embedding").fit(X, y)
    >>> both.moments_.part("input").digest() == alone.state_digest()
    True
    """

    n_components: int
    random_state: int = 0
    keep_input: bool = False
    tanh: bool = False

    def __post_init__(self) -> None:
        # The signs are part of the model's identity: no seed is drawn for None.
        object.__setattr__(self, "n_components", as_integer("n_components", self.n_components, 1))
        object.__setattr__(self, "random_state", as_integer("random_state", self.random_state, 0, 2**64 - 1))
        for name in ("keep_input", "tanh"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
            object.__setattr__(self, name, bool(getattr(self, name)))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {
            "n_components": self.n_components,
            "random_state": self.random_state,
            "keep_input": self.keep_input,
            "tanh": self.tanh,
        }

    def choices(self) -> dict[str, bool]:
        """What else than random features there is, by name: nothing for most, so that they keep their digests."""
        return {name: True for name in ("keep_input", "tanh") if getattr(self, name)}

    def describe(self) -> str:
        more = ", beside the row" * self.keep_input + ", with tangents" * self.tanh
        return f"projection to {self.n_components}, seed {self.random_state}{more}"

    def width(self, n_features: int) -> int:
        return self.n_components * (2 if self.tanh else 1) + (n_features if self.keep_input else 0)

    def steps(self, n_features: int, scale: float) -> NDArray[np.float64]:
        features = np.full(self.n_components, 2.0 ** self.shift(scale) / scale)
        kept = [np.full(n_features, 1.0 / scale)] if self.keep_input else []
        return np.concatenate([*kept, features, *([np.full(self.n_components, 1 / 127)] if self.tanh else [])])

    def shift(self, scale: float) -> int:
        """Binary places dropped after the sum, for rows quantised at `scale`: round(log2(4 scale / 127))."""
        return max(0, round(math.log2(4 * scale / 127)))

    def signs(self, n_features: int) -> NDArray[np.float32]:
        """The signs themselves, shape (n_features, n_components); for those who project elsewhere."""
        return _signs(self.random_state, self.n_components, n_features)

    def tangents(self, scale: float) -> NDArray[np.int8]:
        """What stands for the hyperbolic tangent of 0 to 127 steps of a random feature, for rows quantised at
        `scale`.
        """
        return _tangents(2.0 ** self.shift(scale) / scale)

    def fingerprint(self, n_features: int) -> str:
        """SHA-256 over the packed signs themselves, in hexadecimal."""
        return _fingerprint(self.random_state, self.n_components, n_features)

    def project(self, q: NDArray[np.int8], scale: float) -> NDArray[np.int8]:
        """Random features of int8 rows that were quantised at `scale`, and the row and the tangents if wanted."""
        z = self._features(q, scale)
        if not self.choices():
            return z
        parts = [q, z] if self.keep_input else [z]
        if self.tanh:  # of positive sums, less that of negative ones: the features of the negated row
            table = self.tangents(scale)
            parts.append(table[z] - table[self._features(-q, scale)])
        return np.hstack(parts)

    def project_on_device(self, q: Any, scale: float) -> Any:
        torch = pytorch()

        signs = _signs_on_device(self.random_state, self.n_components, q.shape[1], q.device)
        v = torch_kernels.sums(q, signs)[:, : self.n_components]
        shift = self.shift(scale)
        z = torch_kernels.rectified_shift(v, shift, 127)
        parts = [q, z] if self.keep_input else [z]
        if self.tanh:
            table = sent(self.tangents(scale), q.device)
            parts.append(table[z.int()] - table[torch_kernels.rectified_shift(-v, shift, 127).int()])
        return torch.hstack(parts)

    def spec(self, n_features: int) -> dict[str, Any]:
        return {
            "n_components": self.n_components,
            "random_state": self.random_state,
            "fingerprint": self.fingerprint(n_features),
            **self.choices(),
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Self:
        """The map that `spec` describes, but for its fingerprint."""
        return cls(spec["n_components"], spec["random_state"], spec.get("keep_input", False), spec.get("tanh", False))

    def _features(self, q: NDArray[np.int8], scale: float) -> NDArray[np.int8]:
        z = np.empty((q.shape[0], self.n_components), dtype=np.int8)
        shift, backend = self.shift(scale), get_backend()
        if backend == "native" and native.isas()[0] != "portable" and q.shape[1] <= native.MAX_TERMS:
            weights = _native_signs(self.random_state, self.n_components, q.shape[1])
            threads = get_threads() if q.size * self.n_components > WORTH_A_THREAD else 1
            native.project(np.ascontiguousarray(q), weights, shift, z, threads)
            return z
        signs = _signs(self.random_state, self.n_components, q.shape[1])
        rows = max(1, 2**22 // self.n_components)
        for start in range(0, q.shape[0], rows):
            part = slice(start, start + rows)
            if backend == "numpy":
                v = q[part].astype(np.int32) @ signs.astype(np.int32)
                reference.rectified_shift(v, shift, 127, z[part])
            else:
                v32 = q[part].astype(np.float32) @ signs  # exact: sums stay below 2^24
                kernels.rectified_shift(v32, shift, 127, z[part])
        return z


@lru_cache(maxsize=2)
def _tangents(step: float) -> NDArray[np.int8]:
    """127 tanh of 0 to 127 steps, rounded: no value of a step of 2^-k is near a tie, so it is one on every machine."""
    return np.asarray(np.rint(127 * np.tanh(step * np.arange(128))).astype(np.int8))


@lru_cache(maxsize=4)
def _sign_bits(seed: int, n_components: int, n_features: int) -> NDArray[np.uint8]:
    n_bytes = -(-n_features // 8)
    head = _PREFIX + seed.to_bytes(8, "little")
    stream = b"".join(
        hashlib.shake_128(head + component.to_bytes(8, "little")).digest(n_bytes) for component in range(n_components)
    )
    return np.frombuffer(stream, dtype=np.uint8).reshape(n_components, n_bytes)


@lru_cache(maxsize=2)
def _native_signs(seed: int, n_components: int, n_features: int) -> Any:
    return native.Signs(_sign_bits(seed, n_components, n_features), n_features, "")


@lru_cache(maxsize=2)
def _signs_on_device(seed: int, n_components: int, n_features: int, device: Any) -> Any:
    return padded(sent(_signs(seed, n_components, n_features).T.astype(np.int8), device))


@lru_cache(maxsize=2)
def _signs(seed: int, n_components: int, n_features: int) -> NDArray[np.float32]:
    """The (n_features, n_components) matrix of +-1; bit 1 of a stream is +1, least significant bit first."""
    return as_signs(_sign_bits(seed, n_components, n_features), n_features)


def as_signs(packed: NDArray[np.uint8], n_features: int) -> NDArray[np.float32]:
    """One column of +-1 for each line of packed bits."""
    signs = np.unpackbits(packed, axis=1, count=n_features, bitorder="little").T.astype(np.float32)
    signs *= 2
    signs -= 1
    signs.flags.writeable = False
    return signs


@lru_cache(maxsize=16)
def _fingerprint(seed: int, n_components: int, n_features: int) -> str:
    bits = np.unpackbits(_sign_bits(seed, n_components, n_features), axis=1, count=n_features, bitorder="little")
    return hashlib.sha256(np.packbits(bits, bitorder="little").tobytes()).hexdigest()
