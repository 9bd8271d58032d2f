"""Membership inference: how well an attacker can tell forgotten rows from rows that were never seen.

What an attack reaches on a model that forgot means something only beside what it reaches on the oracle, retrained
without the rows: rows may look like members by chance. `Attack.relative_to` is the difference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from analytic_cl.metrics.inputs import Floats, mask, numbers, one_a_row, probabilities

_ENOUGH = 64  # shadow models on each side of a row, for a variance of its own


class Attack(NamedTuple):
    """What an attack reaches that is to find forgotten rows among rows that were never seen.

    `auc` is the area under the ROC curve, `balanced_accuracy` the mean of both rates of right answers at the attack's
    own threshold (0.5 each is guessing), `member_rate` the share of forgotten rows that it calls members.
    """

    auc: float
    balanced_accuracy: float
    member_rate: float

    def relative_to(self, oracle: Attack) -> Attack:
        """Differences from what the same attack reaches on the oracle: 0 is as good as never having seen the rows."""
        return Attack(*(mine - theirs for mine, theirs in zip(self, oracle, strict=True)))


def entropy_attack(retained: ArrayLike, unseen: ArrayLike, forgotten: ArrayLike) -> Attack:
    """Logistic regression on the entropy of predicted probabilities.

    Parameters
    ----------
    retained, unseen, forgotten : array-like of shape (n_rows, n_classes)
        The model's probabilities of rows that it learned and keeps, of rows that it never saw, and of those it forgot.
        The attacker learns to tell the first two apart, with every other unseen row; the rest of them is kept to judge
        the attack.

    Returns
    -------
    Attack

    Notes
    -----
    Cost: one logistic regression of one feature.

    Exactness: algebraic; 0 relative to an oracle of equal probabilities.

    A downside: a weak attack. It sees confidence alone, not whether the prediction is right, and one threshold for all
    rows; `likelihood_ratio_attack` is stronger.

    References
    ----------
    As in the public code of J. Foster et al., Selective Synaptic Dampening, AAAI 2024, whose score is `member_rate`;
    ours keeps unseen rows apart for judging. A score of 0 is not the aim, the oracle's score is.

    Examples
    --------
    >>> from analytic_cl.metrics import entropy_attack
    >>> sure, unsure = [[0.99, 0.01]] * 20, [[0.5, 0.5]] * 20
    >>> entropy_attack(retained=sure, unseen=unsure, forgotten=sure)
    Attack(auc=1.0, balanced_accuracy=1.0, member_rate=1.0)
    """
    known = _entropies("retained", retained)
    other = _entropies("unseen", unseen)
    asked = _entropies("forgotten", forgotten)
    if len(other) < 2:
        raise ValueError("unseen needs at least two rows: one to learn the attack, one to judge it")
    train, judge = other[::2], other[1::2]
    attacker = LogisticRegression(class_weight="balanced")
    attacker.fit(np.concatenate([known, train])[:, None], np.repeat([1, 0], [len(known), len(train)]))
    found, passed = (attacker.decision_function(part[:, None]) for part in (asked, judge))
    return _judged(np.concatenate([found, passed]), np.repeat([True, False], [len(found), len(passed)]))


def likelihood_ratio_attack(
    target_margins: ArrayLike, members: ArrayLike, shadow_margins: ArrayLike, shadow_members: ArrayLike
) -> Attack:
    """LiRA: how much likelier a row's margin is under models that learned it than under models that did not.

    Parameters
    ----------
    target_margins : array-like of shape (n_rows,)
        What the attacked model gives: see `margins`.
    members : array-like of bool, shape (n_rows,)
        True for the forgotten rows, False for rows that were never seen; what the attacker wants to know.
    shadow_margins : array-like of shape (n_shadows, n_rows)
        Margins of the same rows under shadow models, each trained on a random part of such rows.
    shadow_members : array-like of bool, shape (n_shadows, n_rows)
        Which rows each shadow model learned. Every row needs models of both kinds.

    Returns
    -------
    Attack
        At the threshold of equal likelihoods.

    Notes
    -----
    Cost: O(n_shadows n_rows), after the shadow models are trained; closed-form heads make them by forgetting.

    Exactness: algebraic; 0 relative to an oracle of equal margins.

    A downside: margins are taken to be normal. With fewer than 64 shadow models of a kind for some row, all rows share
    the two variances, as the paper advises for few models.

    References
    ----------
    N. Carlini et al., Membership Inference Attacks From First Principles, IEEE S&P 2022. Margins of scores in place of
    logits of probabilities, which not all heads have.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.metrics import likelihood_ratio_attack
    >>> random = np.random.default_rng(0)
    >>> inside = random.random((20, 100)) < 0.5
    >>> shadows = random.normal(size=inside.shape) + 3 * inside
    >>> members = np.arange(100) < 50
    >>> likelihood_ratio_attack(random.normal(size=100) + 3 * members, members, shadows, inside).auc > 0.95
    True
    """
    seen = numbers("target_margins", target_margins, (None,))
    truth = mask("members", members, len(seen))
    shadows = numbers("shadow_margins", shadow_margins, (None, len(seen)))
    learned = np.asarray(shadow_members)
    if learned.shape != shadows.shape or learned.dtype != np.bool_:
        raise ValueError(
            f"shadow_members must be booleans of shape {shadows.shape}, got {learned.dtype} of shape {learned.shape}"
        )
    if truth.all() or not truth.any():
        raise ValueError(f"members must name some rows, but not all: it names {truth.sum()} of {len(truth)}")
    own = min(learned.sum(axis=0).min(), (~learned).sum(axis=0).min()) >= _ENOUGH
    score = _log_density(seen, shadows, learned, own) - _log_density(seen, shadows, ~learned, own)
    return _judged(score, truth)


def margins(scores: ArrayLike, y_true: ArrayLike, classes: ArrayLike) -> Floats:
    """Score of the true class minus the best other score, for each row.

    Parameters
    ----------
    scores : array-like of shape (n_rows, n_classes), or (n_rows,) for two classes
        From ``decision_function``.
    y_true : array-like of shape (n_rows,)
        Labels, all among `classes`.
    classes : array-like of shape (n_classes,)
        The class of each column, sorted: ``classes_``.

    Returns
    -------
    ndarray of shape (n_rows,)
        Positive where the row is classified right.

    Notes
    -----
    Cost: O(n_rows n_classes).

    Exactness: algebraic, 1e-16.

    A downside: scores of different heads have different units; compare margins within one kind of head.

    Examples
    --------
    >>> from analytic_cl.metrics import margins
    >>> margins([[3.0, 1.0, 2.0], [0.0, 1.0, 5.0]], ["a", "b"], ["a", "b", "c"])
    array([ 1., -4.])
    """
    names = one_a_row("classes", classes)
    if (names[1:] <= names[:-1]).any() or len(names) < 2:
        raise ValueError("classes must be sorted, and at least two")
    y = one_a_row("y_true", y_true)
    if np.ndim(scores) == 1 and len(names) == 2:
        second = numbers("scores", scores, (len(y),))
        table = np.stack([np.zeros(len(y)), second], axis=1)
    else:
        table = numbers("scores", scores, (len(y), len(names))).copy()
    places = np.minimum(np.searchsorted(names, y), len(names) - 1)
    unknown = np.flatnonzero(names[places] != y)
    if unknown.size:
        raise ValueError(f"y_true[{unknown[0]}] is {y[unknown[0]]!r}, which is not among the classes: it has no margin")
    rows = np.arange(len(y))
    true = table[rows, places]
    table[rows, places] = -np.inf
    return np.asarray(true - table.max(axis=1))


def _entropies(name: str, p: ArrayLike) -> Floats:
    return np.asarray(entr(probabilities(name, p)).sum(axis=1))


def _log_density(seen: Floats, shadows: Floats, use: NDArray[np.bool_], own: bool) -> Floats:
    """Logarithm of the normal density of each row's margin, fitted to the shadow models in `use`, up to a constant."""
    count = use.sum(axis=0)
    if not count.all():
        raise ValueError(
            f"row {np.flatnonzero(count == 0)[0]} needs shadow models that learned it and ones that didn't"
        )
    mean = np.where(use, shadows, 0).sum(axis=0) / count
    squares = np.where(use, shadows - mean, 0) ** 2
    if own:
        variance = squares.sum(axis=0) / (count - 1)
    else:
        variance = np.full(len(seen), squares.sum() / max(count.sum() - len(count), 1))
    if not variance.all():
        raise ValueError("shadow_margins of some row never vary: train each shadow model on another part of the rows")
    return np.asarray(-((seen - mean) ** 2) / (2 * variance) - np.log(variance) / 2)


def _judged(score: Floats, truth: NDArray[np.bool_]) -> Attack:
    called = score > 0
    hits, rejections = float(called[truth].mean()), float((~called)[~truth].mean())
    return Attack(float(roc_auc_score(truth, score)), (hits + rejections) / 2, hits)
