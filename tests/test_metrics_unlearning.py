"""Unlearning metrics: by hand, against known distributions, and on heads that forget exactly or not at all."""

import numpy as np
import pytest
from scipy.stats import norm

from analytic_cl import LDAClassifier, NearestMeanClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.metrics import (
    Attack,
    disagreement,
    distance,
    entropy_attack,
    forget_and_retain,
    jensen_shannon,
    likelihood_ratio_attack,
    margins,
)


def hand(value):
    return pytest.approx(value, abs=1e-12)


def test_distances_by_hand():
    # Differences 3, 0, -4: largest 4, length 5, over the length of (0, 6, 8), 10.
    assert distance([3.0, 6.0, 4.0], [0.0, 6.0, 8.0]) == (4, 5, 0.5)
    assert distance([[1.0]], [[1.0]]) == (0, 0, 0)
    assert distance([1.0], [0.0]) == (1, 1, np.inf)
    assert distance([0.0], [0.0]) == (0, 0, 0)
    with pytest.raises(ValueError, match=r"values must have shape \(1, 2\) and not be empty, got shape \(2,\)"):
        distance([1.0, 2.0], [[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"values\[1\] is nan"):
        distance([1.0, np.nan], [1.0, 2.0])


def test_disagreement_counts_rows():
    assert disagreement([1, 2, 3, 4], [1, 2, 4, 3]) == 0.5
    with pytest.raises(ValueError, match=r"oracle must have shape \(2,\)"):
        disagreement([1, 2], [1])
    with pytest.raises(ValueError, match="different kinds"):
        disagreement([1, 2], ["1", "2"])


def test_jensen_shannon_by_hand():
    # (1/2, 1/2) against (1, 0): middle (3/4, 1/4);
    # half of [1/2 log2(2/3) + 1/2 log2(2)] and half of log2(4/3).
    expected = (0.5 * np.log2(2 / 3) + 0.5) / 2 + np.log2(4 / 3) / 2
    assert jensen_shannon([[0.5, 0.5]], [[1.0, 0.0]]) == hand(expected)
    assert jensen_shannon([[1.0, 0.0]], [[0.5, 0.5]]) == hand(expected)
    assert jensen_shannon([[0.5, 0.5], [0.2, 0.8]], [[1.0, 0.0], [0.2, 0.8]]) == hand(expected / 2)
    with pytest.raises(ValueError, match=r"oracle must have shape \(1, 2\)"):
        jensen_shannon([[0.5, 0.5]], [[0.2, 0.3, 0.5]])


def test_forget_and_retain_by_hand():
    y = ["a"] * 4 + ["b"] * 4
    before = ["a", "a", "a", "b"] + ["b"] * 4  # forgotten rows: 3 of 4 right
    after = ["a", "b", "b", "b", "b", "b", "b", "a"]  # 1 of 4, and 3 of 4 of the others
    gone = np.arange(8) < 4
    # Drop 3/4 - 1/4 = 1/2; harmonic mean 2 (1/2) (3/4) / (1/2 + 3/4) = 3/5.
    assert forget_and_retain(y, before, after, gone) == pytest.approx((1 / 4, 3 / 4, 1 / 2, 3 / 5))
    risen = forget_and_retain(y, after, before, gone)
    assert risen == pytest.approx((3 / 4, 1, -1 / 2, 0))
    with pytest.raises(ValueError, match="some rows, but not all: it names 0 of 8"):
        forget_and_retain(y, before, after, gone & ~gone)
    with pytest.raises(ValueError, match="forgotten must be booleans"):
        forget_and_retain(y, before, after, np.arange(8))
    with pytest.raises(ValueError, match=r"before must have shape \(8,\)"):
        forget_and_retain(y, before[1:], after, gone)


def test_margins_by_hand():
    scores = np.array([[3.0, 1.0, 2.5], [0.0, 1.0, 5.0], [4.0, 4.0, 0.0]])
    assert margins(scores, [10, 20, 10], [10, 20, 30]) == hand([3 - 2.5, 1 - 5, 0])
    assert scores[0, 0] == 3  # nothing is written to
    assert margins([2.0, -1.0, 2.0], ["b", "b", "a"], ["a", "b"]) == hand([2, -1, -2])
    with pytest.raises(ValueError, match=r"y_true\[1\] is .*40.*not among the classes"):
        margins(scores[:2], [10, 40], [10, 20, 30])
    with pytest.raises(ValueError, match="classes must be sorted"):
        margins(scores, [10, 20, 10], [20, 10, 30])
    with pytest.raises(ValueError, match=r"scores must have shape \(3, 2\)"):
        margins(scores, [10, 20, 10], [10, 20])


def peaked(confidence):
    """Probabilities of two classes with these confidences."""
    confidence = np.asarray(confidence, dtype=float)
    return np.stack([confidence, 1 - confidence], axis=1)


def test_entropy_attack_by_hand():
    # Members have .99, others .6. Of the forgotten rows two look like members and two like others. Of the unseen rows,
    # every other one judges: .6, .6, .99, .6, so one is called a member.
    unseen = [0.6, 0.6, 0.6, 0.6, 0.6, 0.99, 0.6, 0.6]
    found = entropy_attack(peaked([0.99] * 8), peaked(unseen), peaked([0.99, 0.99, 0.6, 0.6]))
    # AUC: of 4 x 4 pairs (forgotten, unseen), .99 > .6: 2 x 3 wins; ties .99 = .99: 2 x 1, .6 = .6: 2 x 3; half each.
    assert found == pytest.approx(((6 + (2 + 6) / 2) / 16, (2 / 4 + 3 / 4) / 2, 2 / 4))
    with pytest.raises(ValueError, match="unseen needs at least two rows"):
        entropy_attack(peaked([0.9]), peaked([0.5]), peaked([0.9]))
    with pytest.raises(ValueError, match="retained must be probabilities, but row 1"):
        entropy_attack([[0.5, 0.5], [0.5, 0.6]], peaked([0.5, 0.5]), peaked([0.9]))


def test_entropy_attack_finds_nothing_among_rows_of_one_kind():
    random = np.random.default_rng(0)
    kept, unseen, gone = (peaked(random.uniform(0.5, 1, n)) for n in (3000, 6000, 3000))
    found = entropy_attack(kept, unseen, gone)
    assert found.auc == pytest.approx(0.5, abs=0.03)
    assert found.balanced_accuracy == pytest.approx(0.5, abs=0.03)


def test_likelihood_ratio_attack_by_hand():
    # In-margins 2, 4 (mean 3) and out-margins -1, 1 (mean 0), variances 2 and 2 for both rows:
    # more likely in where the margin is above 1.5.
    shadows = np.array([[2.0, -1.0], [4.0, 1.0], [-1.0, 2.0], [1.0, 4.0]])
    learned = np.array([[True, False], [True, False], [False, True], [False, True]])
    members = np.array([True, False])
    assert likelihood_ratio_attack([1.6, 1.4], members, shadows, learned) == (1, 1, 1)
    assert likelihood_ratio_attack([1.4, 1.6], members, shadows, learned) == (0, 0, 0)
    assert likelihood_ratio_attack([1.7, 1.6], members, shadows, learned) == (1, 0.5, 1)


def test_spreads_decide_where_means_are_equal():
    """In-margins -3, 3 and out-margins -1, 1: equally likely where m^2 (1 / v_out - 1 / v_in) / 2 = log 3."""
    few = np.array([[-3.0, -3.0], [3.0, 3.0], [-1.0, -1.0], [1.0, 1.0]])
    learned = np.array([[True, True], [True, True], [False, False], [False, False]])
    members = np.array([True, False])
    # Shared by two rows: v_in = 4 * 9 / (4 - 2) = 18, v_out = 4 / 2 = 2; m^2 = log 3 / (1 / 4 - 1 / 36), m = 2.223.
    assert likelihood_ratio_attack([2.23, 2.22], members, few, learned) == (1, 1, 1)
    # 64 of each, the second row ten times as wide: v_in = 9 v, v_out = v = 64 / 63; m^2 = log 3 * 9 v / 4, m = 1.585.
    many = np.repeat(few, 32, axis=0) * [1, 10]
    assert likelihood_ratio_attack([1.59, 15.8], members, many, np.repeat(learned, 32, axis=0)) == (1, 1, 1)
    assert likelihood_ratio_attack([1.58, 15.9], members, many, np.repeat(learned, 32, axis=0)) == (0, 0, 0)


@pytest.mark.parametrize("n_shadows", [20, 400], ids=["shared variances", "own variances"])
def test_likelihood_ratio_attack_reaches_what_theory_allows(n_shadows):
    """Margins N(row + 1, 1) inside and N(row, 1) outside: the best AUC is that of the difference 1 / sqrt(2)."""
    random = np.random.default_rng(1)
    n = 4000
    level = 5 * random.normal(size=n)
    learned = random.random((n_shadows, n)) < 0.5
    shadows = level + learned + random.normal(size=learned.shape)
    members = np.arange(n) % 2 == 0
    found = likelihood_ratio_attack(level + members + random.normal(size=n), members, shadows, learned)
    best = norm.cdf(1 / np.sqrt(2))  # .760
    assert best - 0.05 < found.auc < best + 0.02
    assert found.balanced_accuracy == pytest.approx(norm.cdf(0.5), abs=0.04)  # .691, threshold in the middle
    assert found.member_rate == pytest.approx(norm.cdf(0.5), abs=0.06)


def test_rows_of_different_spread_need_variances_of_their_own():
    """With 64 models on each side, rows that vary little no longer drown among those that vary much."""
    random = np.random.default_rng(2)
    n = 2000
    spread = np.where(np.arange(n) % 4 < 2, 0.1, 10)
    members = np.arange(n) % 2 == 0

    def attack(n_shadows):
        learned = np.arange(n_shadows)[:, None] % 2 == np.arange(n) % 2
        shadows = learned + spread * random.normal(size=learned.shape)
        return likelihood_ratio_attack(members + spread * random.normal(size=n), members, shadows, learned)

    # Half of the rows are told apart for sure, the others hardly.
    assert attack(256).balanced_accuracy > 0.72


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(members=[True, True]), "members must name some rows, but not all: it names 2 of 2"),
        (dict(members=[1, 0]), "members must be booleans"),
        (dict(shadow_margins=np.zeros((4, 3))), r"shadow_margins must have shape \(n, 2\)"),
        (dict(shadow_members=np.zeros((4, 2))), r"shadow_members must be booleans of shape \(4, 2\)"),
        (dict(shadow_members=np.ones((4, 2), bool)), "row 0 needs shadow models that learned it and ones that didn't"),
        (dict(shadow_margins=np.zeros((4, 2))), "never vary"),
        (dict(target_margins=[0.5, np.nan]), r"target_margins\[1\] is nan"),
    ],
)
def test_attacks_without_what_they_need_are_refused(change, message):
    good = dict(
        target_margins=[0.5, 0.1],
        members=[True, False],
        shadow_margins=np.random.default_rng(0).normal(size=(4, 2)),
        shadow_members=np.array([[True, False]] * 2 + [[False, True]] * 2),
    )
    with pytest.raises(ValueError, match=message):
        likelihood_ratio_attack(**(good | change))


# ---- real heads

DATA = load_clinc150()
X, Y = DATA.X_train[:1500], DATA.y_train[:1500]
GONE = np.arange(len(Y)) % 5 == 0


def heads():
    """A head that learned all, the same after it forgot, and the oracle."""
    full = LDAClassifier(means="plain").fit(X, Y, sample_id=np.arange(len(Y)))
    forgot = LDAClassifier(means="plain").fit(X, Y, sample_id=np.arange(len(Y)))
    forgot.forget(sample_id=np.flatnonzero(GONE))
    return full, forgot, LDAClassifier(means="plain").fit(X[~GONE], Y[~GONE])


def test_exact_unlearning_is_nothing_away_from_the_oracle_and_an_unchanged_model_is_not():
    full, forgot, oracle = heads()
    assert distance(forgot.coef_, oracle.coef_) == (0, 0, 0)
    assert distance(full.coef_, oracle.coef_).relative > 0.01
    unseen, truth = DATA.X_test, oracle.predict(DATA.X_test)
    assert disagreement(forgot.predict(unseen), truth) == 0 < disagreement(full.predict(unseen), truth)
    assert jensen_shannon(forgot.predict_proba(unseen), oracle.predict_proba(unseen)) == 0
    assert jensen_shannon(full.predict_proba(unseen), oracle.predict_proba(unseen)) > 1e-4

    def attack(head):
        return entropy_attack(*(head.predict_proba(rows) for rows in (X[~GONE], DATA.X_test, X[GONE])))

    assert attack(forgot).relative_to(attack(oracle)) == (0, 0, 0)
    assert attack(full).relative_to(attack(oracle)).auc > 0.05

    before, after, reference = (head.predict(X) for head in (full, forgot, oracle))
    mine = forget_and_retain(Y, before, after, GONE)
    assert mine == forget_and_retain(Y, before, reference, GONE)
    assert 0 < mine.drop < 0.5 < mine.forget_accuracy  # single rows leave their classes behind


def test_the_likelihood_ratio_attack_finds_rows_that_are_learned_but_not_those_that_are_forgotten():
    of_20_classes = np.flatnonzero(DATA.y_train < 20)
    X, y = DATA.X_train[of_20_classes], DATA.y_train[of_20_classes]
    asked, public = np.arange(1200), np.arange(1200, len(y))  # rows to attack, rows that everybody has
    random = np.random.default_rng(3)
    learned = random.random((8, len(asked))) < 0.5
    learned = np.concatenate([learned, ~learned])  # each row by half of the shadow models
    members = random.random(len(asked)) < 0.5

    def margins_after(chosen):
        rows = np.concatenate([asked[chosen], public])
        return margins_of(NearestMeanClassifier("euclidean").fit(X[rows], y[rows]))

    def margins_of(head):
        return margins(head.decision_function(X[asked]), y[asked], head.classes_)

    shadows = np.array([margins_after(chosen) for chosen in learned])

    def attack(found):
        return likelihood_ratio_attack(found, members, shadows, learned)

    head = NearestMeanClassifier("euclidean").fit(X, y)
    head.forget(X[asked[~members]], y[asked[~members]])
    learned_them = attack(margins_of(head))
    head.forget(X[asked[members]], y[asked[members]])
    forgot_them, oracle = attack(margins_of(head)), attack(margins_after(members & ~members))

    assert isinstance(oracle, Attack)
    assert forgot_them.relative_to(oracle) == (0, 0, 0)
    assert forgot_them.auc == pytest.approx(0.5, abs=0.05)
    assert learned_them.auc > 0.55
