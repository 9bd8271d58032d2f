"""L3A is what its paper's equations give, computed plainly, and forgets like the rest; its state knows sessions."""

import numpy as np
import pytest
from common import ignore_quantization
from scipy.special import expit
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import Ridge

import analytic_cl
from analytic_cl import LabelSetGroups, RandomProjection, resolve_quantizer
from analytic_cl.baselines import L3AClassifier
from analytic_cl.scenarios import multi_label
from analytic_cl.statistics import EMPTY, state_from_arrays

pytestmark = ignore_quantization

X, Y = make_multilabel_classification(160, 8, n_classes=6, allow_unlabeled=False, random_state=4)
X = X / np.linalg.norm(X, axis=1, keepdims=True)
SESSIONS = multi_label(Y, n_sessions=3)
LOGIT = np.log(0.525 / 0.475)


def streamed(head, without=()):
    """Learns sessions with the labels of each alone; ids say session and row."""
    for number, session in enumerate(SESSIONS):
        rows = np.array([row for row in session.train if (number, row) not in without])
        head.partial_fit(X[rows], session.own_labels(Y)[np.isin(session.train, rows)], sample_id=names(number, rows))
    return head


def names(number, rows):
    return [f"{number}/{row}" for row in rows]


def as_published(x, alpha, weighting=0.5, pseudo_threshold=0.7):
    """Scores of all rows: sums over sessions, weights by the counts so far, labels made up by the weights so far."""
    d, k = x.shape[1], Y.shape[1]
    a, c, w, counts, old = alpha * np.eye(d), np.zeros((d, k)), np.zeros((d, k)), np.zeros(k), np.zeros(k, dtype=bool)
    made_up = 0
    for session in SESSIONS:
        rows, own = x[session.train], session.own_labels(Y)
        counts += own.sum(axis=0)
        rates = np.array([n**-weighting if n else 0.0 for n in counts])
        rates *= (counts > 0).sum() / rates.sum()
        weight = np.array([np.mean([rates[label] for label in np.flatnonzero(row)]) for row in own])
        weight = np.rint(256 * weight) / 256
        more = (expit(rows @ w) > pseudo_threshold) & old
        made_up += int((more & (own == 0)).sum())
        y = np.maximum(own, more)
        a += rows.T @ (rows * weight[:, None])
        c += rows.T @ (y * weight[:, None])
        w = np.linalg.solve(a, c)
        old |= own.any(axis=0)
    return x @ w, made_up


@pytest.mark.parametrize(
    "head",
    [L3AClassifier(0.1), L3AClassifier(0.1, 0.25, 0.4), L3AClassifier(0.1, projection=RandomProjection(12))],
    ids=["default", "unsure", "projected"],
)
def test_scores_are_those_of_the_papers_equations(head):
    streamed(head)
    x = head.quantizer_.dequantise(head.quantizer_.quantise(X))

    scores, made_up = as_published(x, 0.1, head.weighting, head.pseudo_threshold)

    assert made_up > 5
    assert head.groups_ == [session.new_classes.tolist() for session in SESSIONS]
    np.testing.assert_allclose(head.decision_function(X), scores - LOGIT, rtol=0, atol=1e-9)
    assert (head.predict(X) == (expit(scores) > 0.525)).all()


def test_without_weights_and_made_up_labels_it_is_ridge_in_any_order():
    plain = L3AClassifier(0.3, weighting=0, pseudo_threshold=1)
    x = streamed(plain).quantizer_.dequantise(plain.quantizer_.quantise(X))
    rows = np.concatenate([session.train for session in SESSIONS])
    own = np.concatenate([session.own_labels(Y) for session in SESSIONS])

    wanted = Ridge(0.3, fit_intercept=False).fit(x[rows], own).predict(x) - LOGIT

    np.testing.assert_allclose(plain.decision_function(X), wanted, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(plain.decision_function(X), plain.fit(X[rows], own).decision_function(X))


def test_what_a_forgotten_row_gave_to_others_goes_with_it():
    gone = [(0, SESSIONS[0].train[3]), (0, SESSIONS[0].train[9]), (1, SESSIONS[1].train[0])]
    head, anew = streamed(L3AClassifier(0.1)), streamed(L3AClassifier(0.1), without=gone)
    before = head.decision_function(X)

    head.forget(sample_id=[f"{number}/{row}" for number, row in gone])

    assert head.state_digest() == anew.state_digest()
    np.testing.assert_array_equal(head.decision_function(X), anew.decision_function(X))
    assert np.abs(before - anew.decision_function(X)).max() > 1e-3


def test_weights_rows_without_labels_and_files(tmp_path):
    times = 1 + np.arange(len(X)) % 3
    head = L3AClassifier(0.1).fit(X, Y, sample_weight=times)
    repeated = L3AClassifier(0.1).fit(np.repeat(X, times, axis=0), np.repeat(Y, times, axis=0))
    np.testing.assert_array_equal(head.decision_function(X), repeated.decision_function(X))

    head.partial_fit(X[:5], np.zeros((5, 6), dtype=int))
    np.testing.assert_array_equal(head.decision_function(X), repeated.decision_function(X))

    streamed(head := L3AClassifier(0.1)).save(tmp_path / "head")
    again = analytic_cl.load(tmp_path / "head")
    assert again.groups_ == head.groups_
    np.testing.assert_array_equal(again.decision_function(X), head.decision_function(X))


def test_a_ledger_without_the_rows_is_refused_and_nothing_is_known_of_moments():
    digests = analytic_cl.RLSClassifier().fit(X, Y)
    with pytest.raises(TypeError, match="session by session"):
        L3AClassifier.from_moments(digests.state_)
    with pytest.raises(ValueError, match="threshold must be above 0 and below 1"):
        L3AClassifier(threshold=1).fit(X, Y)


# ---- the state

QUANTIZER = resolve_quantizer("integers", None, n_features=2)
ROWS = np.random.RandomState(0).randint(-127, 128, size=(6, 2)).astype(np.int8)


def learned(*sessions):
    state = LabelSetGroups(QUANTIZER)
    for session in sessions:
        rows, sets = zip(*session, strict=True)
        state.add(ROWS[list(rows)], [frozenset(each) for each in sets])
    return state


FIRST, SECOND = [(0, "a"), (1, "ab"), (2, "")], [(3, "ac"), (4, "d")]


def test_groups_of_labels_follow_what_is_learned_forgotten_and_merged():
    state = learned(FIRST, SECOND)
    assert state.groups == [["a", "b"], ["c", "d"]]
    assert state.digest() != learned(FIRST + SECOND).digest()
    assert (
        state.digest()
        == learned(FIRST[::-1]).merge(learned(SECOND[1:], SECOND[:1]).empty()).merge(learned(SECOND)).digest()
    )

    state.subtract(ROWS[[3]], [frozenset("ac")])
    assert state.digest() == learned(FIRST, SECOND[1:]).digest()
    state.undo(ROWS[[3]], [frozenset("ac")], -1)
    assert state.digest() == learned(FIRST, SECOND).digest()
    state.undo(ROWS[[3, 4]], [frozenset("ac"), frozenset("d")], +1)
    assert state.digest() == learned(FIRST).digest()
    state.subtract(ROWS[:3], [frozenset("a"), frozenset("ab"), frozenset()])
    assert (state.groups, state.digest()) == ([], EMPTY)


def test_groups_of_labels_come_back_from_arrays_and_bad_ones_are_refused():
    state = learned(FIRST, SECOND)
    arrays = state.to_arrays()

    assert state_from_arrays(QUANTIZER, state.describe(), arrays).digest() == state.digest()
    with pytest.raises(ValueError, match="without gaps"):
        state_from_arrays(QUANTIZER, state.describe(), {**arrays, "groups": arrays["groups"] * 2})
    with pytest.raises(ValueError, match="'groups' is missing"):
        state_from_arrays(QUANTIZER, state.describe(), {k: v for k, v in arrays.items() if k != "groups"})
