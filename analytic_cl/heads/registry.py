"""All heads: one table, which files, stores, the comparison, the command line and the tests read.

Another package adds its heads by an entry point of the group ``analytic_cl.heads`` that names a `HeadEntry`, or a list
of them. Their states register themselves when the package is imported; see `statistics.State`, and
docs/tutorials/write-a-head.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from analytic_cl._names import HEADS_GROUP as GROUP
from analytic_cl._warnings import warn
from analytic_cl.heads.auto import AutoClassifier
from analytic_cl.heads.base import BaseHead
from analytic_cl.heads.gaussian import GaussianClassifier
from analytic_cl.heads.key_value_bottleneck import KeyValueBottleneckClassifier
from analytic_cl.heads.lda import LDAClassifier
from analytic_cl.heads.nearest_mean import NearestMeanClassifier
from analytic_cl.heads.nearest_neighbors import NearestNeighborsClassifier
from analytic_cl.heads.rls import RLSClassifier
from analytic_cl.heads.rls_regressor import RLSRegressor
from analytic_cl.heads.semantic_ridge import SemanticRidgeClassifier
from analytic_cl.quantizers import FixedPoint, RandomProjection

COMPONENTS = 5000  # random features of the projected heads


@dataclass(frozen=True)
class HeadEntry:
    """A head under a name, ready to run with default parameters.

    Parameters
    ----------
    name, label : str
        For the command line, and for people.
    make : callable
        From a seed (of random features or keys, if it has any) to an unfitted head.
    grid : mapping, optional
        What tuning chooses from, by parameter; the first of each is the default.
    store : bool, default=False
        Whether ``analytic-cl init --head NAME`` offers it, with those of the command's options that are parameters of
        its constructor; a store takes any registered head's class.
    compared : bool, default=True
        Whether comparisons offer it: no regressor, and not where default parameters leave out what the head is for.
    by_default : bool, default=True
        Whether a comparison runs it where no heads are named: not what is published for comparison, or takes minutes.
    examples : sequence of Head, optional
        Heads that the tables of tests run: small ones, so that all parameters have their turn.
    """

    name: str
    label: str
    make: Callable[[int], BaseHead]
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    store: bool = False
    compared: bool = True
    by_default: bool = True
    examples: tuple[BaseHead, ...] = ()

    @property
    def head_class(self) -> type[BaseHead]:
        return type(self.make(0))

    @property
    def task(self) -> str:
        """What its head learns: "classification" or "regression"."""
        return self.head_class.task


def _projection(seed: int) -> RandomProjection:
    return RandomProjection(COMPONENTS, random_state=seed)


_SHRINKAGE = {"shrinkage": ("oas", 0.001, 0.01, 0.1, 0.5)}
_ALPHA = {"alpha": ("auto", "oas", 0.01, 0.1, 1.0, 10.0)}

_OURS = (
    HeadEntry(
        "nearest-mean",
        "nearest mean",
        lambda _: NearestMeanClassifier(),
        store=True,
        examples=(NearestMeanClassifier(), NearestMeanClassifier("euclidean", quantizer=FixedPoint(16))),
    ),
    HeadEntry("nearest-mean-euclidean", "nearest mean, Euclidean", lambda _: NearestMeanClassifier("euclidean")),
    HeadEntry(
        "lda",
        "LDA",
        lambda _: LDAClassifier(),
        _SHRINKAGE,
        store=True,
        examples=(LDAClassifier(), LDAClassifier(0.1, means="plain", quantizer="embedding", track="rows")),
    ),
    HeadEntry(
        "gaussian",
        "Gaussian classes",
        lambda _: GaussianClassifier(),
        _SHRINKAGE,
        store=True,
        examples=(
            GaussianClassifier(),
            GaussianClassifier("class", shrinkage=0.1, quantizer="embedding", track="rows"),
        ),
    ),
    HeadEntry(
        "auto",
        "chosen and mixed",
        lambda seed: AutoClassifier(random_state=seed),
        store=True,
        by_default=False,
        examples=(AutoClassifier(20, quantizer="embedding"),),
    ),
    HeadEntry(
        "ridge",
        "ridge",
        lambda _: RLSClassifier(),
        _ALPHA,
        store=True,
        examples=(
            RLSClassifier(),
            RLSClassifier(alpha=1.0, fit_intercept=False, quantizer=FixedPoint(8, bounds=(-6, 6)), track="none"),
            RLSClassifier(projection=RandomProjection(20)),
            RLSClassifier(alpha=1.0, solver="recursive"),
            RLSClassifier(alpha=1.0, solver="recursive", fit_intercept=False, quantizer="embedding"),
        ),
    ),
    HeadEntry(
        "ridge-regression",
        "ridge regression",
        lambda _: RLSRegressor(),
        {"alpha": ("gcv", "oas", 0.01, 0.1, 1.0, 10.0)},
        store=True,
        compared=False,
        examples=(RLSRegressor(),),
    ),
    HeadEntry(
        "semantic-ridge",
        "ridge onto class embeddings",
        lambda _: SemanticRidgeClassifier(),
        compared=False,
        examples=(SemanticRidgeClassifier(),),
    ),
    HeadEntry(
        "ridge-gcv", "ridge, GCV", lambda _: RLSClassifier("gcv"), examples=(RLSClassifier("gcv", track="digest"),)
    ),
    HeadEntry(
        "lda-rp",
        f"LDA, {COMPONENTS:,} random features",
        lambda seed: LDAClassifier(projection=_projection(seed)),
        _SHRINKAGE,
    ),
    HeadEntry(
        "ridge-rp",
        f"ridge, {COMPONENTS:,} random features",
        lambda seed: RLSClassifier(projection=_projection(seed)),
        _ALPHA,
    ),
    HeadEntry(
        "key-value",
        "key-value bottleneck",
        lambda seed: KeyValueBottleneckClassifier(random_state=seed),
        {"read_out": ("naive bayes", "mean posterior"), "smoothing": (0.05, 0.01, 0.2, 1.0)},
        store=True,
        examples=(
            KeyValueBottleneckClassifier(n_codebooks=16),
            KeyValueBottleneckClassifier(8, 3, "mean posterior", quantizer="embedding", random_state=3, track="rows"),
        ),
    ),
    HeadEntry(
        "neighbors",
        "nearest neighbours",
        lambda _: NearestNeighborsClassifier(),
        {"n_neighbors": (20, 5, 50), "temperature": (0.1, 0.03, 0.3)},
        store=True,
        examples=(
            NearestNeighborsClassifier(3, "majority"),
            NearestNeighborsClassifier(5, index="flat", quantizer="embedding", track="digest"),
        ),
    ),
)


@cache
def head_entries() -> dict[str, HeadEntry]:
    """All entries by name, ours first. An entry of another package that can't be used is left out with a warning."""
    found = {entry.name: entry for entry in _OURS}
    for point in entry_points(group=GROUP):
        try:
            for entry in _loaded(point):
                if entry.name in found:
                    raise ValueError(f"there is a head called {entry.name!r} already")
                found[entry.name] = entry
        except Exception as error:  # a foreign package can fail in any way, and must not take ours along
            warn(
                f"the heads of {point.dist.name if point.dist else point.value} are left out: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
            )
    return found


def _loaded(point: EntryPoint) -> Iterable[HeadEntry]:
    given = point.load()
    entries = [given] if isinstance(given, HeadEntry) else list(given)
    for entry in entries:
        if not isinstance(entry, HeadEntry) or not issubclass(entry.head_class, BaseHead):
            raise TypeError(f"{point.value} must be a HeadEntry whose head is a Head, or a list of them")
    return entries


@cache
def head_classes() -> dict[str, type[BaseHead]]:
    """Classes of heads by their names, as files and stores know them."""
    classes: dict[str, type[BaseHead]] = {}
    for entry in head_entries().values():
        known = classes.setdefault(entry.head_class.__name__, entry.head_class)
        if known is not entry.head_class:
            raise TypeError(f"two packages have a head called {known.__name__}: {known!r}, {entry.head_class!r}")
    return classes
