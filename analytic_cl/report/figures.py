"""The figures of a report: accuracy along the sessions, accuracy matrices, cost against accuracy, cost of a head."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic_cl.report.data import Comparison, Floats, MethodRuns, mean_known, number, printable
from analytic_cl.report.figure_parts import (
    add_axes,
    curve_limits,
    error_axis,
    fit,
    name_ends,
    name_points,
    pixels,
    resize,
    room_for,
    second_ticks,
    share_ticks,
    text_width,
    write,
)
from analytic_cl.report.style import ACCENT, INK, MUTED, PAPER, Drawing, colours_of, draw
from analytic_cl.report.words import best_first, duration, share

WIDE, NARROW = 1040, 360
_DASHES: dict[str, Any] = {"exact": "-", "peer": (0, (5, 2)), "joint": (0, (1, 2))}
_MARKERS = {"exact": "o", "peer": "s", "joint": "D"}


def figures_of(comparison: Comparison) -> dict[str, Drawing]:
    """All figures that a comparison has the numbers for, by name. ImportError where matplotlib is missing."""
    makers = (_accuracy, _matrices, _cost, _shared)
    return {drawing.name: drawing for make in makers if (drawing := make(comparison)) is not None}


def _accuracy(comparison: Comparison) -> Drawing | None:
    """Accuracy on the classes seen so far over sessions: mean and range over seeds, names at the ends."""
    methods = [method for method in comparison.methods if np.isfinite(method.curves).any()]
    if not methods or comparison.n_sessions < 2:
        return None
    colours = colours_of(comparison.methods)
    means = {method.name: mean_known(method.curves) for method in methods}
    ends = {method.name: float(mean[np.isfinite(mean)][-1]) for method in methods for mean in (means[method.name],)}
    whole = curve_limits(list(means.values()))
    close = _close_up(methods, means, whole)
    inside = [method for method in methods if close is None or ends[method.name] >= close[0]]
    outside = [method for method in methods if method not in inside]
    # Limits, which curves have their names there, and what is written above.
    panels = [(whole, inside, "accuracy on the classes seen so far")]
    if close is not None:
        panels = [
            (whole, outside, "accuracy on the classes seen so far"),
            (close, inside, "close-up of the exact heads"),
        ]

    def paint(figure: Any, narrow: bool) -> None:
        font, width = (11, NARROW) if narrow else (13, WIDE)
        left, top, bottom, gap = 34.0, 40.0, 46.0, 52.0
        named = [
            [(ends[one.name], one.label, share(ends[one.name]), colours[one.name]) for one in panel[1]]
            for panel in panels
        ]
        rooms = [
            room_for([f"{name}  {value}" for _, name, value, _ in group], font, 0.54 * width if narrow else 310)
            for group in named
        ]
        heights = [max(200 if narrow else 380, (font + 4) * len(group) + 12) for group in named]
        if narrow:
            widths = [width - left - room for room in rooms]
            resize(figure, width, sum(heights) + len(panels) * (top + bottom))
            corners = [
                (left, sum(heights[k + 1 :]) + (len(panels) - 1 - k) * (top + bottom) + bottom)
                for k in range(len(panels))
            ]
        else:
            heights = [max(heights)] * len(panels)
            resize(figure, width, heights[0] + top + bottom)
            widths, corners = [width - left - rooms[0]], [(left, bottom)]
            if len(panels) == 2:
                start = left + 170 + rooms[0] + gap
                widths = [170, width - start - rooms[1]]
                corners.append((start, bottom))
        for (limits, _, heading), group, room, own, height, corner in zip(
            panels, named, rooms, widths, heights, corners, strict=True
        ):
            axes = add_axes(figure, corner[0], corner[1], own, height)
            for method in methods:
                _curve(axes, method, means[method.name], colours[method.name], limits)
            axes.set(xlim=(1, comparison.n_sessions), ylim=limits)
            share_ticks(axes, font)
            write(axes, 0, height + 20, heading, font)
            axes.set_xlabel("session", fontsize=font - 1, loc="left")
            name_ends(axes, group, font, (own, height), room)

    told = ", ".join(f"{method.label} {share(ends[method.name])}" for method in best_first(methods))
    lines = f"Lines of accuracy on the classes seen so far after each of {comparison.n_sessions} sessions."
    return draw("accuracy", f"{lines} At the end: {told}.", paint)


def _curve(axes: Any, method: MethodRuns, mean: Floats, colour: str, limits: tuple[float, float]) -> None:
    x = np.arange(1, len(mean) + 1)
    known = np.isfinite(mean)
    axes.plot(x[known], mean[known], linestyle=_DASHES[method.kind], color=colour, linewidth=1.8)
    if mean[known][-1] >= limits[0]:  # it stands on the edge, unclipped
        axes.plot(x[known][-1:], mean[known][-1:], _MARKERS[method.kind], color=colour, markersize=5, clip_on=False)
    if len(method.runs) > 1:
        # From the lowest to the highest seed: an interval of few seeds would cover the picture.
        low, high = np.fmin.reduce(method.curves), np.fmax.reduce(method.curves)
        axes.fill_between(x, low, high, where=known, color=colour, alpha=0.1, linewidth=0)


def _close_up(
    methods: list[MethodRuns], means: dict[str, Floats], whole: tuple[float, float]
) -> tuple[float, float] | None:
    """The range of the exact heads' curves, where others reach so far below that it would be squeezed."""
    exact = [means[method.name] for method in methods if method.kind == "exact"]
    if not exact:
        return None
    low, high = curve_limits(exact)
    return (low, high) if high - low < 0.5 * (whole[1] - whole[0]) else None


def _matrices(comparison: Comparison) -> Drawing | None:
    """Small multiples of R: rows are sessions learned so far, columns the session whose classes are tested."""
    methods = [method for method in comparison.methods if np.isfinite(method.matrix).any(axis=1).sum() > 1]
    if not methods:
        return None
    worst = {method.name: float(np.nanmin(_last_row(method.matrix))) for method in methods}
    floor = np.floor(10 * min(float(np.nanmin(method.matrix)) for method in methods)) / 10

    def paint(figure: Any, narrow: bool) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        shades = LinearSegmentedColormap.from_list("", ["#f3e3c3", "#e0b982", "#7fa9a3", "#2d7191", "#123c66"])
        font, width, columns, gap = (11, NARROW, 2, 18) if narrow else (12, WIDE, 5, 22)
        left, top, scale = 26, 46, 92
        side = (width - left - 8 - gap * (columns - 1)) / columns
        rows = -(-len(methods) // columns)
        full = rows * (side + top) + scale
        resize(figure, width, full)
        for place, method in enumerate(methods):
            row, column = divmod(place, columns)
            axes = add_axes(figure, left + column * (side + gap), full - (row + 1) * (side + top), side, side)
            n = len(method.matrix)
            edges = (0.5, n + 0.5, n + 0.5, 0.5)
            image = axes.imshow(method.matrix, cmap=shades, vmin=floor, vmax=1, extent=edges, aspect="auto")
            ticks = sorted({1, (n + 1) // 2, n})
            axes.set_xticks(ticks if place + columns >= len(methods) else [])
            axes.set_yticks(ticks if column == 0 else [])
            axes.tick_params(length=0, labelsize=font - 1)
            axes.grid(False)
            axes.spines["bottom"].set_visible(False)
            write(axes, 0, side + 25, fit(method.label, font, side), font)
            write(axes, 0, side + 9, f"lowest at the end {share(worst[method.name])}", font - 1, MUTED)
        bar = add_axes(figure, left, 22, min(260, width - 2 * left), 8)
        marks = np.linspace(floor, 1, 3)
        figure.colorbar(image, cax=bar, orientation="horizontal", ticks=marks)
        bar.set_xticklabels([share(value) for value in marks])
        bar.tick_params(length=0, labelsize=font - 1)
        for spine in bar.spines.values():
            spine.set_visible(False)
        write(bar, 0, 20, "accuracy; down: after session; across: classes of session", font - 1, MUTED)

    told = "; ".join(f"{method.label} {share(worst[method.name])}" for method in methods)
    alt = f"Accuracy matrices, one a method. Lowest accuracy on a session's classes at the end: {told}."
    return draw("matrices", alt, paint)


def _last_row(matrix: Floats) -> Floats:
    row: Floats = matrix[np.isfinite(matrix).any(axis=1)][-1]
    return row


def _cost(comparison: Comparison) -> Drawing | None:
    """Accuracy at the end against seconds to learn and solve."""
    times = {method.name: method.seconds("learn", "shared", "solve").mean for method in comparison.methods}
    lasts = {method.name: method.summary("last") for method in comparison.methods}
    methods = [
        one
        for one in best_first(comparison.methods)
        if np.isfinite(times[one.name]) and np.isfinite(lasts[one.name].mean)
    ]
    if len(methods) < 2:
        return None
    colours = colours_of(comparison.methods)
    x = np.array([max(times[method.name], 1e-4) for method in methods])
    errors = np.array([max(1 - lasts[method.name].mean, 1e-3) for method in methods])

    def paint(figure: Any, narrow: bool) -> None:
        keyed = narrow and len(methods) > 5  # numbers at the points, and names in a list below
        font, width, inner = (11.0, NARROW, 330) if narrow else (13.0, WIDE, 400)
        below = 50 + ((font + 5) * len(methods) + 16 if keyed else 0)
        resize(figure, width, inner + 46 + below)
        axes = add_axes(figure, 34, below, width - 34 - (10 if narrow else 60), inner)
        second_ticks(axes, font)
        error_axis(axes, errors)
        for method, time, error in zip(methods, x, errors, strict=True):
            colour, half = colours[method.name], lasts[method.name].half
            if np.isfinite(half):
                axes.plot([time, time], np.clip([error - half, error + half], 1e-3, 1), color=colour, linewidth=1.5)
            _mark(axes, time, error, method, colour, 8)
        # Room for names at the left of the first point and at the right of the last.
        left, right = (0.08, 0.08) if keyed else (0.3, 0.2) if narrow else (0.2, 0.14)
        decades = max(np.log10(x.max() / x.min()), 0.5) / (1 - left - right)
        axes.set_xlim(x.min() / 10 ** (left * decades), x.max() * 10 ** (right * decades))
        write(axes, 0, inner + 20, "accuracy at the end", font)
        axes.set_xlabel("time to learn and solve", fontsize=font - 1, loc="left")
        names = [fit(method.label, font, 130 if narrow else 280) for method in methods]
        if keyed:
            names = [str(place) for place in range(1, len(methods) + 1)]
            for place, method in enumerate(methods):
                y = -66 - (font + 5) * place
                write(axes, 0, y, names[place], font, MUTED)
                _mark(axes, 28, y, method, colours[method.name], 6, transform=pixels(axes), clip_on=False)
                write(axes, 40, y, fit(method.label, font, width - 80), font)
        name_points(axes, np.column_stack([x, errors]), names, font)

    told = "; ".join(
        f"{method.label} {duration(time)} and {share(lasts[method.name].mean)}"
        for method, time in zip(methods, x, strict=True)
    )
    return draw("cost", f"Time to learn and solve against accuracy at the end. {told}.", paint)


def _mark(axes: Any, x: float, y: float, method: MethodRuns, colour: str, size: float, **options: Any) -> None:
    """A point, hollow where a method is trained on everything at once."""
    inside = PAPER if method.kind == "joint" else colour
    axes.plot([x], [y], _MARKERS[method.kind], color=colour, mfc=inside, markersize=size, mew=1.8, **options)


def _shared(comparison: Comparison) -> Drawing | None:
    """Measured time of one head and of all heads over one state."""
    shared = comparison.settings.get("shared")
    times = {printable(str(name)): number(value) for name, value in shared.items()} if isinstance(shared, dict) else {}
    bars = [(name, value) for name, value in times.items() if np.isfinite(value)]
    if not bars:
        return None

    def paint(figure: Any, narrow: bool) -> None:
        font, width, step = (11, NARROW, 34) if narrow else (13, WIDE, 42)
        names = [fit(name, font, 0.4 * width) for name, _ in bars]
        left = 12 + max(text_width(name, font) for name in names)
        resize(figure, width, step * len(bars))
        axes = add_axes(figure, left, 0, width - left - 80, step * len(bars))
        axes.axis("off")
        places = -np.arange(len(bars))
        values = np.array([value for _, value in bars])
        axes.barh(places, values, height=0.4, color=ACCENT)
        axes.set(xlim=(0, max(values.max(), 1e-9)), ylim=(places.min() - 0.5, 0.5))
        beside: dict[str, Any] = {
            "textcoords": "offset points",
            "va": "center_baseline",
            "fontsize": font,
            "color": INK,
        }
        for place, name, value in zip(places, names, values, strict=True):
            axes.annotate(name, (0, place), (-10, 0), ha="right", **beside)
            axes.annotate(duration(value), (value, place), (8, 0), **beside)

    told = ", ".join(f"{name} {duration(value)}" for name, value in bars)
    return draw("shared", f"Time to learn and solve all sessions: {told}.", paint)
