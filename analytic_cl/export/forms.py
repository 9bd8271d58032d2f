"""What a head's scores are made of, found out from what it has solved and checked against the head itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from analytic_cl.export.algebra import Algebra, Value
from analytic_cl.export.rounding import Rounding, Traced
from analytic_cl.export.scores import Form, forms_of
from analytic_cl.heads import AutoClassifier, Head, RLSClassifier
from analytic_cl.heads.label_sets import LabelSetHead
from analytic_cl.quantizers import Quantizer

_TRIED = 24  # rows that a form is tried with

Lift = Callable[[Value, Quantizer], Value]
Score = Callable[[Algebra, Value, Lift], Value]


def scores_of(head: Head) -> Score:
    """Scores of integer rows as `head.scores_of` gives them, for any algebra.

    The third argument of what comes back puts random features behind integers: it is needed by heads that do so
    themselves. Raises TypeError for a head whose scores are of another form than those that are known.
    """
    if isinstance(head, AutoClassifier):
        return _mixture(head)
    form, solved = form_of(head)
    return lambda a, q, _: form.score(a, q, head.quantizer_, solved)


def form_of(head: Head) -> tuple[Form, Any]:
    """How a head scores rows, and what with."""
    if isinstance(head, LabelSetHead) and head.has_label_sets:
        raise TypeError(f"this {type(head).__name__} has learned sets of labels: heads of one label a row are exported")
    fresh, rows = _fresh(head), _rows(head.quantizer_)
    solved, wanted = fresh.prepare(), _as_columns(fresh.scores_of(rows))
    for form in forms_of(solved):
        if _agrees(form, head.quantizer_, solved, rows, wanted):
            return form, solved
    raise TypeError(
        f"the scores of {type(head).__name__} are of no form that can be exported: linear, by cosine, or of classes "
        "with a covariance, as this package's solvers return them"
    )


def _fresh(head: Head) -> Head:
    """A head whose weights come from the state: what is published never comes from a cache that follows rows."""
    if not isinstance(head, RLSClassifier) or head.solver != "recursive":
        return head
    parameters = head.get_params(deep=False)
    kept = {name: value for name, value in parameters.items() if name not in ("quantizer", "projection", "solver")}
    return RLSClassifier.from_moments(head.moments_, **kept)


def _mixture(head: AutoClassifier) -> Score:
    mixture = head.prepare()

    def score(a: Algebra, q: Value, lift: Lift) -> Value:
        lifted = lift(q, mixture.quantizers[-1]) if any(member.lifted for member in mixture.members) else q
        total = None
        for member in mixture.members:
            quantizer, rows = (mixture.quantizers[-1], lifted) if member.lifted else (mixture.quantizers[0], q)
            form = next(forms_of(member.scores))
            found = a.mul(form.score(a, rows, quantizer, member.scores), a.constant(member.factor))
            total = found if total is None else a.add(total, found)
        return total

    return score


def _rows(quantizer: Quantizer) -> NDArray[Any]:
    """Integer rows of many sizes, a row of zeros among them, the same on every machine."""
    random = np.random.RandomState(0)
    most = min(quantizer.limit, 2**15)
    sizes = np.geomspace(1, most, _TRIED)[:, None]
    rows = np.rint(random.uniform(-1, 1, size=(_TRIED, quantizer.width)) * sizes)
    rows[0] = 0
    return rows.astype(quantizer.dtype)


def _as_columns(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores[:, None] if scores.ndim == 1 else scores


def _agrees(form: Form, quantizer: Quantizer, solved: Any, rows: NDArray[Any], wanted: NDArray[np.float64]) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        found: Traced = form.score(Rounding(), Traced(rows.astype(np.float64), np.asarray(0.0)), quantizer, solved)
    error = np.broadcast_to(found.error, found.value.shape)
    return found.value.shape == wanted.shape and bool((np.abs(found.value - wanted) <= 4 * error).all())


def margin_bound(head: Head, X: Any) -> NDArray[np.float64]:
    """How large a row's margin must be for its label to be the same whoever computes the scores.

    The margin is the largest score less the second (`decision_function`), or the size of the only one where there are
    two classes.

    Parameters
    ----------
    head : Head
        Fitted; not of neighbours or counts of keys.
    X : array-like of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    TypeError
        For heads whose rounding is not known here.

    Notes
    -----
    A running error analysis: every operation adds what it may round, and sums count for every order in which they can
    be taken. Both sides may err by that much, on either of two classes: four times the largest error is the bound. It
    takes the integers of a row to be the same, as those of ONNX Runtime are.

    Cost: some three times that of `decision_function`; for Gaussians all classes are worked out.

    Exactness: a bound; measured differences are some hundred times smaller.

    References
    ----------
    Higham, Accuracy and stability of numerical algorithms, 2002, chapters 2 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier, export
    >>> y = np.arange(60) % 3
    >>> X = np.random.default_rng(0).normal(size=(60, 4)) + 4 * np.eye(4)[y]
    >>> bool((export.margin_bound(LDAClassifier().fit(X, y), X) < 1e-12).all())
    True
    """
    score, quantizer = scores_of(head), head.quantizer_
    X = np.asarray(X)
    found = []
    for start in range(0, len(X), 256):
        rows = quantizer.quantise(X[start : start + 256], first_row=start)

        def lift(q: Traced, behind: Quantizer) -> Traced:
            whole = behind.lift(q.value.astype(np.int8))
            return Traced(whole.astype(np.float64), np.asarray(0.0))

        scores = score(Rounding(), Traced(rows.astype(np.float64), np.asarray(0.0)), lift)
        error = np.broadcast_to(scores.error, scores.value.shape)
        found.append(4 * error.max(axis=1))
    return cast(NDArray[np.float64], np.concatenate(found))
