"""What figures are made of: axes measured in pixels, names beside curves and points, ticks without marks."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from analytic_cl.report.data import Floats
from analytic_cl.report.style import INK, MUTED, RULE

_LEADER = 40.0  # pixels from the end of a curve to its name

# Places of a name around a point: a little further away the more it is lifted.
_LIFTS = [sign * reach for reach in (0, 13, 22, 32, 44, 56, 70, 84, 100, 120, 140) for sign in (1, -1)]
_AROUND = [
    (side * (11.0 if not lift else 6.0 if abs(lift) < 20 else 14.0), lift) for lift in _LIFTS for side in (1, -1)
]


def resize(figure: Any, width: float, height: float) -> None:
    """Set the size in CSS pixels, which a point of matplotlib is here."""
    figure.set_dpi(72)
    figure.set_size_inches(width / 72, height / 72)


def add_axes(figure: Any, left: float, bottom: float, width: float, height: float) -> Any:
    """Axes at a place in pixels from the lower left corner."""
    full_width, full_height = figure.get_size_inches() * 72
    return figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))


def pixels(axes: Any) -> Any:
    """A transform from pixels right of and above the lower left corner of axes."""
    from matplotlib.transforms import Affine2D, ScaledTranslation

    left, bottom = axes.get_position().p0
    corner = ScaledTranslation(left, bottom, axes.figure.transFigure)
    return Affine2D().scale(1 / 72) + axes.figure.dpi_scale_trans + corner  # whatever the resolution of the picture


def write(axes: Any, x: float, y: float, text: str, font: float, colour: str = INK) -> None:
    """Text at a place in pixels from the lower left corner of axes."""
    axes.text(x, y, text, transform=pixels(axes), fontsize=font, color=colour, va="center_baseline")


def text_width(text: str, font: float) -> float:
    """Pixels of a text in matplotlib's own font, which is wider than most that readers have."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=font), ismath=False)[0])


def fit(text: str, font: float, width: float) -> str:
    """As much of a text as a width has room for."""
    if text_width(text, font) <= width:
        return text
    length = bisect_right(range(len(text)), width, key=lambda n: text_width(text[:n].rstrip() + "…", font)) - 1
    return text[: max(length, 0)].rstrip() + "…"


def room_for(names: list[str], font: float, most: float) -> float:
    """Pixels that names at the ends of curves need, at most `most`."""
    return min(most, _LEADER + 3 + max((text_width(name, font) for name in names), default=-_LEADER - 3))


def name_ends(
    axes: Any, named: list[tuple[float, str, str, str]], font: float, size: tuple[float, float], room: float
) -> None:
    """Write names at the right of curves, with a line to each.

    `named` holds the curve's last value, a name, a value as text, and a colour. `size` is the axes' width and height
    in pixels. The names are moved apart as little as their heights ask for, by least squares.
    """
    named = sorted(named)
    width, height = size
    low, high = axes.get_ylim()
    ends = np.array([(value - low) / (high - low) * height for value, *_ in named])
    step = font + 4.0
    slots = step * np.arange(len(named))
    free = isotonic_regression(ends - slots).x if named else ends
    places = np.clip(free, 2, max(2.0, height - 2 - slots[-1] if named else 0)) + slots
    for (_, name, value, colour), end, place in zip(named, ends, places, strict=True):
        corners = [width + 6, width + 12, width + 27, width + 34]
        axes.plot(corners, [end, end, place, place], color=colour, linewidth=1.2, transform=pixels(axes), clip_on=False)
        short = fit(name, font, room - _LEADER - text_width("  " + value, font))
        write(axes, width + _LEADER, place, f"{short}  {value}", font)


def name_points(axes: Any, points: Floats, names: list[str], font: float) -> None:
    """A name beside each point, where it and the line to it cover the least of points and other names."""
    axes.figure.canvas.draw()  # limits and scales must be settled
    spots = axes.transData.transform(points)
    bounds = axes.get_window_extent()
    right = axes.figure.get_size_inches()[0] * 72 - 2
    taken = [np.array([x - 7, y - 7, x + 7, y + 7]) for x, y in spots]
    for place in np.argsort(-spots[:, 1], kind="stable"):
        x, y = spots[place]
        width = text_width(names[place], font)
        others = np.array([box for k, box in enumerate(taken) if k != place] or np.zeros((0, 4)))

        def cost(
            offset: tuple[float, float], x: float = x, y: float = y, width: float = width, others: Floats = others
        ) -> float:
            dx, dy = offset
            box = _box(x + dx, y + dy, width, font, dx < 0)
            outside = box[0] < bounds.x0 - 4 or box[2] > right or box[1] < bounds.y0 or box[3] > bounds.y1 + 10
            meets = (box[:2] < others[:, 2:]).all(axis=1) & (others[:, :2] < box[2:]).all(axis=1)
            line = np.linspace((x, y), (x + dx, y + dy), 12)[:, None]
            crossed = ((line > others[:, :2]) & (line < others[:, 2:])).all(axis=2).any(axis=0)
            return 5000 * int(outside) + 1000 * int(meets.sum()) + 100 * int(crossed.sum()) + float(np.hypot(dx, dy))

        dx, dy = min(_AROUND, key=cost)
        taken.append(_box(x + dx, y + dy, width, font, dx < 0))
        options: dict[str, Any] = {"ha": "left" if dx > 0 else "right", "va": "center_baseline", "fontsize": font}
        if abs(dy) > 14:
            options["arrowprops"] = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 5}
        axes.annotate(names[place], points[place], (dx, dy), textcoords="offset points", color=INK, **options)


def _box(x: float, y: float, width: float, font: float, leftwards: bool) -> Floats:
    left = x - width if leftwards else x
    return np.array([left, y - 0.6 * font, left + width, y + 0.6 * font])


def curve_limits(curves: list[Floats]) -> tuple[float, float]:
    """The range of accuracies of some curves, with a margin."""
    values = np.concatenate(curves)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = max(0.04 * (high - low), 0.005)
    return max(low - margin, -0.01), min(high + margin, 1.005)


def share_ticks(axes: Any, font: float) -> None:
    """Few accuracies at the left, sessions below."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.tick_params(length=0, labelsize=font - 1)


def error_axis(axes: Any, errors: NDArray[np.float64]) -> None:
    """Accuracies at the left, upwards, on a logarithmic scale of the error where the largest is twice the smallest."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    if errors.max() > 2 * errors.min():
        axes.set_yscale("log")
        axes.set_ylim(min(errors.max() * 1.25, 1.05), errors.min() / 1.25)
        accuracies = [0, 0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999]
        axes.yaxis.set_major_locator(FixedLocator([1 - value for value in accuracies]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        margin = max(0.1 * float(np.ptp(errors)), 0.005)
        axes.set_ylim(errors.max() + margin, errors.min() - margin)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(1 - value)))


def second_ticks(axes: Any, font: float) -> None:
    """Powers of ten of seconds below, with their units."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f} s" if value >= 1 else f"{1000 * value:.3g} ms")
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="both", length=0, labelsize=font - 1)
    axes.spines["bottom"].set_color(RULE)


def _plain(value: float) -> str:
    text = f"{value:.3g}"
    return text[1:] if text.startswith("0.") else text
