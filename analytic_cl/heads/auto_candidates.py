"""What `AutoClassifier` chooses from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analytic_cl.heads.auto_samples import Sample
from analytic_cl.solvers import (
    CANDIDATES,
    DiscriminantScores,
    Shrinkage,
    ridge,
    row_class_gaussian,
    row_gaussian,
)
from analytic_cl.solvers.shrinkage import Correlations

FEW = 60  # rows a class, on average, below which strengths are candidates
LONG_TAIL = 10  # how many times the rows of the smallest class make the largest too large for plain ridge

Floats = NDArray[np.float64]


class Scores(Protocol):
    """What any solver returns."""

    @property
    def centre(self) -> NDArray[np.int64]: ...

    def of(self, deviations: Floats, /) -> Floats: ...


@dataclass(frozen=True)
class Candidate:
    """A head under a name; `solve` gets the rows themselves, or the rows beside their random features."""

    name: str
    lifted: bool
    solve: Callable[[Sample], Scores]


def has_long_tail(counts: NDArray[np.int64]) -> bool:
    """Whether small classes are so small that their numbers say little of how much they matter."""
    return bool(counts.max() > LONG_TAIL * counts.min())


def candidates(counts: NDArray[np.int64], has_features: bool) -> list[Candidate]:
    """For classes of so many rows.

    Few rows: strengths other than the formula's are candidates. A long tail: LDA with equal priors is one as well, and
    classes count alike in ridge.
    """
    few, tail = counts.sum() < FEW * len(counts), has_long_tail(counts)
    found = [Candidate("Gaussian classes", False, _class_gaussian_of_rows)]
    for lifted in (False, True) if has_features else (False,):
        if lifted:
            found.append(Candidate("Gaussian classes", True, _gaussian_of_rows))
        for strength in CANDIDATES if few else CANDIDATES[:1]:
            found.append(Candidate(f"LDA{_shown(strength)}", lifted, _lda(strength)))
            if tail:
                found.append(Candidate(f"LDA, equal priors{_shown(strength)}", lifted, _equal_lda(strength)))
        for strength in ("oas" if lifted else "auto", *((CANDIDATES[1], CANDIDATES[3]) if few else ())):
            name = "balanced ridge" if tail else "ridge"
            found.append(Candidate(f"{name}{_shown(strength)}", lifted, _ridge(strength, float(tail))))
    return found


def _shown(strength: Shrinkage) -> str:
    return f", {strength.intensity:g}" if isinstance(strength, Correlations) else ""


def _lda(strength: Shrinkage) -> Callable[[Sample], Scores]:
    return lambda sample: sample.lda(strength)


def _equal_lda(strength: Shrinkage) -> Callable[[Sample], Scores]:
    def solve(sample: Sample) -> DiscriminantScores:
        scores = sample.lda(strength)
        return replace(scores, bias=scores.bias - np.log(scores.space.counts / scores.space.counts.sum()))

    return solve


def _ridge(strength: Shrinkage, balance: float) -> Callable[[Sample], Scores]:
    return lambda sample: ridge(sample.moments, strength, True, balance)


def _class_gaussian_of_rows(sample: Sample) -> Any:
    return row_class_gaussian(sample.moments, sample.rows, sample.codes)


def _gaussian_of_rows(sample: Sample) -> Any:
    return row_gaussian(sample.lda("oas"), sample.quantizer, sample.rows, sample.codes)
