"""Which candidates a mixture is made of, by how they score rows that they had not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl.heads.calibration import Calibration, calibration, log_sums, sharpness
from analytic_cl.heads.held_out import Held

MEMBERS = 4  # of a mixture, at most
CLEAR = 0.5  # standard errors by which a further member must make it better

Floats = NDArray[np.float64]


class Judged(NamedTuple):
    """A candidate's held-out scores as log-probabilities, the factor that made them so, and how good they are."""

    logs: Floats
    factor: float
    accuracy: float
    balanced: float
    log_loss: float


class Judge:
    """Judges scores of the same held-out rows.

    Where `classes_alike`, a row's weight is that of its class shared among its rows. Else half of it is, and half that
    of every row: what was learned often should be right, and so should what was learned seldom.
    """

    def __init__(self, places: NDArray[np.int64], classes_alike: bool = False) -> None:
        self.places = places
        _, code, counts = np.unique(places, return_inverse=True, return_counts=True)
        self._of_classes = 1 / (len(counts) * counts[code])
        self.weights = self._of_classes if classes_alike else (1 / max(1, len(places)) + self._of_classes) / 2

    def judged(self, scores: Floats) -> Judged:
        """Scores with -inf for classes that a fold lacks; the temperature is the best for these rows."""
        factor = sharpness([Held(scores, self.places)], self.weights)
        logs = factor * np.where(np.isfinite(scores), scores, -1e30)
        logs -= log_sums(logs)[:, None]
        hits = self._hits(logs)
        return Judged(logs, factor, float(hits.mean()), float(self._of_classes @ hits), self._loss(logs))

    def calibration(self, scores: Floats) -> Calibration:
        """What makes scores log-odds."""
        return calibration([Held(scores, self.places)], self.weights)

    def _hits(self, logs: Floats) -> Floats:
        return np.asarray(logs.argmax(axis=1) == self.places, dtype=np.float64)

    def _loss(self, logs: Floats) -> float:
        own = logs[np.arange(len(logs)), self.places]
        return float(self.weights @ (log_sums(logs) - np.maximum(own, -1e3)))

    def mixture(self, judged: list[Judged]) -> list[int]:
        """Numbers of the members, in the order in which they came; one may come several times, and counts so often.

        The first has the most weighted hits, the less log-loss among equals. Others follow while the mean of the
        log-probabilities has more hits by half a standard error and less log-loss.

        References
        ----------
        Caruana et al., Ensemble selection from libraries of models, ICML 2004. There: hundreds of models, and no test
        of how sure the gain is.
        """
        of_each = [self._hits(one.logs) for one in judged]
        chosen = [max(range(len(judged)), key=lambda i: (float(self.weights @ of_each[i]), -judged[i].log_loss))]
        total, hits, loss = judged[chosen[0]].logs, of_each[chosen[0]], judged[chosen[0]].log_loss
        while len(chosen) < MEMBERS:
            best: tuple[float, float, int, Floats, Floats] | None = None
            for i, one in enumerate(judged):
                mixed = (total + one.logs) / (len(chosen) + 1)
                new_loss = self._loss(mixed)
                if new_loss < loss:
                    new = self._hits(mixed)
                    gain, error = float(self.weights @ (new - hits)), float(np.sqrt(self.weights**2 @ (new != hits)))
                    if gain > 0 and gain >= CLEAR * error and (best is None or (gain, -new_loss) > best[:2]):
                        best = gain, -new_loss, i, total + one.logs, new
            if best is None:
                break
            _, minus_loss, i, total, hits = best
            loss = -minus_loss
            chosen.append(i)
        return chosen
