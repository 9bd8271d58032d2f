"""The rule by which a row becomes integers, as a user declares it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

# The largest magnitude of each width: with it, every 8-bit slice of a value lies within +-127 or +-128.
LIMITS = {8: 0x7F, 16: 0x7F7F, 32: 0x7F7F7F7F}

# Without `scale` or `bounds`: rows as they are, for standardised columns at 8 and 16 bits (range +-4, +-128).
_PLAIN_SCALES = {8: 2.0**5, 16: 2.0**8, 32: 2.0**12}

# Of `for_rows`, by bits: how far the range reaches from its middle, in ranges of the rows that declare it.
_REACH = {8: 0.75, 16: 4.0, 32: 1024.0}

_EXTREME = 1e30  # beyond it, squares of what the integers stand for leave the range of floats

Column = float | tuple[float, ...]


@dataclass(frozen=True)
class FixedPoint:
    """Quantise rows to fixed point by a declared rule that never looks at other rows.

    Parameters
    ----------
    bits : {8, 16, 32}
        Width of the integers. They are clipped to +-127, +-32,639 and +-2,139,062,143.
    norm : {None, "l2"}, default=None
        "l2" divides each row by its Euclidean norm first. A zero row stays zero.
    scale : float, optional
        Integers per unit. By default, with ``norm="l2"``: ``2**round(log2(32 * sqrt(n_features)))`` at 8 bits, 2**14
        at 16 and 2**30 at 32 (every coordinate of a unit row fits); without a norm: 2**5, 2**8 and 2**12, which
        suits standardised columns.
    bounds : (low, high), optional
        Declared range of the features, each a number or one number a feature; mapped to the full integer range.
        Declare it from knowledge (0 to 255, minus one to one), not from the data; `for_rows` takes it from rows that
        may be looked at. Excludes `norm` and `scale`.

    Notes
    -----
    The integers of a row don't depend on the batch that it comes in, on float32 or float64 storage of the same
    values, on memory order, threads or machine: the sum of squares runs in a fixed order, without fused
    multiply-add, and halves round to even.

    Exactness: bit for bit. Quantising itself rounds; all that is learned after it is exact in the integers.

    Cost: one pass, O(n_features) a row.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import FixedPoint, LDAClassifier
    >>> X = np.array([[30000.0, 29998.0], [30003.0, 30001.0], [29990.0, 29995.0]])
    >>> head = LDAClassifier(quantizer=FixedPoint(16, scale=1)).fit(X, [0, 0, 1])
    >>> head.quantizer_.quantise(X[:1])
    array([[30000, 29998]], dtype=int16)
    """

    bits: Literal[8, 16, 32]
    norm: Literal["l2"] | None = None
    scale: float | None = None
    bounds: tuple[Column, Column] | None = None

    def __post_init__(self) -> None:
        # Normalised, so that equal rules are equal, print alike, and survive JSON.
        if isinstance(self.bits, bool) or self.bits not in tuple(LIMITS):
            raise ValueError(f"bits must be 8, 16 or 32, got {self.bits!r}")
        object.__setattr__(self, "bits", int(self.bits))
        if self.norm is not None and not (isinstance(self.norm, str) and self.norm == "l2"):
            raise ValueError(f'norm must be None or "l2", got {self.norm!r}')
        if self.scale is not None:
            object.__setattr__(self, "scale", _checked_scale(self.scale))
        if self.bounds is not None:
            if self.norm is not None or self.scale is not None:
                raise ValueError("bounds fix the scale: give neither norm nor scale with them")
            object.__setattr__(self, "bounds", _checked_bounds(self.bounds))

    @classmethod
    def for_rows(cls, public_rows: Any, bits: Literal[8, 16, 32] = 32) -> Self:
        """Declare the range of each column from rows that may be looked at.

        For public or consented rows only: their extremes become part of the rule, and so of the digest and of every
        file, and no `forget` takes them out. The rule is declared before anything is learned, and stays.

        Parameters
        ----------
        public_rows : array-like of shape (n_samples, n_features)
            Finite numbers, of the kind that is to be learned.
        bits : {8, 16, 32}, default=32
            Later rows may leave the range of these by 1,000 times its width at 32 bits, 3.5 times at 16, a quarter at
            8; less in columns whose extremes lie so far out that their middle would be left with few integers.

        Returns
        -------
        FixedPoint
            With a pair of bounds a column. A constant column may double.

        Notes
        -----
        Exactness: the same rows declare the same rule, in any order.

        Cost: sorting each column.

        Examples
        --------
        >>> from analytic_cl import FixedPoint, LDAClassifier
        >>> public = [[1.70e9, 0.0], [1.71e9, 1e-6]]  # Unix seconds, moles a litre
        >>> X = [[1.701e9, 0.0], [1.702e9, 1e-6], [1.708e9, 0.0], [1.709e9, 1e-6]]
        >>> LDAClassifier(quantizer=FixedPoint.for_rows(public)).fit(X, ["a", "a", "b", "b"]).predict(X).tolist()
        ['a', 'a', 'b', 'b']
        """
        cls(bits)  # refuses other widths
        try:
            rows = np.asarray(public_rows, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"public_rows must be rows of numbers: {error}") from error
        if rows.ndim != 2 or not rows.size:
            raise ValueError(f"public_rows must have shape (n_samples, n_features), not empty; got {rows.shape}")
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if bad.size:
            raise ValueError(f"public_rows hold NaN or infinity in row(s) {bad[:10].tolist()}: drop them first")
        low, most_low, most_high, high = np.quantile(rows, [0, 0.05, 0.95, 1], axis=0)
        middle, width = low / 2 + high / 2, high / 2 - low / 2
        size = np.maximum(np.abs(low), np.abs(high))
        usual = np.where(most_high > most_low, most_high / 2 - most_low / 2, width)
        with np.errstate(over="ignore"):
            room = np.clip(
                usual * (LIMITS[bits] / 2 ** (bits // 2 - 2)), 2 * _REACH[8] * width, 2 * _REACH[bits] * width
            )
        # A constant may double; what varies less than that beside its size is taken for rounding.
        half = np.where(width > 0, np.maximum(room, size * 2.0**-20), np.where(size > 0, size, 1))
        wrong = np.flatnonzero(~(half <= _EXTREME / 2))
        if wrong.size:
            raise ValueError(f"values are too large at feature(s) {wrong[:10].tolist()}: use larger units")
        half = np.maximum(half, 1 / _EXTREME)
        return cls(bits, bounds=(tuple((middle - half).tolist()), tuple((middle + half).tolist())))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name, as scikit-learn's estimators give them: for searches over ``quantizer__...``."""
        return {"bits": self.bits, "norm": self.norm, "scale": self.scale, "bounds": self.bounds}

    def __sklearn_clone__(self) -> Self:
        return self  # it never changes

    def default_scale(self, n_features: int) -> float:
        """Integers per unit for rows of this width, when neither `scale` nor `bounds` is given."""
        if self.norm is None:
            return _PLAIN_SCALES[self.bits]
        if self.bits == 8:
            return 2.0 ** round(math.log2(32 * math.sqrt(n_features)))
        return 2.0 ** (self.bits - 2)


def _checked_scale(scale: Any) -> float:
    try:
        value = float(scale)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not 1 / _EXTREME <= value <= _EXTREME:
        raise ValueError(f"scale must be a positive number, from 1e-30 to 1e30, got {scale!r}")
    return value


def _checked_bounds(bounds: Any) -> tuple[Column, Column]:
    try:
        low, high = (np.asarray(part, dtype=np.float64) + 0.0 for part in bounds)  # + 0.0 turns -0.0 into 0.0
    except (TypeError, ValueError) as error:
        raise ValueError(f"bounds must be a pair (low, high) of numbers or of one number a feature: {error}") from error
    if low.ndim > 1 or high.ndim > 1:
        raise ValueError("bounds must be numbers or one number a feature")
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError("bounds must be finite")
    if low.size != high.size and 1 not in (low.size, high.size):
        raise ValueError(f"bounds disagree on the number of features: {low.size} and {high.size}")
    with np.errstate(over="ignore"):
        width = np.atleast_1d(high - low)
    wrong = np.flatnonzero(~((width >= 1 / _EXTREME) & (width <= _EXTREME)))
    if wrong.size:
        raise ValueError(
            f"bounds must have low < high, apart by 1e-30 to 1e30; not so at feature(s) {wrong[:10].tolist()}"
        )
    first, second = (float(b.ravel()[0]) if b.size == 1 else tuple(b.tolist()) for b in (low, high))
    return first, second
