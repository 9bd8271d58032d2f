"""The part of a report on adapted heads: what gained and lost on a test stream, in words and in tables."""

from __future__ import annotations

import math
from typing import Any

from analytic_cl.report.adapted_data import AdaptedStream
from analytic_cl.report.adapted_figures import AS_IT_IS, adaptation_colours
from analytic_cl.report.style import variable
from analytic_cl.report.tables import table
from analytic_cl.report.words import MISSING, count, duration, escape, share

NOTE = (
    "Each head after the last session, as it is and adapted to the unlabelled test rows as they come, batch by batch. "
    "What an adaptation answers depends on the other rows of the batch, and of some on the batches before; the head "
    "itself never changes. A gain on one stream may be a loss on another. Heads without probabilities are left out."
)


def gains(stream: AdaptedStream) -> str:
    """Which adaptations gained and lost, as HTML: differences beyond their interval, where there is one."""
    parts = []
    for name, label in stream.adaptations.items():
        lines = [line for line in stream.lines if line["adaptation"] == name and line["refused"] is None]
        if not lines:
            continue
        gained, lost = ([line for line in lines if sign * line["difference"] > _chance(line)] for sign in (1, -1))
        said = []
        for verb, some, best in (("gains", gained, max), ("loses", lost, min)):
            if some:
                most = best(some, key=lambda line: line["difference"])
                which = f"{len(some)} of {count(len(lines), 'head')}"
                said.append(f"{verb} with {which}, most {share(most['difference'], True)} ({escape(most['label'])})")
        clear = f"makes no clear difference with {count(len(lines), 'head')}"
        parts.append(f"<b>{escape(label)}</b> {' and '.join(said) or clear}")
    if not parts:
        return ""
    chance = (
        " A difference counts, and is bold below, where it is beyond its 95 % interval over seeds."
        if max(line["seeds"] for line in stream.lines) > 1
        else " One seed: nothing says how much of a difference is chance."
    )
    return f"<p>{'; '.join(parts)}.{chance}</p>"


def adapted_table(stream: AdaptedStream) -> str:
    """One row a head: its accuracy as it is, and by how much each adaptation changes that."""
    rows = []
    for head, label in stream.heads.items():
        by_name = {line["adaptation"]: line for line in stream.lines if line["method"] == head}
        measured = [line for line in by_name.values() if line["refused"] is None]
        if not measured:
            continue
        cells = [escape(label), share(measured[0]["base"])]
        for name in stream.adaptations:
            line = by_name.get(name)
            cells.append(_difference(line) if line is not None and line["refused"] is None else MISSING)
        rows.append(cells)
    columns = ["Head", AS_IT_IS[0].upper() + AS_IT_IS[1:], *stream.adaptations.values()]
    return table(f"Gains and losses, {stream.text}", columns, [(None, rows)])


def numbers_table(stream: AdaptedStream) -> str:
    """Accuracy over the whole stream and times, by head; and below it what does not go together."""
    colours = adaptation_colours(stream.adaptations)
    bodies: list[tuple[str | None, list[list[str]]]] = []
    for head, label in stream.heads.items():
        lines = [line for line in stream.lines if line["method"] == head and line["refused"] is None]
        rows = []
        for first in lines[:1]:
            base = [share(first["base"]) + _half(first["base_interval"]), duration(first["seconds_base"]), MISSING]
            rows.append([_swatch("var(--muted)", AS_IT_IS), *base])
        for line in lines:
            swatch = _swatch(variable(colours[line["adaptation"]]), line["adaptation_label"])
            accuracy = share(line["accuracy"]) + _half(line["accuracy_interval"])
            rows.append([swatch, accuracy, duration(line["seconds"]), duration(line["seconds_first"])])
        if rows:
            bodies.append((label, rows))
    columns = ["Adaptation", "Accuracy", "1,000\u00a0rows", "First batch, with calibration"]
    reasons = dict.fromkeys(line["refused"] for line in stream.lines if line["refused"] is not None)
    why = f'<p class="note">Not together: {escape("; ".join(reasons))}.</p>' if reasons else ""
    return table(f"Accuracy and time, {stream.text}", columns, bodies) + why


def _chance(line: dict[str, Any]) -> float:
    half = line["difference_interval"]
    return 0.0 if half is None or not math.isfinite(half) else float(half)


def _difference(line: dict[str, Any]) -> str:
    text = share(line["difference"], True) + _half(line["difference_interval"])
    return f"<b>{text}</b>" if abs(line["difference"]) > _chance(line) else text


def _half(half: float | None) -> str:
    return "" if half is None else f' <span class="half">±{share(half)}</span>'


def _swatch(colour: str, label: str) -> str:
    return f'<span class="method"><span class="swatch" style="--colour:{colour}"></span>{escape(label)}</span>'
