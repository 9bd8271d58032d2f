"""Rows and their numeric targets as one row of integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytic_cl._device import DeviceRows
from analytic_cl._sparse import SparseRows
from analytic_cl.quantizers.fixed_point import LIMITS, FixedPoint
from analytic_cl.quantizers.inputs import rows_named
from analytic_cl.quantizers.quantizer import Quantizer

DEFAULT_TARGETS = FixedPoint(32, scale=2.0**12)  # as tabular rows: +-522,231 in steps of 0.00024


@dataclass(frozen=True)
class JointQuantizer(Quantizer):
    """The quantizer of rows, with the rule of numeric targets that stand behind the features in the same row.

    A joint row is the features' integers and then, of each output, the target's integer: one column behind 32-bit rows,
    else its bytes, the lowest first, each from -128 to 127. Whatever keeps, sums, sends or erases integer rows thus
    keeps, sums, sends and erases targets with them, and y = offset + step * sum of 256^b y_b is linear in the columns.

    What is inherited means the rows alone (`quantise`, `step`, `dequantise`), but for `width`, `limit` and what names
    the whole: `describe`, `spec`, equality. Made by `with_targets`.
    """

    targets: FixedPoint = DEFAULT_TARGETS
    n_outputs: int | None = None  # None: targets have no axis of outputs

    kind = "joint"

    @cached_property
    def rows(self) -> Quantizer:
        """That of the rows alone."""
        return Quantizer(self.rule, self.n_features, self.takes_integers, self.projection, self.source)

    @cached_property
    def _target_rule(self) -> Quantizer:
        return Quantizer(self.targets, self.n_targets)

    @property
    def n_targets(self) -> int:
        """Outputs of a row: 1 where targets have no axis of outputs."""
        return self.n_outputs or 1

    @property
    def columns_a_target(self) -> int:
        return 1 if self.bits == 32 else self.targets.bits // 8

    @property
    def row_width(self) -> int:
        """Columns of features; those of targets follow."""
        return self.rows.width

    @property
    def width(self) -> int:
        return self.row_width + self.n_targets * self.columns_a_target

    @property
    def limit(self) -> int:
        return 128 if self.bits == 8 else LIMITS[self.bits]  # bytes of targets can be -128, features can't

    # ---- of the rows

    @cached_property
    def affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.rows.affine

    @cached_property
    def offset(self) -> NDArray[np.float64]:
        return self.rows.offset

    @cached_property
    def step(self) -> NDArray[np.float64]:
        return self.rows.step

    def rows_to_learn(self, X: Any, *, first_row: int = 0) -> NDArray[Any] | DeviceRows | SparseRows:
        return self.rows.rows_to_learn(X, first_row=first_row)

    def lift(self, q: NDArray[Any]) -> NDArray[Any]:
        return self.rows.lift(q)

    def parameter(self) -> str | FixedPoint:
        return self.rows.parameter()

    def part(self, which: Literal["input", "projection"]) -> tuple[Quantizer, slice]:
        raise ValueError("rows that are joint with their targets have no parts")

    # ---- of the targets

    @property
    def target_offset(self) -> NDArray[np.float64]:
        """What the integer 0 stands for, by output."""
        return self._target_rule.offset

    @property
    def target_step(self) -> NDArray[np.float64]:
        """What one integer step stands for, by output."""
        return self._target_rule.step

    def target_integers(self, y: NDArray[np.float64], *, first_row: int = 0) -> NDArray[np.int64]:
        """Integers of finite targets, shape (n, n_targets).

        Raises ValueError naming the rows that lie out of the declared range.
        """
        offset, units = self._target_rule.affine
        with np.errstate(over="ignore"):
            q = np.rint((y.reshape(len(y), self.n_targets) - offset) * units)
        beyond = np.abs(q) > LIMITS[self.targets.bits]
        if beyond.any():
            k = int(beyond.any(axis=0).argmax())  # an output at a time: each may have a range of its own
            low, high = ((offset + sign * LIMITS[self.targets.bits] / units)[k] for sign in (-1, 1))
            output, rows = f" of output {k}" if self.n_targets > 1 else "", np.flatnonzero(beyond[:, k]) + first_row
            raise ValueError(
                f"y is out of the declared range{output}, {low:.9g} to {high:.9g}, in "
                f"{rows_named(rows)}: declare another by target_quantizer, as FixedPoint(32, scale=1) or "
                "FixedPoint(32, bounds=(low, high)), or use larger units"
            )
        return q.astype(np.int64)

    def join(self, rows: NDArray[Any], targets: NDArray[np.int64]) -> NDArray[Any]:
        """Joint rows of integer rows, shape (n, row_width), and integer targets, shape (n, n_targets)."""
        joint: NDArray[Any] = np.empty((len(rows), self.width), dtype=self.dtype)
        joint[:, : self.row_width] = rows
        rest, each = targets, self.columns_a_target
        for place in range(each):
            digit = rest if place == each - 1 else ((rest + 128) & 255) - 128
            joint[:, self.row_width + place :: each] = digit
            rest = (rest - digit) >> 8
        return joint

    def integer_targets(self, joint: NDArray[Any]) -> NDArray[Any]:
        """Integer targets of joint rows, or of sums of them, shape (n, n_targets); Python's where the rows are."""
        columns = joint[:, self.row_width :].reshape(len(joint), self.n_targets, self.columns_a_target)
        if columns.dtype != object:
            columns = columns.astype(np.int64)
        return sum((columns[:, :, b] << 8 * b for b in range(1, columns.shape[2])), columns[:, :, 0])

    def target_values(self, joint: NDArray[Any]) -> NDArray[np.float64]:
        """What the targets of joint rows stand for, shape (n,) or (n, n_outputs)."""
        values = self.target_offset + self.target_step * self.integer_targets(joint)
        return np.asarray(values[:, 0] if self.n_outputs is None else values)

    # ---- of both

    def describe(self) -> str:
        outputs = "a target" if self.n_outputs is None else f"{self.n_outputs} targets"
        bounds = self.targets.bounds is not None
        rule = "bounds" if bounds else f"scale {self.targets.scale or self.targets.default_scale(1):g}"
        return f"{self.rows.describe()}; {outputs} of {self.targets.bits} bits, {rule}"

    def spec(self) -> dict[str, Any]:
        rule = self._target_rule.spec()
        return {
            **super().spec(),
            "kind": self.kind,
            "targets": {name: rule[name] for name in ("bits", "scale", "bounds")},
            "n_outputs": self.n_outputs,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> JointQuantizer:
        try:
            rows = Quantizer.from_spec({k: v for k, v in spec.items() if k not in ("kind", "targets", "n_outputs")})
            plain = {"norm": None, "as_is": False, "projection": None, "n_features": spec["n_outputs"] or 1}
            rule = Quantizer.from_spec({**plain, **spec["targets"]}).rule
            quantizer = with_targets(rows, rule, spec["n_outputs"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the description of a quantizer: {error!r}") from error
        if quantizer.spec() != dict(spec):
            raise ValueError("the quantizer's description doesn't agree with itself")
        return quantizer


def with_targets(rows: Quantizer, targets: FixedPoint, n_outputs: int | None) -> JointQuantizer:
    """The quantizer of rows with so many targets each, or, for None, with one that has no axis of its own."""
    if targets.norm is not None:
        raise ValueError(f"target_quantizer must have norm=None: targets keep their size, got {targets!r}")
    if n_outputs is not None and (type(n_outputs) is not int or n_outputs < 1):
        raise ValueError(f"targets have at least one output, got {n_outputs!r}")
    if targets.bounds is None:
        targets = FixedPoint(targets.bits, scale=targets.scale or targets.default_scale(1))
    else:
        low, high = (np.broadcast_to(b, n_outputs or 1).tolist() for b in _fitting(targets, n_outputs or 1))
        if len(set(low)) == len(set(high)) == 1:  # one range for all outputs, however it was written
            low, high = low[0], high[0]
        targets = FixedPoint(targets.bits, bounds=(low, high))
    return JointQuantizer(
        rows.rule, rows.n_features, rows.takes_integers, rows.projection, rows.source, targets, n_outputs
    )


def _fitting(targets: FixedPoint, n: int) -> tuple[Any, Any]:
    assert targets.bounds is not None
    for bound in targets.bounds:
        if isinstance(bound, tuple) and len(bound) != n:
            raise ValueError(f"bounds are for {len(bound)} targets, y has {n}")
    return targets.bounds
