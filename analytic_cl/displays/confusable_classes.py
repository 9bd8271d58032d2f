"""Pairs of classes that are easily taken for each other."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from analytic_cl._text import visible
from analytic_cl.displays.axes import axes_for
from analytic_cl.heads.discriminant_space import ConfusablePair, DiscriminantSpace
from analytic_cl.statistics import as_label


class ConfusableClassesDisplay:
    """The pairs of classes with the largest share of rows that get the other's name, expected or counted.

    Parameters
    ----------
    pairs : list of ConfusablePair
        ``(first, second, error)``, the largest error first.
    what : str, default="expected"
        "expected" or "counted", for the label of the axis.

    Attributes
    ----------
    pairs : list of ConfusablePair
    ax_, figure_, bars_ : matplotlib's axes, figure and bars
        After `plot`.

    Notes
    -----
    For a map of all classes see `analytic_cl.report.class_graph`.

    Cost: that of `confusable_pairs`, and a picture.

    Exactness: that of `confusable_pairs`; counts are exact.

    References
    ----------
    See `DiscriminantSpace.confusable_pairs`.

    Examples
    --------
    >>> from analytic_cl.displays import ConfusableClassesDisplay
    >>> y_true, y_pred = ["ape", "ape", "man", "bee"], ["man", "ape", "ape", "bee"]
    >>> ConfusableClassesDisplay.from_predictions(y_true, y_pred, plot=False).pairs
    [ConfusablePair(first='ape', second='man', error=0.6666666666666666)]
    """

    def __init__(self, pairs: list[ConfusablePair], what: str = "expected") -> None:
        self.pairs = list(pairs)
        self.what = what

    @classmethod
    def from_estimator(cls, head: DiscriminantSpace, n: int = 20, *, ax: Any = None, plot: bool = True) -> Self:
        """From what a fitted `LDAClassifier` or `GaussianClassifier` expects; no row is needed."""
        if not isinstance(head, DiscriminantSpace):
            raise TypeError(
                f"expected confusions are known to LDAClassifier and GaussianClassifier, not to {type(head).__name__}: "
                "from_predictions counts those of any classifier"
            )
        display = cls(head.confusable_pairs(n))
        return display.plot(ax) if plot else display

    @classmethod
    def from_predictions(
        cls, y_true: ArrayLike, y_pred: ArrayLike, n: int = 20, *, ax: Any = None, plot: bool = True
    ) -> Self:
        """From labels and predictions: of the rows of two classes, the share that was given the other's name."""
        true, found = ([as_label(label) for label in np.asarray(part).tolist()] for part in (y_true, y_pred))
        if len(true) != len(found):
            raise ValueError(f"y_true has {len(true)} labels, y_pred {len(found)}")
        sizes, mixed = Counter(true), Counter(tuple(sorted(p)) for p in zip(true, found, strict=True) if p[0] != p[1])
        pairs = [ConfusablePair(a, b, count / (sizes[a] + sizes[b])) for (a, b), count in mixed.items()]
        display = cls(sorted(pairs, key=lambda pair: (-pair.error, str(pair)))[:n], "counted")
        return display.plot(ax) if plot else display

    def plot(self, ax: Any = None, *, colour: str = "tab:orange") -> Self:
        """Draw a bar a pair, the largest error on top."""
        self.figure_, self.ax_ = axes_for(ax, "ConfusableClassesDisplay")
        places = np.arange(len(self.pairs))
        self.bars_ = self.ax_.barh(places, [pair.error for pair in self.pairs], color=colour)
        names = [visible(f"{pair.first}, {pair.second}") for pair in self.pairs]
        self.ax_.set(yticks=places, yticklabels=names, xlabel=f"share of rows with the other's name, {self.what}")
        self.ax_.invert_yaxis()
        return self
