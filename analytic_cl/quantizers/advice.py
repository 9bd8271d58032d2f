"""Which loss at a quantizer is worth a warning, and the one thing to do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers.fixed_point import LIMITS

if TYPE_CHECKING:
    from analytic_cl.quantizers.quantizer import Quantizer

WIDE_SCALE = 2.0**12
CLIPPED = 0.05  # of the rows, in one column of rows that keep their length
CLIPPED_OF_ALL = 0.03  # of the values of all columns
CLIPPED_UNIT = 0.5  # the same of unit rows: those of networks have columns that clip in a third of the rows
MANY_THIN = 0.02  # of the columns of unit rows, become one integer each
TINY = 1 / 64  # standard deviation in steps that no living column of an embedding has: a 2,000th of a usual one
DEAD = 2.0**-24  # of the length of the rows: what float32 rounds away, as in the columns that a network left unused
LENGTHS = 2.0  # embeddings have 1.0 to 1.5 between the 5th and the 95th hundredth, pixels of digits 1.9
FEW_STEPS = 8  # standard deviation of a column, in steps, above which merged rows are near each other at that


class Sample(NamedTuple):
    """Counts of `loss_kernels`, by name and by row; `merged` is the share of rows that became another's row."""

    columns: dict[str, NDArray[np.float64]]
    sizes: NDArray[np.float64]
    lost: NDArray[np.float64]
    weights: NDArray[np.float64]
    merged: float
    distinct: int  # rows that differ from each other
    eps: float


@dataclass(frozen=True)
class _Columns:
    """The sample as shares and deviations of columns."""

    n: float  # rows, as if each stood for as many
    clipped: NDArray[np.float64]
    filled: NDArray[np.float64]
    whole: NDArray[np.bool_]
    largest: NDArray[np.float64]
    varies: NDArray[np.bool_]
    steps: NDArray[np.float64]  # standard deviation, in steps
    rounding: NDArray[np.float64]  # mean square of what rounding took, as a share of the variance
    spread: NDArray[np.float64]  # standard deviation, in units of X
    held: NDArray[np.float64]  # share of the squared length of rows


def _columns(quantizer: Quantizer, sample: Sample) -> _Columns:
    counts, weight = sample.columns, sample.weights.sum()
    mean = counts["shift"] / weight
    variance = np.maximum(counts["spread"] / weight - mean**2, 0)
    steps = np.sqrt(variance)
    spread = steps / quantizer.affine[1]
    if quantizer.rule.norm:  # back from unit rows to units of X, whose lengths vary as well
        typical, apart = float(np.median(sample.sizes)), float(np.std(sample.sizes))
        spread = np.hypot(spread * typical, (counts["first"] + mean) / quantizer.affine[1] * apart)
    noise = 4 * sample.eps * counts["largest"] + 1e-14 * counts["largest"].max()
    return _Columns(
        n=weight**2 / (sample.weights**2).sum(),
        clipped=counts["clipped"] / weight,
        filled=counts["filled"] / weight,
        whole=(counts["broken"] == 0) & (quantizer.rule.norm is None),
        largest=counts["largest"],
        varies=spread > noise,
        steps=steps,
        rounding=(counts["rounding"] / weight) / np.where(variance > 0, variance, 1),
        spread=spread,
        held=(counts["first"] ** 2 + 2 * counts["first"] * mean + counts["spread"] / weight) / quantizer.affine[1] ** 2,
    )


def at_least(share: Any, n: float, z: float) -> Any:
    """Lower end of Wilson's interval of a share that was seen in n rows: few rows prove little."""
    half = z * np.sqrt(share * (1 - np.minimum(share, 1)) / n + z**2 / (4 * n**2))
    return (share + z**2 / (2 * n) - half) / (1 + z**2 / n)


def verdict(quantizer: Quantizer, sample: Sample, names: NDArray[Any] | None) -> str:
    """What the rows lose and what to do; empty where that is little."""
    columns = _columns(quantizer, sample)
    if columns.n < 2:  # one row can't be told from another
        return ""
    problem, advice = (_unit_rows if quantizer.rule.norm else _plain_rows)(quantizer, sample, columns, names)
    return f"{problem}: {advice} (now: {quantizer.describe()})" if problem else ""


def _plain_rows(quantizer: Quantizer, sample: Sample, columns: _Columns, names: NDArray[Any] | None) -> tuple[str, str]:
    clipped = np.flatnonzero(at_least(columns.clipped, columns.n, _z(columns)) >= CLIPPED)
    if columns.n > 3 and columns.clipped.mean() >= CLIPPED_OF_ALL:
        clipped = np.flatnonzero(columns.clipped >= min(CLIPPED_OF_ALL, columns.clipped.max()))
    thin = _thin(sample, columns, 4, CLIPPED, 0.25)
    if clipped.size:
        share = columns.clipped[clipped].max()
        problem = f"{share:.0%} of the values of {columns_named(clipped, names)} are beyond the range of the quantizer"
    elif thin.size:
        problem = f"values of {columns_named(thin, names)} differ by less than one integer step and become one integer"
    elif at_least(sample.merged, columns.n, 1) >= 0.5 and columns.steps.max() < FEW_STEPS:
        problem = f"{sample.merged:.0%} of the rows become the integers of another row that differs from them"
    else:
        return "", ""
    return problem, _plain_advice(quantizer, columns)


def _unit_rows(quantizer: Quantizer, sample: Sample, columns: _Columns, names: NDArray[Any] | None) -> tuple[str, str]:
    sure = at_least(columns.clipped, columns.n, _z(columns)) >= CLIPPED_UNIT
    large = (columns.held >= 0.1) & (at_least(columns.clipped, columns.n, 2) >= CLIPPED_UNIT)
    clipped = np.flatnonzero(sure | large)
    cut = at_least(_share(sample.lost > 0.75 * quantizer.affine[1][0] ** 2, sample.weights), columns.n, 2) >= 0.5
    thin = _thin(sample, columns, 8, 0.5, 1)
    if thin.size < MANY_THIN * columns.steps.size:  # embeddings have a few columns near zero
        steps = columns.steps[thin]
        thin = thin[(steps < TINY) & (steps > DEAD * quantizer.affine[1][0])]
    merged = at_least(sample.merged, columns.n, 1) >= 0.5
    heavy = _heavy(columns)
    if heavy.size and (clipped.size or cut or merged or thin.size):
        held = columns.held[heavy].sum()
        return (
            f"{held:.1%} of the length of the rows is in {columns_named(heavy, names)}; little is left of the others",
            _advice_for_lengths(quantizer, columns, names),
        )
    if clipped.size or cut:
        problem = "most rows are clipped to less than half of their length, because few columns hold it"
        if clipped.size:
            share = columns.clipped[clipped].max()
            problem = f"{share:.0%} of the values of {columns_named(clipped, names)} are too large for unit rows"
        return problem, _advice_for_clipped_units(quantizer)
    ratio = _spread_of_lengths(sample)
    if ratio > LENGTHS * (1 + 1 / math.sqrt(columns.n)) and columns.n > 3:
        problem = f"lengths of the rows differ by a factor of {ratio:.1f}, and the quantizer throws the length away"
    elif merged:
        problem = f"{sample.merged:.0%} of the rows become the integers of another row, of the same direction"
    elif thin.size:
        problem = (
            f"values of {columns_named(thin, names)} become one integer, because they are so small beside the others"
        )
    else:
        return "", ""
    return problem, _advice_for_lengths(quantizer, columns, names)


def _thin(sample: Sample, columns: _Columns, least: int, filled: float, rounding: float) -> NDArray[np.intp]:
    """Columns that vary, but of whose variance rounding takes most; a few rows can be near each other by chance."""
    varied = columns.varies & (columns.clipped == 0) & (columns.rounding >= rounding)
    some = (columns.filled == 1) | ((columns.filled >= filled) & (columns.filled * columns.n >= 8))
    return np.flatnonzero(varied & some & (sample.distinct >= least))


def _z(columns: _Columns) -> float:
    """Standard errors that none of this many columns should be off by, by chance."""
    return math.sqrt(2 * math.log(10 * columns.clipped.size))


def _heavy(columns: _Columns) -> NDArray[np.intp]:
    """The few columns that hold nearly all of the length of nearly all rows."""
    heavy = np.flatnonzero((columns.held >= 0.05) & (columns.filled >= 0.9))
    few = heavy.size <= max(1, columns.held.size // 8)
    return heavy if few and columns.held[heavy].sum() >= 0.8 else heavy[:0]


def _spread_of_lengths(sample: Sample) -> float:
    """95th over 5th hundredth of the lengths of rows that are not zero."""
    some = sample.sizes > 0
    if not some.any():
        return 1.0
    order = np.argsort(sample.sizes[some])
    lengths, weights = sample.sizes[some][order], np.cumsum(sample.weights[some][order])
    low, high = np.searchsorted(weights, np.array([0.05, 0.95]) * weights[-1])
    return float(lengths[high] / lengths[low])


def _share(of: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    return float(weights[of].sum() / weights.sum())


# ---- what to do


def _needed(columns: _Columns) -> NDArray[np.float64]:
    """The least scale at which a column's values stay apart: they vary by several steps, or are whole numbers."""
    several = 4 / np.where(columns.varies, columns.spread, np.inf)
    return np.where(columns.whole, np.minimum(several, 1), several)


def _one_scale(columns: _Columns) -> int | None:
    """Exponent of a scale at which 32 bits hold all columns, in the middle of those that do."""
    most = math.floor(math.log2(LIMITS[32] / max(columns.largest.max(), 1e-30)))
    least = math.ceil(math.log2(max(_needed(columns).max(), 1e-30)))
    return (least + most) // 2 if least <= most else None


def _fits_wide(columns: _Columns) -> bool:
    return bool(columns.largest.max() * WIDE_SCALE < LIMITS[32] and (_needed(columns) <= WIDE_SCALE).all())


def _plain_advice(quantizer: Quantizer, columns: _Columns) -> str:
    if _fits_wide(columns) and quantizer.rule.scale != WIDE_SCALE:
        return 'use quantizer="tabular"'
    exponent = _one_scale(columns)
    if exponent is not None:
        return f"use quantizer=FixedPoint(32, scale={f'2.0**{exponent}' if exponent else '1'})"
    return (
        "declare the range of each column, quantizer=FixedPoint(32, bounds=(low, high)), or let "
        "FixedPoint.for_rows(rows) take it from rows that may be looked at"
    )


def _advice_for_clipped_units(quantizer: Quantizer) -> str:
    if quantizer.projection is not None:
        return "standardise the columns before the projection"
    return 'use quantizer=FixedPoint(16, norm="l2"), which clips nothing'


def _advice_for_lengths(quantizer: Quantizer, columns: _Columns, names: NDArray[Any] | None) -> str:
    if quantizer.projection is not None:
        return "a projection takes rows of unit length: standardise the columns first, or leave the projection out"
    if _fits_wide(columns):
        return 'use quantizer="tabular"'
    beyond = columns.largest * WIDE_SCALE >= LIMITS[32]
    if beyond.any() and (_needed(columns)[~beyond] <= WIDE_SCALE).all():
        limit = f"{LIMITS[32] / WIDE_SCALE:,.0f}"
        where = columns_named(np.flatnonzero(beyond), names)
        return f'use quantizer="tabular", with {where} left out or in units in which values stay below {limit}'
    return _plain_advice(quantizer, columns)


def columns_named(columns: NDArray[np.intp], names: NDArray[Any] | None) -> str:
    """Name columns in a message: "column 3 of X", or "columns 3, 4, 9 and 12 more of X"."""
    shown = ", ".join(str(int(j)) if names is None else repr(str(names[j])) for j in columns[:10])
    more = f" and {columns.size - 10} more" if columns.size > 10 else ""
    return f"column{'s' if columns.size > 1 else ''} {shown}{more} of X"
