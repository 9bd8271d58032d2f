"""What every solver returns: scores that are linear in the dequantised row."""

from __future__ import annotations

from dataclasses import dataclass

from analytic_cl.solvers.spd import Floats


@dataclass(frozen=True)
class LinearScores:
    """Scores ``X @ coef.T + intercept``: a column a class; for two classes one, positive for the second.

    `strength` is the regularisation that was used: a shrinkage intensity, or an alpha.
    """

    coef: Floats
    intercept: Floats
    strength: float | None = None

    def of_second_class(self) -> LinearScores:
        """For two classes: the second's scores minus the first's, in one column."""
        if len(self.coef) != 2:
            return self
        return LinearScores(self.coef[1:] - self.coef[:1], self.intercept[1:] - self.intercept[:1], self.strength)
