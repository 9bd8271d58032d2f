"""Classes that a caller has declared: they are in `classes_`, with or without rows, and never in the state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.heads.encoded import Encoded
from analytic_cl.heads.validation import declared_labels, labels_outside
from analytic_cl.statistics import Label, LabelledState, labels_in
from analytic_cl.statistics.labels import check_one_kind, label_array

Declared = tuple[Label, ...]  # sorted

LOWEST = -1e30  # of a class without rows: finite, and below what any head gives to a class that has some


class DeclaredClasses:
    """The part of a head that knows classes without rows."""

    @property
    def _labelled(self) -> LabelledState:
        """The learned state."""
        raise NotImplementedError

    _declared: Declared = ()

    @property
    def declared(self) -> Declared:
        """Labels that were declared, sorted."""
        return self._declared

    def declare(self, labels: Declared) -> None:
        """Declare exactly these labels; none takes all back."""
        if labels:
            self._declared = labels
        else:
            self.__dict__.pop("_declared", None)

    def _declared_with(self, other: DeclaredClasses) -> Declared:
        """What is declared once `other` is merged."""
        used = [label for each in (self, other) if "learner_" in each.__dict__ for label in each._labelled.labels]
        return declared_after((*self._declared, *other.declared), None, used)

    def _scored_classes(self) -> NDArray[Any]:
        """Labels that scores have columns for, sorted: those with rows, unless a head knows of others."""
        return self._labelled.classes

    def _scored_labels(self) -> list[Label]:
        """`_scored_classes` as values."""
        return self._labelled.labels

    def _all_labels(self) -> list[Label]:
        return sorted({*self._scored_labels(), *self._declared})

    def _all_classes(self) -> NDArray[Any]:
        return label_array(self._all_labels()) if self._declared else self._scored_classes()

    def _with_rows(self) -> NDArray[np.intp] | None:
        """Places in `classes_` of the classes that have scores; None where all have."""
        if not self._declared:
            return None
        labels, known = self._scored_labels(), self._all_labels()
        return np.array([known.index(label) for label in labels], dtype=np.intp) if len(known) > len(labels) else None

    def _of_all_classes(self, found: NDArray[np.float64], rest: float = 0.0) -> NDArray[np.float64]:
        """Columns for all of `classes_`, from those of the classes that have rows; `rest` in the others."""
        places = self._with_rows()
        if places is None:
            return found
        out = np.full((len(found), len(self._all_labels())), rest)
        out[:, places] = found
        return out

    def _decisions_of_all(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `_of_all_classes`, for scores in the shapes of `decision_function`."""
        places = self._with_rows()
        if places is None:
            return scores
        if len(self._all_labels()) == 2:  # one has rows: the sign names it
            return np.full(len(scores), -LOWEST if places[0] else LOWEST)
        if scores.ndim == 1:
            scores = np.stack([-scores / 2, scores / 2], axis=1)
        return self._of_all_classes(scores, LOWEST)


def declared_after(before: Declared, classes: Any, labels: list[Label]) -> Declared:
    """What is declared after a call with `classes`, or None, and labels that it uses.

    Raises ValueError for labels that `classes` does not hold, and where declared ones are of another kind.
    """
    if classes is None and not before:
        return ()
    allowed = None if classes is None else declared_labels(classes)
    outside = [] if allowed is None else labels_outside(labels, allowed)
    if outside:
        raise ValueError(f"y holds labels that are not in classes: {', '.join(map(repr, outside))}")
    declared = [*before, *(allowed or [])]
    check_one_kind([*labels, *declared])
    return tuple(sorted(set(declared)))


def declared_with_rows(before: Declared, classes: Any, new: Encoded) -> Declared:
    """As `declared_after`, for rows: the columns of an indicator matrix are labels that it declares."""
    if not new.has_label_sets:
        return declared_after(before, classes, new.targets.values)
    columns = list(range(new.n_columns))
    if classes is None and columns:
        classes = columns
    return declared_after(before, classes, sorted({*labels_in(new.targets.values), *columns}))
