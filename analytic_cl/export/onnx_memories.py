"""Heads that remember rows or counts of keys, as graphs: what is remembered goes into the file."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl.export.graph import Graph
from analytic_cl.export.onnx_quantizer import exact_products
from analytic_cl.export.scores import difference
from analytic_cl.heads import KeyValueBottleneckClassifier, NearestNeighborsClassifier
from analytic_cl.memory import LearnedRows
from analytic_cl.quantizers import NearestKeys
from analytic_cl.quantizers.nearest import LIMIT, squares
from analytic_cl.quantizers.sign_keys import weighted_sums
from analytic_cl.statistics import KeyCounts


def neighbors(g: Graph, q: str, head: NearestNeighborsClassifier) -> str:
    """Votes of the nearest rows, which lie in the graph in the order that decides between equal distances."""
    state = cast(LearnedRows, head.state_)
    if head.n_probes is not None:
        raise ValueError("an exported search looks at all rows: export set_params(n_probes=None)")
    rows, places = _in_order(state)
    k, n_classes = min(int(head.n_neighbors), len(rows)), len(state.labels)
    squared, nearest = _by_angle(g, q, rows, k) if state.by_angle else _by_distance(g, q, rows, k)
    shares = _shares(g, squared, k, head, by_angle=state.by_angle)
    codes = g.op("Gather", g.array(places, np.int64), nearest, axis=0)
    shape = g.op("Concat", g.op("Shape", q, start=0, end=1), g.integers(n_classes), axis=0)
    empty = g.op("Expand", g.constant(np.zeros((1, n_classes))), shape)
    return str(difference(g, g.op("ScatterElements", empty, codes, shares, axis=1, reduction="add"), n_classes))


def _in_order(state: LearnedRows) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Rows by their bytes, then by the place of their class, and these places."""
    live = state.table.live()
    rows, places = state.table.payload[live], state.class_places(live)
    little = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    text = little.view(f"S{rows.shape[1] * rows.dtype.itemsize}").ravel()
    order = np.argsort(places, kind="stable")
    order = order[np.argsort(text[order], kind="stable")]
    return rows[order], places[order]


def _by_distance(g: Graph, q: str, rows: NDArray[Any], k: int) -> tuple[str, str]:
    if rows.dtype == np.int32:  # from their middle, so that more sums stay below 2^53
        middle = np.rint(rows.mean(axis=0))
        q, rows = g.sub(q, g.constant(middle)), rows - middle
    own = g.folded(g.total(g.mul(q, q)), 1, 1)
    lengths = (rows.astype(np.float64) ** 2).sum(axis=1)
    products = exact_products(g, q, rows.T, 127 if rows.dtype == np.int8 else 2**31)
    distances = g.sub(g.add(own, g.constant(lengths)), g.mul(products, g.constant(2.0)))
    distances = g.op("Max", distances, g.constant(0.0))
    squared, nearest = g.ops("TopK", 2, distances, g.integers(k), axis=1, largest=0, sorted=1)
    return squared, nearest


def _by_angle(g: Graph, q: str, rows: NDArray[Any], k: int) -> tuple[str, str]:
    lengths = (rows.astype(np.float64) ** 2).sum(axis=1)
    products = exact_products(g, q, rows.T, 127 if rows.dtype == np.int8 else 2**31)
    per_length = g.div(products, g.constant(np.sqrt(np.maximum(lengths, 1.0))))
    nearest = g.ops("TopK", 2, per_length, g.integers(k), axis=1, largest=1, sorted=1)[1]
    dots = g.op("GatherElements", products, nearest, axis=1)
    own = g.folded(g.total(g.mul(q, q)), 1, 1)
    both = g.sqrt(g.mul(g.op("Gather", g.constant(lengths), nearest, axis=0), own))
    one = g.constant(1.0)  # where a length is 0, so is the product
    cosines = g.div(dots, g.where(g.above(both, g.constant(0.0)), both, one))
    squared = g.sub(g.constant(2.0), g.mul(g.constant(2.0), cosines))
    return g.op("Max", squared, g.constant(0.0)), nearest


def _shares(g: Graph, squared: str, k: int, head: NearestNeighborsClassifier, *, by_angle: bool) -> str:
    if head.vote == "majority":
        return g.add(g.mul(squared, g.constant(0.0)), g.constant(1 / k))
    behind = g.sub(squared, g.columns(squared, 0, 1))
    unit = g.constant(1.0) if by_angle else g.mul(g.constant(2.0), g.columns(squared, k // 2, k // 2 + 1))
    exponent = g.div(g.div(behind, unit), g.constant(2 * float(head.temperature)))
    weights = g.op("Exp", g.op("Neg", exponent))
    weights = g.where(g.above(behind, g.constant(0.0)), weights, g.constant(1.0))
    return g.div(weights, g.folded(g.total(weights), 1, 1))


def key_counts(g: Graph, q: str, head: KeyValueBottleneckClassifier) -> str:
    """A loop over the codebooks: the counts of each row's key, and what they are worth."""
    state = cast(KeyCounts, head.state_)
    tables = state.tables
    n_codebooks, n_keys, n_classes = tables.shape
    small = next(t for t in (np.uint8, np.uint16, np.int32) if tables.max(initial=0) <= np.iinfo(t).max)
    smoothing, how = float(head.smoothing), head.read_out
    logs = np.log(np.arange(int(state.counts.max()) + 1) + smoothing)
    keyed = _nearest_keys if isinstance(state.keys, NearestKeys) else _sign_keys
    stacks, shapes, dtypes, key_of = keyed(g, q, state)

    def codebook(carried: list[str], table: str, *lines: str) -> tuple[list[str], list[str]]:
        hit = g.op("Gather", table, key_of(*lines), axis=0)
        if how == "naive bayes":
            found = g.op("Gather", g.constant(logs), g.cast(hit, np.int64), axis=0)
        else:
            counts = g.cast(hit, np.float64)
            sums = g.folded(g.total(counts), 1, 1)
            posterior = g.div(g.add(counts, g.constant(smoothing)), g.add(sums, g.constant(smoothing * n_classes)))
            found = posterior if how == "mean posterior" else g.op("Log", posterior)
        return [g.add(carried[0], found)], []

    shape = g.op("Concat", g.op("Shape", q, start=0, end=1), g.integers(n_classes), axis=0)
    start = g.op("Expand", g.constant(np.zeros((1, n_classes))), shape)
    (scores,) = g.scan(
        codebook,
        [start],
        [g.array(tables, small), *stacks],
        [(n_keys, n_classes), *shapes],
        dtypes=[small, *dtypes],
        carried_shape=("rows", n_classes),
    )
    if how == "naive bayes":
        n = state.counts
        rest = np.log(n / n.sum()) - n_codebooks * np.log(n + smoothing * n_keys)
        scores = g.add(scores, g.constant(rest))
    else:
        scores = g.div(scores, g.constant(float(n_codebooks)))
    return str(difference(g, scores, n_classes))


def _sums(g: Graph, q: str, state: KeyCounts, n_projections: int) -> str:
    """Exact sums of integer rows under the weights of all projections."""
    d = state.quantizer.width
    weights = weighted_sums(np.eye(d, dtype=np.int8), state.keys.random_state, n_projections)
    return exact_products(g, q, weights.astype(np.int8), state.quantizer.limit)


def _sign_keys(g: Graph, q: str, state: KeyCounts) -> tuple[list[str], list[Any], list[Any], Any]:
    bits, n_codebooks = state.keys.bits, state.keys.n_codebooks
    positive = g.cast(g.above(_sums(g, q, state, n_codebooks * bits), g.constant(0.0)), np.float64)
    valued = g.mul(positive, g.constant(np.tile(2.0 ** np.arange(bits), n_codebooks)))
    keys = valued if bits == 1 else g.total(g.folded(valued, n_codebooks, bits))
    by_codebook = g.op("Transpose", g.cast(keys, np.int64), perm=[1, 0])
    return [by_codebook], [("rows",)], [np.int64], lambda key: key


def _nearest_keys(g: Graph, q: str, state: KeyCounts) -> tuple[list[str], list[Any], list[Any], Any]:
    keys = cast(NearestKeys, state.keys)
    n_codebooks, m, n_keys = keys.centres.shape
    half = (1 << keys.shift) >> 1
    sums = g.add(_sums(g, q, state, n_codebooks * m), g.constant(half))
    shifted = g.op("Floor", g.div(sums, g.constant(2.0**keys.shift)))
    coordinates = g.op("Clip", shifted, g.constant(-float(LIMIT)), g.constant(float(LIMIT)))
    grouped = g.op("Reshape", coordinates, g.integers(-1, n_codebooks, m))
    by_codebook = g.op("Transpose", grouped, perm=[1, 0, 2])
    centres, lengths = g.array(keys.centres, np.int16), g.constant(squares(keys.centres))

    def key_of(row: str, centre: str, length: str) -> str:
        products = g.matmul(row, g.cast(centre, np.float64))
        return g.op("ArgMin", g.sub(length, g.mul(g.constant(2.0), products)), axis=1, keepdims=0)

    shapes = [("rows", m), (m, n_keys), (n_keys,)]
    return [by_codebook, centres, lengths], shapes, [np.float64, np.int16, np.float64], key_of
