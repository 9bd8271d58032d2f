"""Numbers as text, and the result of a comparison in one sentence."""

from __future__ import annotations

import math
from html import escape as _escape
from typing import Any

from analytic_cl.report.data import KINDS, Comparison, Estimate, MethodRuns, printable

MISSING = "–"  # noqa: RUF001  (an en dash, as tables have it)
MINUS = "−"  # noqa: RUF001


_UNITS = ((60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def escape(value: Any) -> str:
    """Text of data as HTML."""
    return _escape(printable(str(value)))


def share(value: float, signed: bool = False) -> str:
    """A fraction with three decimals and no leading zero: .931."""
    if not math.isfinite(value):
        return MISSING
    text = f"{abs(value):.3f}"
    text = text[1:] if text.startswith("0") else text
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else "+" if signed else "") + text


def interval(value: Estimate) -> str:
    """A mean and half of its interval, .931 (±.002); the mean alone where that is less than half a thousandth."""
    return share(value.mean) + (f" (±{share(value.half)})" if value.half >= 0.0005 else "")


def seconds(value: float) -> str:
    """Seconds with two or three digits that count."""
    if not math.isfinite(value) or value == 0:  # a step that a method does not have
        return MISSING
    if value < 0.0001:
        return "< .0001"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 4 if value < 0.01 else 3
    return f"{value:,.{digits}f}"


def duration(value: float) -> str:
    """A time with its unit: 3.1 ms."""
    if not math.isfinite(value):
        return MISSING
    scale, unit = next(((scale, unit) for scale, unit in _UNITS if value >= 0.9995 * scale), _UNITS[-1])
    return f"{value / scale:,.{0 if value >= 9.95 * scale else 1}f} {unit}"


def size(value: float) -> str:
    """Bytes with a unit: 1.2 MB."""
    if not math.isfinite(value):
        return MISSING
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= power:
            return f"{value / power:,.1f} {unit}" if value < 99.95 * power else f"{value / power:,.0f} {unit}"
    return f"{value:.0f} B"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun: 1 session, 15 sessions."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def best_first(methods: list[MethodRuns]) -> list[MethodRuns]:
    """Methods by last accuracy, the highest first, unknown ones last."""

    def rank(method: MethodRuns) -> float:
        last = method.summary("last").mean
        return -last if math.isfinite(last) else math.inf

    return sorted(methods, key=rank)


def sentence(comparison: Comparison) -> str:
    """The result in words, as HTML."""
    exact, peers, joint = (best_first(comparison.of_kind(kind)) for kind in KINDS)
    parts = []
    if exact:
        first = f"<b>{escape(exact[0].label)}</b>"
        others = " and ".join(f"{escape(one.label)} ({_last(one)})" for one in exact[1:3])
        parts.append(
            f"of the exact heads, {first} ends highest, at <b>{_last(exact[0])}</b>, before {others}"
            if others
            else f"{first} ends at <b>{_last(exact[0])}</b>"
        )
    if peers:
        parts.append(
            f"of the other libraries' learners, session by session, {escape(peers[0].label)} reaches {_last(peers[0])}"
        )
    if joint:
        parts.append(f"trained on everything at once, {escape(joint[0].short)} reaches {_last(joint[0])}")
    checked, same = identical(comparison.of_kind("exact"))
    if checked:
        parts.append(
            ("the one deletion is" if checked == 1 else f"all {checked:,} deletions are") + " identical to retraining"
            if same == checked
            else f"{checked - same:,} of {count(checked, 'deletion')} <b>differ from retraining</b>"
        )
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."


def identical(methods: list[MethodRuns]) -> tuple[int, int]:
    """How many deletions were compared with retraining, and how many were the same."""
    verdicts = [request.get("identical") for method in methods for _, _, request in method.requests]
    return sum(verdict is not None for verdict in verdicts), sum(verdict is True for verdict in verdicts)


def _last(method: MethodRuns) -> str:
    return interval(method.summary("last"))
