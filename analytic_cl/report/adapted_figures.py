"""The figure of a test stream: accuracy batch by batch of each head, as it is and adapted."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic_cl.comparison.adapted_summary import BASE
from analytic_cl.report.adapted_data import AdaptedStream
from analytic_cl.report.figure_parts import (
    add_axes,
    curve_limits,
    fit,
    pixels,
    resize,
    share_ticks,
    text_width,
    write,
)
from analytic_cl.report.style import COLOURS, MUTED, Drawing, draw
from analytic_cl.report.words import share

WIDE, NARROW = 1040, 360
AS_IT_IS = "as it is"
# Heads have no colours in these panels, so adaptations may have those.
_HUES = [COLOURS[name][0] for name in ("lda", "ridge", "nearest-mean", "key-value", "neighbors", "gaussian-nb")]
_ORDER = ("label-shift", "lame", "t3a", "growing-memory", "moment-alignment")


def adaptation_colours(names: Any) -> dict[str, str]:
    """A colour for each adaptation, the same in all figures and tables."""
    known = [*_ORDER, *(name for name in names if name not in _ORDER)]
    return {name: _HUES[place % len(_HUES)] for place, name in enumerate(known)}


def adapted_figure(stream: AdaptedStream) -> Drawing | None:
    """Small multiples, one a head: x a batch, y accuracy, means over seeds. None for a single batch."""
    curves = {head: stream.curves(head) for head in stream.heads}
    curves = {head: each for head, each in curves.items() if len(each) > 1 and len(each[BASE]) > 1}
    if not curves:
        return None
    colours = {BASE: MUTED} | adaptation_colours(stream.adaptations)
    shown = [name for name in colours if any(name in each for each in curves.values())]
    labels = {BASE: AS_IT_IS} | stream.adaptations
    limits = curve_limits([curve for each in curves.values() for curve in each.values()])

    def paint(figure: Any, narrow: bool) -> None:
        font, width, most, inner = (11.0, NARROW, 1, 170.0) if narrow else (13.0, WIDE, 3, 220.0)
        columns = min(most, len(curves)) if len(curves) != 4 else min(most, 2)
        left, top, bottom, gap = 34.0, 34.0, 26.0, 20.0
        key = _key([labels[name] for name in shown], font, width)
        rows = -(-len(curves) // columns)
        line = font + 8
        head_room = line * (1 + max(row for row, _ in key)) + 8
        full = head_room + rows * (inner + top + bottom) + 16
        resize(figure, width, full)
        side = (width - left - 8 - gap * (columns - 1)) / columns
        for place, (head, each) in enumerate(curves.items()):
            row, column = divmod(place, columns)
            corner = full - head_room - (row + 1) * (inner + top + bottom) + bottom
            axes = add_axes(figure, left + column * (side + gap), corner, side, inner)
            for name in [name for name in shown if name in each]:
                x = np.arange(1, len(each[name]) + 1)
                axes.plot(x, each[name], color=colours[name], linewidth=_width(name))
            axes.set(xlim=(1, max(map(len, each.values()))), ylim=limits)
            share_ticks(axes, font)
            if column:
                axes.tick_params(labelleft=False)
            write(axes, 0, inner + 16, fit(stream.heads[head], font, side), font)
            if place == 0:
                for name, (in_row, start) in zip(shown, key, strict=True):
                    y = inner + top + head_room - 8 - line * (in_row + 0.5)
                    ends = [start - left, start - left + 22]
                    options: dict[str, Any] = {"transform": pixels(axes), "clip_on": False}
                    axes.plot(ends, [y, y], color=colours[name], linewidth=_width(name), **options)
                    write(axes, start - left + 30, y, fit(labels[name], font, width - start - 34), font)
            if row == rows - 1 and column == 0:
                axes.set_xlabel("batch; upwards: accuracy", fontsize=font - 1, loc="left")

    told = "; ".join(
        f"{line['label']} {share(line['base'])}, {line['adaptation_label']} {share(line['accuracy'])}"
        for line in stream.lines
        if line["refused"] is None
    )
    return draw(stream.name, f"Accuracy batch by batch on {stream.text}. Over all batches: {told}.", paint)


def _key(names: list[str], font: float, width: float) -> list[tuple[int, float]]:
    """Row and left edge of each entry of the key, as many in a row as there is room for."""
    places, row, x = [], 0, 2.0
    for name in names:
        needs = 30 + text_width(name, font) + 26
        if x > 2 and x + needs - 26 > width:
            row, x = row + 1, 2.0
        places.append((row, x))
        x += needs
    return places


def _width(name: str) -> float:
    return 3.0 if name == BASE else 1.6
