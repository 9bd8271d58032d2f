"""A map of classes: near ones are joined. From the state alone (extra ``plots``)."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path

from analytic_cl._files import replacing
from analytic_cl._integers import as_integer
from analytic_cl._text import visible
from analytic_cl.heads import GaussianClassifier, LDAClassifier
from analytic_cl.report.data import Floats
from analytic_cl.report.figure_parts import fit, resize, text_width
from analytic_cl.report.style import INK, MUTED, PAPER, STYLE
from analytic_cl.statistics import LabelledState

MOST = 300  # classes: beyond, names are too many to read
FONT = 13.0
_NEAR, _TREE = "#c2410c", "#b6bec7"
_WIDEST = 230.0  # pixels of a name
_LINE = 62.0  # pixels between neighbours, where names leave room
_ROUNDS = 200


def class_graph(head: LDAClassifier | GaussianClassifier, path: str | os.PathLike[str], n_pairs: int = 20) -> None:
    """Draw which classes lie near each other, and which pairs are most easily confused, to a PNG or SVG file.

    Grey lines are the minimum spanning tree by -log of the expected errors, so each class is joined to its nearest;
    orange ones are `confusable_pairs(n_pairs)`, the wider the larger the error. No row is needed, and classes without
    rows are left out.

    Parameters
    ----------
    head : LDAClassifier or GaussianClassifier
        With at least two classes that have rows, at most 300.
    path : str or path
        Its ending says which kind of picture: .png, .svg, .pdf.
    n_pairs : int, default=20

    Raises
    ------
    ValueError
        For too few or too many classes, and where the ending names no kind of picture.
    TypeError
        For other heads: ``LDAClassifier.from_moments(head.moments_)`` makes one of these from a ridge head.

    Notes
    -----
    The places come from stress majorisation of the numbers of lines from class to class, with classical scaling as the
    start, and names pushed apart. They say who is joined to whom; how far two
    classes are apart on paper says nothing more.

    Cost: that of `log_pair_errors`, and some 1,000 n_classes^2.

    Exactness: the same picture from the same state on one machine and version of matplotlib.

    References
    ----------
    Gansner, Koren and North, Graph drawing by stress majorization, GD 2004.

    Examples
    --------
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.report import class_graph
    >>> head = LDAClassifier().fit([[0.0, 1.0], [1.0, 1.5], [5.0, 0.0], [6.0, 0.5]], ["ape", "ape", "bee", "bee"])
    >>> class_graph(head, "classes.png")  # doctest: +SKIP
    """
    if not isinstance(head, LDAClassifier | GaussianClassifier):
        raise TypeError(
            f"a class graph needs an LDAClassifier or a GaussianClassifier, got {type(head).__name__}: "
            "LDAClassifier.from_moments(head.moments_) makes one of a head that keeps moments of order 2"
        )
    n_pairs = as_integer("n_pairs", n_pairs, 1)
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("a class graph is drawn with matplotlib: pip install 'analytic-cl[plots]'") from None
    kind = Path(path).suffix.removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise ValueError(f"{path} must end in .png, .svg or .pdf")
    errors = head.log_pair_errors()
    if len(errors) > MOST:
        raise ValueError(f"{len(errors)} classes: a picture has room for the names of {MOST}")
    names = [visible(str(label)) for label in cast(LabelledState, head.state_).labels]
    settings: Any = {**STYLE, "svg.hashsalt": "classes"}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # names in scripts that the font lacks
        figure = Figure()
        _paint(figure, names, errors, n_pairs)
        with replacing(Path(path)) as draft:
            figure.savefig(
                draft, format=kind, dpi=96, facecolor=PAPER, metadata={"Date": None} if kind == "svg" else None
            )


def _paint(figure: Any, names: list[str], errors: Floats, n_pairs: int) -> None:
    names = [fit(name, FONT, _WIDEST) for name in names]
    boxes = np.array([[text_width(name, FONT) + 8, FONT + 7] for name in names])
    tree, pairs = spanning_tree(errors), _nearest_pairs(errors, n_pairs)
    places = apart(_LINE * layout([*tree, *pairs], len(names)), boxes)
    low, high = (places - boxes / 2).min(axis=0), (places + boxes / 2).max(axis=0)
    (width, height), top = np.maximum(high - low + 40, (760, 160)), 70
    resize(figure, width, height + top)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(0, height + top))
    places = places - (low + high) / 2 + (width / 2, height / 2)
    for a, b in tree:
        axes.plot(*places[[a, b]].T, color=_TREE, linewidth=1.2, zorder=1)
    for a, b in pairs:
        width = 1.5 + 4.5 * np.exp((errors[a, b] - errors[pairs[0]]) / 2)
        axes.plot(*places[[a, b]].T, color=_NEAR, linewidth=width, alpha=0.85, zorder=2)
    box = {"boxstyle": "round,pad=0.22", "facecolor": PAPER, "edgecolor": _TREE, "linewidth": 0.8}
    for (x, y), name in zip(places, names, strict=True):
        axes.text(x, y, name, fontsize=FONT, color=INK, ha="center", va="center_baseline", bbox=box, zorder=3)
    caption = "Grey: the nearest classes (minimum spanning tree). Orange: the pairs expected to be confused most."
    axes.text(16, height + top - 24, "Classes that lie near each other", fontsize=18, color=INK, va="center_baseline")
    axes.text(16, height + top - 50, caption, fontsize=FONT, color=MUTED, va="center_baseline")


def _nearest_pairs(errors: Floats, n: int) -> list[tuple[int, int]]:
    a, b = np.triu_indices(len(errors), 1)
    order = np.argsort(-errors[a, b], kind="stable")[:n]
    return [(int(a[at]), int(b[at])) for at in order]


def spanning_tree(errors: Floats) -> list[tuple[int, int]]:
    """Pairs of classes that join all of them with the least sum of -log error."""
    distances = -errors
    np.fill_diagonal(distances, 0)
    largest = np.nextafter(distances.max(initial=1.0), np.inf)
    tree = minimum_spanning_tree(np.clip(distances, largest * 1e-12, None) * ~np.eye(len(errors), dtype=bool)).tocoo()
    return [(int(a), int(b)) for a, b in zip(tree.row, tree.col, strict=True)]


def layout(joined: list[tuple[int, int]], n: int) -> Floats:
    """Places in two dimensions whose distances are, as far as they can, the numbers of lines between classes."""
    lines = np.zeros((n, n))
    for a, b in joined:
        lines[a, b] = lines[b, a] = 1
    hops = shortest_path(lines, unweighted=True)
    centred = hops**2 - (hops**2).mean(axis=0)
    centred -= centred.mean(axis=1)[:, None]
    values, vectors = eigh(-centred / 2, subset_by_index=[max(n - 2, 0), n - 1])
    places: Floats = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0))
    places = places * np.where(vectors[np.abs(vectors).argmax(axis=0), range(vectors.shape[1])] < 0, -1, 1)[::-1]
    angles = np.arange(n) * 2.399963  # classes that scaling puts onto one place must part
    places = places + 0.01 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    weights = np.divide(1, hops**2, where=hops > 0, out=np.zeros((n, n)))
    laplacian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.pinv(laplacian)
    for _ in range(_ROUNDS):
        away = _distances(places)
        pulls = -np.divide(weights * hops, away, where=away > 0, out=np.zeros((n, n)))
        np.fill_diagonal(pulls, -pulls.sum(axis=1))
        places = np.asarray(inverse @ (pulls @ places))
    return places


def _distances(places: Floats) -> Floats:
    return np.asarray(np.sqrt(((places[:, None] - places) ** 2).sum(axis=2)))


def apart(places: Floats, boxes: Floats) -> Floats:
    """Places at which boxes don't cover each other, near those given: pairs that do are pushed the shorter way."""
    places = places * (1.6, 1.0)  # names are wider than high
    need = (boxes[:, None] + boxes) / 2 + (6, 8)
    for _ in range(_ROUNDS):
        gap = places[:, None] - places
        over = need - np.abs(gap)
        meet: NDArray[np.bool_] = (over > 0).all(axis=2) & ~np.eye(len(places), dtype=bool)
        if not meet.any():
            break
        sideways = over[:, :, 0] < over[:, :, 1]
        sign = np.where(
            gap == 0, np.sign(np.arange(len(places))[:, None] - np.arange(len(places)))[..., None], np.sign(gap)
        )
        push = 0.3 * np.where(meet[..., None], over * sign, 0.0)
        push[..., 0] *= sideways
        push[..., 1] *= ~sideways
        places = places + push.sum(axis=1)
    return places
