"""What baselines share that treat classes of the first session, or of the last, otherwise than the rest."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NoReturn, cast

from analytic_cl._locks import reading
from analytic_cl.heads.linear import LinearHead
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import ClassGroups, Label


class GroupedHead(LinearHead):
    """Base of heads over `ClassGroups`: a subclass defines ``_solve(state) -> LinearScores``, and `order`."""

    depends_on_order = True
    order: ClassVar[Literal[1, 2]] = 2  # of its state

    def empty_state(self, quantizer: Quantizer) -> ClassGroups:
        return ClassGroups(quantizer, self.order)

    @property
    @reading
    def groups_(self) -> list[list[Label]]:
        """Labels of the classes that came together, by session, in order of arrival."""
        return cast(ClassGroups, self.state_).groups

    @classmethod
    def from_moments(cls, moments: Any, **parameters: Any) -> NoReturn:
        """Refused: moments don't say which classes came together."""
        raise TypeError(f"{cls.__name__} needs to know which classes came together: fit it on rows, session by session")
