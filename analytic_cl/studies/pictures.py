"""Pictures of the forgetting comparison and of the quantisation ablation (extra ``plots``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from analytic_cl.studies.tables import Table
from analytic_cl.studies.unlearning import IDENTICAL

MISSING = "No picture: matplotlib is missing. pip install 'analytic-cl[plots]' brings it."


def save(table: Table, folder: Path, name: str, draw: Callable[[Table, Any], None], size: tuple[float, float]) -> bool:
    """Write NAME.json, NAME.csv and the picture that `draw` makes. False where matplotlib is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        replace(table, figure=None).write(folder, name)
        return False
    figure = Figure(figsize=size, layout="constrained")
    draw(table, figure)
    figure.savefig(folder / str(table.figure), dpi=130)
    table.write(folder, name)
    return True


def draw_unlearning(table: Table, figure: Any) -> None:
    """Time to forget against the distance of scores to retraining, a panel for each request."""
    at = {name: table.columns.index(name) for name in ("request", "model", "method", "outcome", "scores", "seconds")}
    requests = list(dict.fromkeys(row[at["request"]] for row in table.rows))
    floor = min((row[at["scores"]] for row in table.rows if row[at["scores"]]), default=1e-3) / 10
    for axes, request in zip(np.atleast_1d(figure.subplots(1, len(requests), sharey=True)), requests, strict=True):
        rows = [row for row in table.rows if row[at["request"]] == request]
        for row in sorted(rows, key=lambda row: row[at["seconds"]]):
            x, head = max(row[at["seconds"]], 1e-4), row[at["model"]] != "softmax probe"
            y, color = row[at["scores"]], "tab:orange"
            if not y:
                y, color = floor, "tab:green" if row[at["outcome"]] == IDENTICAL else "tab:grey"
            axes.plot(x, y, "s" if head else "o", color=color)
            name = row[at["model"]] if head else row[at["method"]]
            axes.annotate(name, (x, y), xytext=(0, 0), textcoords="offset points", fontsize=8)
        axes.axhline(floor, color="tab:green", linewidth=0.8, linestyle=":")
        axes.set(xscale="log", yscale="log", xlabel="seconds to forget (0.1 ms: none)", title=request)
        axes.margins(0.12)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("scores: relative distance to retraining (dotted: identical)")
    _spread_names(figure)


def _spread_names(figure: Any) -> None:
    """Put the names of points beside them, within the axes, where they cover neither other names nor points."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()  # sizes are known from here on
    for axes in figure.axes:
        within = axes.get_window_extent()
        names = list(axes.texts)
        taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in axes.transData.transform([t.xy for t in names])]
        for name in names:
            for up, left in product((4, -12, 15, -23, 26, 37, 48, 59), (False, True)):
                name.set(position=(-5 if left else 5, up), horizontalalignment="right" if left else "left")
                box = name.get_window_extent()
                inside = within.x0 <= box.x0 and box.x1 <= within.x1 and within.y0 <= box.y0 and box.y1 <= within.y1
                if inside and not box.count_overlaps(taken):
                    break
            taken.append(box.padded(3))


def draw_drift(table: Table, figure: Any) -> None:
    """Distance of weights to retraining by the number of requests."""
    axes = figure.subplots()
    at = {name: table.columns.index(name) for name in ("requests", "method", "weights")}
    floor = 1e-17
    for name in dict.fromkeys(row[at["method"]] for row in table.rows):
        points = [(row[at["requests"]], row[at["weights"]]) for row in table.rows if row[at["method"]] == name]
        x, y = zip(*points, strict=True)
        axes.plot(x, np.maximum(y, floor), marker="o", label=name + (" (0)" if not any(y) else ""))
    axes.set(xscale="log", yscale="log", xlabel="rows forgotten, one at a time", ylabel="weights: relative distance")
    axes.set_title(table.title)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left")


def draw_quantisation(table: Table, figure: Any) -> None:
    """Heat maps of points gained or lost against float64, bits by scale, a panel for each head."""
    at = {name: table.columns.index(name) for name in ("head", "bits", "scale", "points", "float64", "features")}
    heads = list(dict.fromkeys(row[at["head"]] for row in table.rows))
    bits = sorted({row[at["bits"]] for row in table.rows})
    scales = sorted({row[at["scale"]] for row in table.rows})
    panels = np.atleast_1d(figure.subplots(1, len(heads), sharey=True))
    for axes, head in zip(panels, heads, strict=True):
        rows = [row for row in table.rows if row[at["head"]] == head]
        grid = np.full((len(bits), len(scales)), np.nan)
        for row in rows:
            grid[bits.index(row[at["bits"]]), scales.index(row[at["scale"]])] = row[at["points"]]
        image = axes.imshow(grid, vmin=-5, vmax=5, cmap="RdBu", aspect="auto", origin="lower")
        for (i, j), value in np.ndenumerate(grid):
            text = f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if abs(value) > 3.5 else "black")
        axes.set(
            xticks=range(len(scales)),
            xticklabels=[f"$2^{{{round(np.log2(scale))}}}$" for scale in scales],
            yticks=range(len(bits)),
            yticklabels=bits,
            xlabel="scale, integers per unit",
            title=f"{head}, float64: {100 * rows[0][at['float64']]:.1f} %",
        )
    panels[0].set_ylabel("bits")
    figure.suptitle(f"{table.rows[0][at['features']]}: accuracy behind a quantizer less that in float64, points")
    figure.colorbar(image, ax=panels.tolist(), shrink=0.8)
