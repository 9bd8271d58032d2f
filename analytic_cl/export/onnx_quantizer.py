"""The quantizer, and a projection behind it, as a graph: float32 rows in, integers out, held in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.export.graph import Graph
from analytic_cl.quantizers import FourierFeatures, Quantizer, RandomFeatures, RandomProjection
from analytic_cl.quantizers.fourier import COSINES
from analytic_cl.quantizers.kernels import LANES


def integers(g: Graph, x: str, quantizer: Quantizer) -> str:
    """Of rows as float32, shape (n, n_features): the integers as float64, shape (n, width)."""
    q = input_integers(g, x, quantizer)
    return q if quantizer.projection is None else lifted(g, q, quantizer)


def input_integers(g: Graph, x: str, quantizer: Quantizer) -> str:
    """As `integers`, in front of a projection."""
    x = g.cast(x, np.float64)
    if not quantizer.takes_integers:
        offset, scale = quantizer.affine
        if quantizer.rule.norm == "l2":
            x = g.mul(x, _unit_factor(g, x, quantizer.n_features, float(scale[0])))
        elif quantizer.rule.bounds is None:
            x = g.mul(x, g.constant(scale[0]))
        else:
            x = g.mul(g.sub(x, g.constant(offset)), g.constant(scale))
    limit = float(quantizer.limit)
    return g.op("Clip", g.op("Round", x), g.constant(-limit), g.constant(limit))


def _unit_factor(g: Graph, x: str, d: int, scale: float) -> str:
    """Scale / |x|, the squares added in the order of the quantizer's specification where `CumSum` adds in order, as
    that of ONNX Runtime does. 1 for rows of zero. Squares of float32 neither overflow nor underflow in float64.
    """
    squares = g.mul(x, x)
    if d % LANES:
        squares = g.op("Pad", squares, g.integers(0, 0, 0, LANES - d % LANES), g.constant(0.0))
    n_chunks = -(-d // LANES)
    lanes = g.op("Reshape", squares, g.integers(-1, n_chunks, LANES))
    for n in (n_chunks, LANES):  # down the lanes, then across them
        sums = g.op("CumSum", lanes, g.array(1, np.int64))
        lanes = g.op("Gather", sums, g.array(n - 1, np.int64), axis=1)
    total = g.op("Reshape", lanes, g.integers(-1, 1))
    one, nothing = g.constant(1.0), g.constant(0.0)
    return g.div(g.constant(scale), g.sqrt(g.where(g.above(total, nothing), total, one)))


def exact_products(g: Graph, q: str, weights: NDArray[Any], limit: int) -> str:
    """Q @ weights of integers below `limit`, exactly, as float64: in float32 by blocks of columns whose sums stay below
    2^24, or in float64 where 2^53 is enough. The file holds the weights as they are.
    """
    d, largest = weights.shape[0], int(np.abs(weights).max(initial=1)) * limit
    size = 2**24 // largest
    if size < min(d, 256):
        return g.matmul(q, g.cast(g.array(weights, weights.dtype), np.float64))
    q, total = g.cast(q, np.float32), ""
    for start in range(0, d, size):
        part = q if size >= d else g.columns(q, start, min(start + size, d))
        block = np.ascontiguousarray(weights[start : start + size])
        sums = g.cast(g.matmul(part, g.cast(g.array(block, block.dtype), np.float32)), np.float64)
        total = g.add(total, sums) if total else sums
    return total


def lifted(g: Graph, q: str, quantizer: Quantizer) -> str:
    lift, scale = quantizer.projection, float(quantizer.affine[1][0])
    for kind, write in _LIFTS:
        if isinstance(lift, kind):
            return write(g, q, lift, quantizer.n_features, scale)
    raise TypeError(f"a projection of kind {type(lift).__name__} can't be exported")


def _random_projection(g: Graph, q: str, lift: RandomProjection, d: int, scale: float) -> str:
    shift = lift.shift(scale)
    sums = exact_products(g, q, lift.signs(d).astype(np.int8), 127)
    z = _rectified_shift(g, sums, shift)
    if not lift.choices():
        return z
    parts = [q, z] if lift.keep_input else [z]
    if lift.tanh:
        negated = _rectified_shift(g, g.op("Neg", sums), shift)
        table = lift.tangents(scale)
        parts.append(g.sub(_looked_up(g, table, g.cast(z, np.int64)), _looked_up(g, table, g.cast(negated, np.int64))))
    return g.op("Concat", *parts, axis=1)


def _rectified_shift(g: Graph, sums: str, shift: int) -> str:
    half = (1 << shift) >> 1
    shifted = g.op("Floor", g.div(g.add(g.op("Relu", sums), g.constant(half)), g.constant(2.0**shift)))
    return g.op("Min", shifted, g.constant(127.0))


def _fourier(g: Graph, q: str, lift: FourierFeatures, d: int, scale: float) -> str:
    phases, directions = lift.drawn(d)
    sums = g.cast(exact_products(g, q, directions.astype(np.int8), 127), np.int64)
    angle = g.add(g.mul(sums, g.array(lift.turns_per_step(scale), np.int64)), g.array(phases, np.int64))
    place = g.div(g.op("Mod", angle, g.array(2**32, np.int64)), g.array(2**20, np.int64))
    return _looked_up(g, COSINES, place)


def _looked_up(g: Graph, table: NDArray[np.int8], places: str) -> str:
    return g.op("Gather", g.constant(table.astype(np.float64)), places, axis=0)


_LIFTS: tuple[tuple[type[RandomFeatures], Callable[..., str]], ...] = (
    (RandomProjection, _random_projection),
    (FourierFeatures, _fourier),
)
