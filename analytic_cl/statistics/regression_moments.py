"""The learned state of regression: count, sums and products of rows that are joint with their targets."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers import JointQuantizer, Quantizer
from analytic_cl.statistics import gram
from analytic_cl.statistics.labelled_state import MAX_ROWS
from analytic_cl.statistics.moments import Moments
from analytic_cl.statistics.state import TARGET_PRODUCTS

Whole = NDArray[Any]  # Python's integers, of any size, in an object array


class RegressionMoments(Moments):
    """Count, sum and Gram matrix of joint rows, in integers: N, sum x, sum x x^T, sum y, sum x y^T, sum y y^T.

    It is `Moments` of order 2 over rows that have their targets' integers behind the features' (see `JointQuantizer`),
    all of one label. The bytes that a target is cut into are columns of the Gram matrix: what the target itself sums to
    is a sum of these, each times a power of two, in Python's integers.

    Parameters
    ----------
    quantizer : JointQuantizer
        What the joint rows mean; part of the digest.

    Notes
    -----
    Exactness: bit for bit, as `Moments`.

    Cost: that of `Moments` for rows that are wider by four columns an output behind 8 and 16 bits, by one behind 32.
    At most 2**31 rows.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import RLSRegressor
    >>> X, y = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), np.array([1.0, 2.0, 4.0])
    >>> state = RLSRegressor().fit(X, y).state_
    >>> state.n_rows, (state.quantizer.target_step * state.target_sums()).tolist()
    (3, [7.0])
    """

    kind = "regression moments"
    labels_are_classes = False
    quantizer: JointQuantizer

    def __init__(self, quantizer: Quantizer, order: int = 2) -> None:
        if not isinstance(quantizer, JointQuantizer) or order != 2:
            raise ValueError(f"a state of kind {self.kind!r} has order 2 and rows that are joint with their targets")
        super().__init__(quantizer, order)
        self.provides = frozenset({TARGET_PRODUCTS})

    def __repr__(self) -> str:
        return f"RegressionMoments({self.n_rows} rows, {self.quantizer.describe()})"

    def _check_room(self, n: int) -> None:
        super()._check_room(n)
        if self.n_rows + n > MAX_ROWS[32]:
            raise ValueError(f"a state of regression holds at most {MAX_ROWS[32]} rows, not {self.n_rows} + {n}")

    def rows_alone(self) -> Moments:
        """Count, sum and Gram matrix of the rows without their targets: a copy, all rows of one class."""
        columns = slice(0, self.quantizer.row_width)
        packed = gram.square_part(self.planes, self.quantizer.width, columns)
        planes = [plane.astype(np.int64, copy=False) for plane in packed]  # behind 8 bits they may be of int32
        return Moments.of_classes(self.quantizer.rows, self.labels, self.counts, self.sums[:, columns], planes)

    def target_sums(self) -> Whole:
        """Sum of the integer targets of each output, shape (n_targets,)."""
        return np.asarray(self.quantizer.integer_targets(self.total.astype(object)[None])[0], dtype=object)

    def target_products(self) -> Whole:
        """Sum over all rows of x y^T, shape (row_width, n_targets)."""
        wide, quantizer = self.quantizer.row_width, self.quantizer
        products = self._entries(np.arange(wide)[:, None], np.arange(wide, quantizer.width)[None])
        padded = np.concatenate([np.zeros((wide, wide), dtype=object), products], axis=1)
        return np.asarray(quantizer.integer_targets(padded), dtype=object)

    def target_squares(self) -> Whole:
        """Sum of the squared integer targets of each output, shape (n_targets,)."""
        each = self.quantizer.columns_a_target
        first = np.arange(self.quantizer.row_width, self.quantizer.width, each)
        pairs = [(b, c, 1 if b == c else 2) for b in range(each) for c in range(b, each)]
        parts = (k * self._entries(first + b, first + c) << 8 * (b + c) for b, c, k in pairs)
        return np.asarray(sum(parts, np.zeros(len(first), dtype=object)), dtype=object)

    def _entries(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> Whole:
        """Entries (i, j), j >= i, of the Gram matrix."""
        places = gram.row_starts(self.quantizer.width)[i] + (j - i)
        shifts = gram.PLANE_SHIFTS[self.quantizer.bits]
        parts = (plane[places].astype(object) << shift for plane, shift in zip(self.planes, shifts, strict=True))
        return cast(Whole, sum(parts, np.zeros(places.shape, dtype=object)))
