"""Axes to draw on."""

from __future__ import annotations

from typing import Any


def axes_for(ax: Any, what: str) -> tuple[Any, Any]:
    """The figure and the axes that were given, or new ones. ImportError where matplotlib is missing."""
    if ax is not None:
        return ax.figure, ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(f"{what} is drawn with matplotlib: pip install 'analytic-cl[plots]'") from error
    return pyplot.subplots(layout="constrained")
