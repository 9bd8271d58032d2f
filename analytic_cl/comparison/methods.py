"""The methods that a comparison knows, by the names of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from analytic_cl.door import RandomProjection
from analytic_cl.heads import (
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
)

COMPONENTS = 5000  # random features of the projected heads

Way = Literal["state", "partial_fit", "replay", "joint"]


@dataclass(frozen=True)
class Method:
    """One line of a comparison.

    Parameters
    ----------
    name, label : str
        For the command line, and for people.
    way : {"state", "partial_fit", "replay", "joint"}
        How it learns: our heads over an integer state; another library's estimator by ``partial_fit`` on the rows of
        each session; the same with a buffer of earlier rows; or trained once, at the end, on all rows (an oracle).
    make : callable
        From a seed to an untrained estimator.
    grid : dict
        What tuning chooses from, by parameter; the first of each is the default.
    default : bool
        Whether a peer runs unless others are named.
    """

    name: str
    label: str
    way: Way
    make: Callable[[int], Any]
    grid: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    default: bool = False

    @property
    def kind(self) -> str:
        """Of the run file."""
        return {"state": "exact", "joint": "joint"}.get(self.way, "peer")

    def settings(self) -> list[dict[str, Any]]:
        """All that tuning tries, the defaults first."""
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]


_SHRINKAGE = {"shrinkage": ("oas", 0.001, 0.01, 0.1, 0.5)}
_ALPHA = {"alpha": ("auto", "oas", 0.01, 0.1, 1.0, 10.0)}


def _projection(seed: int) -> RandomProjection:
    return RandomProjection(COMPONENTS, random_state=seed)


HEADS = {
    method.name: method
    for method in (
        Method("nearest-mean", "nearest mean", "state", lambda _: NearestMeanClassifier()),
        Method(
            "nearest-mean-euclidean", "nearest mean, Euclidean", "state", lambda _: NearestMeanClassifier("euclidean")
        ),
        Method("lda", "LDA", "state", lambda _: LDAClassifier(), _SHRINKAGE),
        Method("ridge", "ridge", "state", lambda _: RLSClassifier(), _ALPHA),
        Method("ridge-gcv", "ridge, GCV", "state", lambda _: RLSClassifier("gcv")),
        Method(
            "lda-rp",
            f"LDA, {COMPONENTS:,} random features",
            "state",
            lambda seed: LDAClassifier(projection=_projection(seed)),
            _SHRINKAGE,
        ),
        Method(
            "ridge-rp",
            f"ridge, {COMPONENTS:,} random features",
            "state",
            lambda seed: RLSClassifier(projection=_projection(seed)),
            _ALPHA,
        ),
        Method(
            "key-value",
            "key-value bottleneck",
            "state",
            lambda seed: KeyValueBottleneckClassifier(random_state=seed),
            {"read_out": ("naive bayes", "mean posterior"), "smoothing": (0.05, 0.01, 0.2, 1.0)},
        ),
        Method(
            "neighbors",
            "nearest neighbours",
            "state",
            lambda _: NearestNeighborsClassifier(),
            {"n_neighbors": (20, 5, 50), "temperature": (0.1, 0.03, 0.3)},
        ),
    )
}


def choose(names: str | Iterable[str], known: dict[str, Method], what: str) -> list[Method]:
    """Methods by name: "all", "none", "default", or names (in text, separated by commas), each once.

    Raises ValueError for unknown names, with those that are known.
    """
    asked = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    if asked == ["all"]:
        return list(known.values())
    if asked == ["default"]:
        return [method for method in known.values() if method.default]
    if asked in (["none"], []):
        return []
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}: choose from {', '.join(known)}, or all or none")
    return [known[name] for name in dict.fromkeys(asked)]
