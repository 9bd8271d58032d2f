"""The quantizer of one state: a declared rule together with the width of the rows that pass it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from analytic_cl._config import get_backend
from analytic_cl._device import FEW_ROWS, DeviceRows, device_work, get_device, sent, torch_device
from analytic_cl._json import canonical
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl._sparse import SparseDeviations, SparseRows
from analytic_cl.quantizers import kernels, reference, sparse_rows, torch_kernels
from analytic_cl.quantizers.fixed_point import LIMITS, Column, FixedPoint
from analytic_cl.quantizers.fourier import FourierFeatures
from analytic_cl.quantizers.inputs import as_floats, refuse_not_finite, refuse_others
from analytic_cl.quantizers.projection import RandomProjection
from analytic_cl.quantizers.random_features import MAX_FEATURES, RandomFeatures

TABULAR_FEATURES = 256  # up to this width "auto" means the tabular quantizer

_BLOCK = 2**19  # numbers that are quantised at a time, to bound the memory of conversions

_SQUARED = 2**22  # that one thread squares and adds up: a millisecond

_INTEGERS: dict[int, type[np.signedinteger[Any]]] = {8: np.int8, 16: np.int16, 32: np.int32}


@dataclass(frozen=True)
class Quantizer:
    """Turns rows of ``n_features`` values into integer rows of ``width`` values, and says what those mean.

    Made by `resolve_quantizer`. Two states can be merged only when their quantizers are equal.

    `source` names the frozen extractor that rows come from, with its fingerprint. It changes no integer; it is part of
    the description, the digest and the equality of quantizers, so that states of two extractors are never taken for
    one.
    """

    rule: FixedPoint
    n_features: int
    takes_integers: bool = False
    projection: RandomFeatures | None = None
    source: str | None = None

    kind: ClassVar[str] = ""  # of a subclass, in its description
    _KINDS: ClassVar[dict[str, type[Quantizer]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Quantizer._KINDS[cls.kind] = cls

    @property
    def bits(self) -> int:
        return self.rule.bits

    @property
    def limit(self) -> int:
        """Largest magnitude of an integer behind this quantizer."""
        return LIMITS[self.bits]

    @property
    def dtype(self) -> np.dtype[np.signedinteger[Any]]:
        return np.dtype(_INTEGERS[self.bits])

    @property
    def rows(self) -> Quantizer:
        """That of the features alone: itself, unless targets stand behind them."""
        return self

    @property
    def width(self) -> int:
        return self.n_features if self.projection is None else self.projection.width(self.n_features)

    @cached_property
    def affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Offset and integers per unit of each input column."""
        if self.rule.bounds is None:
            return np.zeros(self.n_features), np.full(self.n_features, self._scale)
        low, high = (np.broadcast_to(np.asarray(b, dtype=np.float64), self.n_features) for b in self.rule.bounds)
        return low / 2 + high / 2, self.limit / (high / 2 - low / 2)

    @property
    def _scale(self) -> float:
        return self.rule.scale or self.rule.default_scale(self.n_features)

    @cached_property
    def offset(self) -> NDArray[np.float64]:
        """What the integer 0 stands for, by column of the integer rows."""
        return np.zeros(self.width) if self.projection else self.affine[0]

    @cached_property
    def step(self) -> NDArray[np.float64]:
        """What one integer step stands for, by column of the integer rows."""
        if self.projection is None:
            return 1.0 / self.affine[1]
        return self.projection.steps(self.n_features, self._scale)

    @cached_property
    def _only_step(self) -> np.float64 | None:
        """The step of all columns, where they have one and the integer 0 stands for 0."""
        step = self.step
        return step[0] if not self.offset.any() and (step == step[0]).all() else None

    def dequantise(self, q: NDArray[Any] | SparseRows) -> NDArray[np.float64]:
        """Float64 rows that the integers stand for."""
        if isinstance(q, SparseRows):
            return self.deviations(q, np.zeros(self.width, dtype=np.int64)) + self.offset
        return q * self.step + self.offset

    def deviations(self, q: NDArray[Any] | SparseRows, centre: NDArray[np.int64]) -> NDArray[np.float64]:
        """What integer rows less a centre stand for, subtracted as integers; of `SparseRows`, `SparseDeviations`."""
        if isinstance(q, SparseRows):
            return cast("NDArray[np.float64]", SparseDeviations(q, centre, self.step))
        found: NDArray[np.float64] = np.subtract(q, centre, dtype=np.float64)
        found *= self.step
        return found

    def lengths(self, q: NDArray[Any] | SparseRows) -> NDArray[np.float64]:
        """Euclidean length of what each row of integers stands for, shape (n,); 1 for rows of zero."""
        if isinstance(q, SparseRows):
            norms: NDArray[np.float64] = np.sqrt(cast(SparseDeviations, self.dequantise(q)).squares())
        elif self.bits == 8 and self._only_step is not None:
            squares, run = np.empty(len(q), dtype=np.int64), _kernels()
            at_once = max(1, _SQUARED // self.width)
            if len(q) <= at_once:
                run.sums_of_squares(q, squares)
            else:
                map_blocks(lambda part: run.sums_of_squares(q[part], squares[part]), row_blocks(len(q), at_once))
            norms = self._only_step * np.sqrt(squares)
        else:
            x = self.dequantise(q)
            norms = np.sqrt(np.einsum("ij,ij->i", x, x))
        return np.where(norms > 0, norms, 1.0)

    def quantise(self, X: Any, *, first_row: int = 0) -> NDArray[Any]:
        """Integer rows of X, an array or a tensor, shape (n, width); of a CSR matrix `SparseRows`, unless projected.

        Raises ValueError naming the rows that hold NaN or infinity, counted from `first_row`. What is lost on the way
        is not looked at: `Losses` does.
        """
        rows = self.rows_to_learn(X, first_row=first_row)
        return cast("NDArray[Any]", rows) if isinstance(rows, SparseRows) else np.asarray(rows)

    def rows_to_learn(self, X: Any, *, first_row: int = 0) -> NDArray[Any] | DeviceRows | SparseRows:
        """As `quantise`; in the memory of the device in force, where they are made there."""
        if issparse(X):
            return self._sparse(X, first_row)
        if get_device() != "cpu" and (len(X) > FEW_ROWS or not isinstance(X, np.ndarray)):
            return self._on_device(X, first_row)
        q = self._checked_integers(X, first_row) if self.takes_integers else self._fixed_point(X, first_row)
        return self.lift(q)

    def lift(self, q: NDArray[Any]) -> NDArray[Any]:
        """Rows of integers that passed this quantizer but for its projection."""
        return q if self.projection is None else self.projection.project(q, self._scale)

    def _fixed_point(self, X: NDArray[Any], first_row: int) -> NDArray[Any]:
        n, d = X.shape
        q: NDArray[Any] = np.empty((n, d), dtype=self.dtype)
        run, affine, unit = _kernels(), self.affine, self.rule.norm == "l2"

        def quantise_block(part: slice) -> None:
            x, to = as_floats(X[part]), (float(self.limit), q[part])
            if unit and x.dtype == np.float32 and run.normalised_singles(x, self._scale, *to):
                return
            magnitude = _finite_magnitude(run, x, first_row + part.start)
            if unit:
                run.normalised_rows(x, magnitude, self._scale, *to)
            else:
                run.affine_rows(x, *affine, *to)

        map_blocks(quantise_block, row_blocks(n, max(1, _BLOCK // d)))
        return q

    def _sparse(self, X: Any, first_row: int) -> NDArray[Any] | SparseRows:
        """Rows of a CSR matrix in canonical form."""
        if self.takes_integers:
            q = sparse_rows.integers_as_they_are(X, first_row)
        elif self.rule.norm == "l2":
            q = sparse_rows.unit_rows(X, self._scale, self.limit, self.dtype, first_row)
        else:
            q = sparse_rows.affine_rows(X, self.affine, self.limit, self.dtype, first_row)
        if self.projection is None:
            return q
        return sparse_rows.lifted(q, self.lift, self.width, max(1, _BLOCK // self.n_features))

    def _on_device(self, X: Any, first_row: int) -> DeviceRows:
        """Rows of an array, or of a tensor wherever it lies."""
        n, d = X.shape
        with device_work(f"{n} rows of {self.width} integers"):
            q = torch_kernels.empty((n, self.width), self.dtype, torch_device())
            for part in row_blocks(n, max(1, torch_kernels.BLOCK // max(d, self.width))):
                block = X[part]
                if isinstance(block, np.ndarray):
                    block = sent(as_floats(block), q.device)
                found = self._finite_on_device(block.detach(), q.device, first_row + part.start)
                q[part] = found if self.projection is None else self._lifted_on_device(found)
        return DeviceRows(q)

    def _finite_on_device(self, block: Any, device: Any, first_row: int) -> Any:
        """Integers as float64."""
        x, limit = torch_kernels.floats(block, device), float(self.limit)
        if self.takes_integers:
            refuse_others(np.flatnonzero(torch_kernels.rows_beyond_integers(x, limit)), first_row)
            return x
        safe = self.rule.norm == "l2" and torch_kernels.squares_are_safe(block)
        if safe:
            found = torch_kernels.normalised_rows(x, self._scale, limit, safe)
            if found is not None:
                return found
        refuse_not_finite(torch_kernels.magnitude(x), first_row)
        if self.rule.norm == "l2":
            return torch_kernels.normalised_rows(x, self._scale, limit, safe)
        return torch_kernels.affine_rows(x, *self.affine, limit)

    def _lifted_on_device(self, found: Any) -> Any:
        assert self.projection is not None
        return self.projection.project_on_device(torch_kernels.as_integers(found, np.dtype(np.int8)), self._scale)

    def _checked_integers(self, X: NDArray[Any], first_row: int) -> NDArray[np.int8]:
        with np.errstate(invalid="ignore"):
            q = X.astype(np.int8)
        wrong = np.flatnonzero(((q != X) | (q == -128)).any(axis=1))
        refuse_others(wrong, first_row)
        return q

    def parameter(self) -> str | FixedPoint:
        """What `resolve_quantizer` makes this quantizer of, for rows of this width."""
        names = ("auto", "embedding", "tabular", "integers") if self.projection is None else ("auto",)
        same = (
            name for name in names if resolve_quantizer(name, self.projection, self.n_features, self.source) == self
        )
        return next(same, self.rule)

    def describe(self) -> str:
        """One line for messages, receipts and tables."""
        if self.takes_integers:
            rule = "integers"
        elif self.rule.bounds is not None:
            rule = "bounds"
        else:
            rule = f"{'l2, ' if self.rule.norm else ''}scale {self._scale:g}"
        lifted = f", {self.projection.describe()}" if self.projection else ""
        source = "" if self.source is None else f", from {self.source}"
        return f"{self.n_features} features, {self.bits} bits, {rule}{lifted}{source}"

    def part(self, which: Literal["input", "projection"]) -> tuple[Quantizer, slice]:
        """The quantizer of the rows alone, or of their random features alone, and its columns among these.

        Raises ValueError unless a projection keeps its input.
        """
        lift = self.projection
        if not isinstance(lift, RandomProjection) or not lift.keep_input:
            raise ValueError(f"only RandomProjection(keep_input=True) has parts; the quantizer is {self.describe()}")
        if which == "input":
            return replace(self, projection=None), slice(0, self.n_features)
        if which == "projection":
            return replace(self, projection=replace(lift, keep_input=False)), slice(self.n_features, self.width)
        raise ValueError(f'a part is "input" or "projection", got {which!r}')

    def spec(self) -> dict[str, Any]:
        """The quantizer as JSON values; floats in hexadecimal, so that they survive to the bit."""
        bounds = self.rule.bounds
        source = {} if self.source is None else {"source": self.source}  # quantizers without one keep their digests
        return {
            **source,
            "n_features": self.n_features,
            "bits": self.bits,
            "norm": self.rule.norm,
            "scale": None if bounds is not None else self._scale.hex(),
            "bounds": None if bounds is None else [[value.hex() for value in np.ravel(b).tolist()] for b in bounds],
            "as_is": self.takes_integers,
            "projection": None if self.projection is None else self.projection.spec(self.n_features),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Quantizer:
        """The quantizer that `spec` describes. Raises ValueError where it is not one that this version can make."""
        if "kind" in spec:
            if spec["kind"] not in cls._KINDS:
                raise ValueError(f"there is no kind of quantizer {str(spec['kind'])[:50]!r}")
            return cls._KINDS[spec["kind"]].from_spec(spec)
        try:
            scale, bounds, lift = spec["scale"], spec["bounds"], spec["projection"]
            rule = FixedPoint(
                spec["bits"],
                spec["norm"],
                None if scale is None else float.fromhex(scale),
                None if bounds is None else (_column(bounds[0]), _column(bounds[1])),
            )
            kind = FourierFeatures if lift and lift.get("kind") == "fourier" else RandomProjection
            projection = None if lift is None else kind.from_spec(lift)
            quantizer = cls(rule, int(spec["n_features"]), bool(spec["as_is"]), projection, spec.get("source"))
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"not the description of a quantizer: {error!r}") from error
        if quantizer.spec() != dict(spec) or not isinstance(quantizer.source, str | None):
            raise ValueError(
                "the quantizer's description doesn't agree with itself, or with this version's projection signs"
            )
        return quantizer

    def canonical_bytes(self) -> bytes:
        return canonical(self.spec())


def _column(values: list[str]) -> Column:
    floats = [float.fromhex(value) for value in values]
    return floats[0] if len(floats) == 1 else tuple(floats)


def resolve_quantizer(
    quantizer: str | FixedPoint, projection: RandomFeatures | None, n_features: int, source: str | None = None
) -> Quantizer:
    """The quantizer that a head's parameters mean for rows of this width, from this extractor."""
    if projection is not None:
        if not isinstance(projection, RandomFeatures):
            raise TypeError(
                f"projection must be a RandomProjection, FourierFeatures or None, got {type(projection).__name__}"
            )
        if not isinstance(quantizer, str) or quantizer not in ("auto", "embedding"):
            raise ValueError(
                f'a projection implies quantizer="embedding"; leave quantizer at "auto", got {quantizer!r}'
            )
        if n_features > MAX_FEATURES:
            raise ValueError(f"a projection takes at most {MAX_FEATURES} features, got {n_features}")
        quantizer = "embedding"
    if isinstance(quantizer, FixedPoint):
        rule = quantizer
        if rule.bounds is not None:
            for bound in rule.bounds:
                if isinstance(bound, tuple) and len(bound) != n_features:
                    raise ValueError(f"bounds are for {len(bound)} features, X has {n_features}")
            low, high = (np.broadcast_to(bound, n_features).tolist() for bound in rule.bounds)
            if len(set(low)) == len(set(high)) == 1:  # one range for all features, however it was written
                low, high = low[0], high[0]
            rule = FixedPoint(rule.bits, bounds=(low, high))
    elif quantizer == "integers":
        return Quantizer(FixedPoint(8, scale=1), n_features, takes_integers=True, source=source)
    elif quantizer in ("auto", "embedding", "tabular"):
        wide = quantizer == "tabular" or (quantizer == "auto" and n_features <= TABULAR_FEATURES)
        rule = FixedPoint(32) if wide else FixedPoint(8, norm="l2")
    else:
        raise ValueError(
            f'quantizer must be "auto", "embedding", "tabular", "integers" or a FixedPoint, got {quantizer!r}'
        )
    if rule.bounds is None and rule.scale is None:  # written out, so that equal quantizers compare equal
        rule = FixedPoint(rule.bits, rule.norm, rule.default_scale(n_features))
    return Quantizer(rule, n_features, projection=projection, source=source)


def _kernels() -> ModuleType:
    return reference if get_backend() == "numpy" else kernels


def _finite_magnitude(run: ModuleType, x: NDArray[Any], first_row: int) -> NDArray[Any]:
    """max|x| by row. Raises ValueError naming the rows that hold NaN or infinity."""
    word = np.dtype(f"u{x.dtype.itemsize}")
    infinity = np.array(math.inf, dtype=x.dtype).view(word)[()]
    top = np.empty(x.shape[0], dtype=word)
    run.largest_magnitude(x.view(word), word.type(2 ** (8 * word.itemsize - 1) - 1), top)
    magnitude: NDArray[Any] = top.view(x.dtype)
    if (top >= infinity).any():
        refuse_not_finite(magnitude, first_row)
    return magnitude
