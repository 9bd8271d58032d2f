"""What the quantizer costs: accuracy by bits and scale, against heads in float64 on the same rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from analytic_cl.comparison.features import Features, unit_rows
from analytic_cl.heads import Head, LDAClassifier, NearestMeanClassifier, NearestNeighborsClassifier, RLSClassifier
from analytic_cl.learner import Learner
from analytic_cl.memory import LearnedRows
from analytic_cl.quantizers import FixedPoint, resolve_quantizer
from analytic_cl.quantizers.fixed_point import LIMITS
from analytic_cl.statistics import Moments
from analytic_cl.studies.float_twins import TWINS
from analytic_cl.studies.tables import Table

BITS = (4, 6, 8, 16, 32)
OCTAVES = (-6, -5, -4, -3, -2, -1, 0, 1, 2, 4)  # of the scale, from the default of the embedding quantizer at 8 bits

COLUMNS = ["features", "head", "bits", "scale", "accuracy", "float64", "points", "clipped"]

NOTE = (
    "Unit rows. scale: integers per unit; 2^{default} is the embedding quantizer's. float64: the same head on the same "
    "unit rows, never quantised. points: per cent of test rows gained or lost; one test row is {one:.3f}, and "
    "{error:.2f} is one standard error of an accuracy. clipped: share of training values beyond the range. 4 and 6 "
    "bits: integers of 8 bits, clipped to +-7 and +-31."
)


def ablate(
    rows: Features,
    *,
    bits: tuple[int, ...] = BITS,
    octaves: tuple[int, ...] = OCTAVES,
    done: Callable[[int], None] = lambda _: None,
) -> Table:
    """Accuracy of four heads behind quantizers of several bits and scales, and of their twins in float64.

    Parameters
    ----------
    rows : Features
        Training and test rows; made unit rows, by the quantizers and for the twins.
    bits : tuple of int, default=(4, 6, 8, 16, 32)
        From 2 to 8, 16 or 32.
    octaves : tuple of int
        Scales, as powers of two above the embedding quantizer's.
    done : callable, optional
        Told 1 for every quantizer that is finished.

    Returns
    -------
    Table
        One row a head, number of bits and scale.

    Notes
    -----
    Cost: one state of order 2 and two solves for every quantizer; at 32 bits the state takes many times as long as at
    8.

    Exactness: integer states bit for bit; the twins are algebraic.

    A downside: one split. Differences below a standard error say that the quantizer costs little, not which scale is
    best.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.comparison.features import as_features
    >>> from analytic_cl.studies.quantisation import ablate
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(300) % 3
    >>> X = rng.normal(size=(300, 16)) + 2 * np.eye(16)[y]
    >>> table = ablate(as_features((X[:200], y[:200], X[200:], y[200:])), bits=(16,), octaves=(6,))
    >>> [(row[1], row[6]) for row in table.rows]
    [('nearest mean', 0.0), ('LDA', 0.0), ('ridge', 0.0), ('neighbours', 0.0)]
    """
    wrong = [b for b in bits if b not in (*range(2, 9), 16, 32)]
    if wrong:
        raise ValueError(f"bits must be from 2 to 8, 16 or 32, got {wrong}")
    units = unit_rows(rows.X_train), unit_rows(rows.X_test)
    classes, places = np.unique(rows.y_train, return_inverse=True)
    twins = {
        name: float((classes[twin(units[0], places.astype(np.int64), units[1])] == rows.y_test).mean())
        for name, twin in TWINS.items()
    }
    default = round(math.log2(FixedPoint(8, "l2").default_scale(rows.X_train.shape[1])))
    error = 100 * math.sqrt(max(0.25 * 1e-9, twins["LDA"] * (1 - twins["LDA"])) / len(rows.y_test))
    note = NOTE.format(default=default, one=100 / len(rows.y_test), error=error)
    table = Table("Quantisation", note, COLUMNS, figure="quantisation.png")
    for b in bits:
        for octave in octaves:
            scale = 2.0 ** (default + octave)
            clipped = float((np.abs(units[0]) * scale > _limit(b) + 0.5).mean())
            for name, accuracy in _accuracies(rows, b, scale):
                points = 100 * (accuracy - twins[name])
                table.rows.append([rows.name, name, b, scale, accuracy, twins[name], points, clipped])
            done(1)
    return table


def by_bits_and_scale(table: Table, head: str) -> Table:
    """Points of one head as a matrix: a row for each number of bits, a column for each scale."""
    at = {name: place for place, name in enumerate(table.columns)}
    rows = [row for row in table.rows if row[at["head"]] == head]
    scales = sorted({row[at["scale"]] for row in rows})
    found = {(row[at["bits"]], row[at["scale"]]): f"{row[at['points']]:+.2f}" for row in rows}
    title = f"{head}, points from {100 * rows[0][at['float64']]:.2f} % in float64, by bits and scale"
    lines = [[str(b), *(found[b, scale] for scale in scales)] for b in sorted({row[at["bits"]] for row in rows})]
    return Table(title, table.note, ["bits", *(f"2^{round(math.log2(scale))}" for scale in scales)], lines)


def _limit(bits: int) -> int:
    return LIMITS.get(bits, (1 << (bits - 1)) - 1)


def _accuracies(rows: Features, bits: int, scale: float) -> Iterator[tuple[str, float]]:
    """Name and accuracy of each head behind one quantizer."""
    rule = FixedPoint(bits if bits in LIMITS else 8, "l2", scale)  # type: ignore[arg-type]
    quantizer, limit = resolve_quantizer(rule, None, rows.X_train.shape[1]), _limit(bits)
    train, test = (np.clip(quantizer.quantise(part), -limit, limit) for part in (rows.X_train, rows.X_test))
    moments, learned = Moments(quantizer), LearnedRows(quantizer)
    for state in (moments, learned):
        state.add(train, rows.y_train, from_quantizer=True)
    memory = NearestNeighborsClassifier(quantizer=rule, track="none")
    memory.adopt(Learner(learned, track="none"))
    heads: dict[str, Head] = {
        "nearest mean": NearestMeanClassifier.from_moments(moments, track="none"),
        "LDA": LDAClassifier.from_moments(moments, track="none"),
        "ridge": RLSClassifier.from_moments(moments, alpha="oas", track="none"),
        "neighbours": memory,
    }
    for name, head in heads.items():
        yield name, float((head.labels_of(head.scores_of(test)) == rows.y_test).mean())
