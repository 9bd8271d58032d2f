"""Colours, and matplotlib figures as PNG and as SVG that takes its colours and fonts from the page around it."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analytic_cl.report.data import MethodRuns

# On white and on the dark page. Heads of one family share a hue; peers are greys, and dashed.
COLOURS = {
    "lda": ("#0b5fa5", "#5aa9ee"),
    "lda-rp": ("#3f97d9", "#9ccbf5"),
    "ridge": ("#c2410c", "#f0824d"),
    "ridge-gcv": ("#dd7a2a", "#f5b27f"),
    "ridge-rp": ("#86290a", "#d9603a"),
    "nearest-mean": ("#0a7d68", "#35b89e"),
    "nearest-mean-euclidean": ("#3aa38d", "#8bd8c8"),
    "key-value": ("#7340ad", "#b28be0"),
    "neighbors": ("#b8337f", "#e884bd"),
    "sgd": ("#5b6470", "#a3acb8"),
    "sgd-replay": ("#8b94a0", "#cbd2da"),
    "gaussian-nb": ("#8a7a5c", "#c2b391"),
    "torch-probe": ("#6d6257", "#b3a698"),
    "nearest-centroid-joint": ("#7f8b86", "#b9c4bf"),
    "ridge-joint": ("#77706a", "#aba49d"),
    "lda-joint": ("#626c7a", "#9aa6b6"),
}
_SPARE = [("#8c6d1f", "#d0ab4e"), ("#4d7a1e", "#93c45c"), ("#a03a4a", "#e08794"), ("#47609a", "#93abe0")]

ACCENT = "#0b5fa5"
INK, MUTED, RULE, PAPER = "#1c2127", "#5c6670", "#dfe3e8", "#ffffff"
_PAGE = {INK: "#e8eaed", MUTED: "#a0a9b3", RULE: "#353b43", PAPER: "#15181c"}
_THEMED = dict([*_PAGE.items(), *COLOURS.values(), *_SPARE])

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "text.parse_math": False,  # names are names, whatever they hold
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": RULE,
    "grid.linewidth": 1.0,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.minor.visible": False,
    "ytick.left": False,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Drawing:
    """A figure: SVG for wide and for narrow pages, PNG, and what it shows in words."""

    name: str
    wide: str
    narrow: str
    png: bytes
    alt: str


def colours_of(methods: list[MethodRuns]) -> dict[str, str]:
    """One colour for each method's name, the same in all figures and tables."""
    unknown = [method.name for method in methods if method.name not in COLOURS]
    spare = {name: _SPARE[place % len(_SPARE)] for place, name in enumerate(unknown)}
    return {method.name: (COLOURS | spare)[method.name][0] for method in methods}


def variable(colour: str) -> str:
    """The CSS value of a colour, which is another one on a dark page."""
    return f"var(--c{colour.removeprefix('#')})"


def style_variables() -> tuple[str, str]:
    """CSS declarations of all colours, on a light and on a dark page."""
    names = [f"--c{light.removeprefix('#')}:" for light in _THEMED]
    light = ";".join(name + value for name, value in zip(names, _THEMED, strict=True))
    dark = ";".join(name + value for name, value in zip(names, _THEMED.values(), strict=True))
    return light, dark


def draw(name: str, alt: str, paint: Callable[[Any, bool], None]) -> Drawing:
    """Let ``paint(figure, narrow)`` draw on a wide and on a narrow figure, whose sizes it sets."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("the report draws with matplotlib: pip install 'analytic-cl[plots]'") from None
    settings: Any = {**STYLE, "svg.hashsalt": name}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Names in scripts that the font lacks: the page shows them, by the reader's own fonts.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        wide, narrow = Figure(), Figure()
        for figure in (wide, narrow):
            paint(figure, figure is narrow)
        return Drawing(name, _svg(wide, f"{name}-wide"), _svg(narrow, f"{name}-narrow"), _png(wide), alt)


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, facecolor=PAPER)
    return buffer.getvalue()


def _svg(figure: Any, prefix: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=216, facecolor="none", metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return re.sub(r"<[^>]*>", lambda tag: _themed(tag[0], prefix), text)


def _themed(tag: str, prefix: str) -> str:
    """A tag whose ids can't meet those of another figure, and whose colours are the page's."""
    if tag.startswith("<svg"):
        tag = re.sub(r' (width|height)="[^"]*"', "", tag)
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", tag)
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: variable(found[0]) if found[0] in _THEMED else found[0], tag)
