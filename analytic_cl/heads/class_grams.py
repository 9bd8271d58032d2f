"""Heads over a Gram matrix of every class."""

from __future__ import annotations

from typing import Any, NoReturn

from analytic_cl.heads.solved import SolvedHead
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import ClassGrams


class ClassGramHead(SolvedHead):
    """Base of heads whose state is `ClassGrams`."""

    def empty_state(self, quantizer: Quantizer) -> ClassGrams:
        return ClassGrams(quantizer)

    @classmethod
    def from_moments(cls, moments: Any, **parameters: Any) -> NoReturn:
        """Refused: one matrix for all classes doesn't tell what each has."""
        raise TypeError(f"{cls.__name__} needs a Gram matrix of each class, which moments don't have: fit it on rows")
