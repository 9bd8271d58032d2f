"""AutoClassifier chooses by rows that candidates have not seen; after forgetting, as if the rows had never come."""

import numpy as np
import pytest
from common import blobs, ignore_quantization

from analytic_cl import AutoClassifier, GaussianClassifier, LDAClassifier, NearestNeighborsClassifier, RLSClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.heads.auto_candidates import candidates
from analytic_cl.heads.auto_mixing import Judge
from analytic_cl.heads.auto_samples import Sample
from analytic_cl.heads.calibration import Calibration, calibration, sharpness
from analytic_cl.heads.held_out import Held
from analytic_cl.quantizers import resolve_quantizer
from analytic_cl.solvers import class_gaussian, row_class_gaussian, row_gaussian
from analytic_cl.statistics import ClassGrams, Targets

pytestmark = ignore_quantization


def small():
    X, y = blobs(90, 12, 4, seed=5)
    return AutoClassifier(30, quantizer="embedding"), X, y


def test_after_forgetting_all_is_chosen_as_if_the_rows_had_never_come_in_any_order():
    head, X, y = small()
    order = np.random.RandomState(0).permutation(len(X))
    kept = np.sort(order[20:])
    never = AutoClassifier(30, quantizer="embedding").fit(X[kept], y[kept])

    head.partial_fit(X[order[:50]], y[order[:50]]).partial_fit(X[order[50:]], y[order[50:]])
    assert head.choices_ != never.choices_
    head.forget(X[order[:20]], y[order[:20]])

    assert head.choices_ == never.choices_
    assert head.state_digest() == never.state_digest()
    np.testing.assert_array_equal(head.predict_proba(X), never.predict_proba(X))


def test_what_is_chosen_has_no_part_in_the_digest():
    head, X, y = small()
    head.fit(X, y)
    before = head.state_digest()
    head.predict(X)

    assert head.state_digest() == before
    assert before == NearestNeighborsClassifier(quantizer="embedding").fit(X, y).state_digest()
    assert before == AutoClassifier(0, quantizer="embedding").fit(X, y).state_digest()


def test_rows_are_judged_by_heads_that_have_not_seen_them():
    X, y = np.random.RandomState(3).normal(size=(120, 300)), np.arange(120) % 3  # nothing to learn but by heart
    head = AutoClassifier(200).fit(X, y)

    assert LDAClassifier(0.1).fit(X, y).score(X, y) == 1
    assert max(choice.accuracy for choice in head.choices_) < 0.5
    assert head.predict_proba(X).max() < 0.8


def test_shares_add_up_and_are_explained():
    head, X, y = small()
    head.fit(X, y)
    lines = head.explain().splitlines()

    assert sum(choice.share for choice in head.choices_) == pytest.approx(1)
    assert len(lines) == 2 + len(head.choices_)
    assert "90 rows of 4 classes, judged by 90 held out" in lines[0]
    assert head.choices_[0].share > 0
    assert any("with random features" in choice.name for choice in head.choices_)


@pytest.mark.parametrize(("space", "n"), [("discriminant", 400), ("whitened", 400), ("whitened", 40)])
def test_gaussian_classes_from_rows_are_those_from_gram_matrices(space, n):
    X, y = blobs(n, 20, 5, seed=1)
    if space == "discriminant":
        X[y == 1] *= 3
    codes = np.sort(y)
    quantizer = resolve_quantizer("embedding" if space == "discriminant" else "tabular", None, 20)
    sample = Sample(quantizer, quantizer.quantise(X[np.argsort(y, kind="stable")]), [0, 1, 2, 3, 4], codes)
    grams = ClassGrams(quantizer)
    grams.add(sample.rows, Targets(sample.labels, codes))
    by_grams = class_gaussian(grams, "class")
    by_rows = row_class_gaussian(sample.moments, sample.rows, codes, "class")
    found = [by_rows, row_gaussian(sample.lda("oas"), quantizer, sample.rows, codes)]

    assert by_grams.space == space  # else the data of this test are no use
    deviations = quantizer.deviations(sample.rows, by_rows.centre)
    for scores in found if space == "discriminant" else found[:1]:
        np.testing.assert_allclose(scores.of(deviations), by_grams.of(deviations), rtol=1e-9, atol=1e-9)


def test_a_member_joins_only_where_hits_and_log_loss_get_better():
    random = np.random.RandomState(0)
    places = np.arange(600) % 3
    judge = Judge(places)
    truth = np.eye(3)[places]
    left, right = (
        judge.judged(truth * np.where(random.rand(600, 1) < 0.5, 4, 0.1) + random.normal(size=(600, 3))) for _ in "ab"
    )
    noise = judge.judged(random.normal(size=(600, 3)))

    assert set(judge.mixture([noise, left, right])) == {1, 2}
    assert judge.mixture([noise, left, noise]) == [1]


def test_in_a_long_tail_classes_count_alike():
    places = np.array([0] * 90 + [1] * 10)
    alike, half = Judge(places, classes_alike=True), Judge(places)

    for judge, share in ((alike, 0.5), (half, 0.7)):
        assert judge.weights.sum() == pytest.approx(1)
        assert judge.weights[:90].sum() == pytest.approx(share)
    names = [candidate.name for candidate in candidates(np.array([900, 80]), has_features=False)]
    assert names == ["Gaussian classes", "LDA", "LDA, equal priors", "balanced ridge"]
    names = [candidate.name for candidate in candidates(np.array([900, 95]), has_features=False)]
    assert names == ["Gaussian classes", "LDA", "ridge"]


@pytest.mark.parametrize("counts", [[3], [1, 1], [5, 1], [1, 1, 1]])
def test_few_rows_are_enough(counts):
    y = np.repeat(np.arange(len(counts)), counts)
    X = np.random.RandomState(1).normal(size=(len(y), 4)) + 9 * np.eye(4)[y]
    head = AutoClassifier().fit(X, y)

    np.testing.assert_array_equal(head.predict(X), y)
    assert np.isfinite(head.predict_proba(X)).all()


@pytest.mark.parametrize(("parameters", "name"), [((-1,), "n_components"), ((5, None), "random_state")])
def test_parameters_are_checked(parameters, name):
    with pytest.raises(ValueError, match=name):
        AutoClassifier(*parameters).fit([[0.0], [1.0]], [0, 1])


def test_it_is_as_accurate_as_the_best_single_head_with_few_rows_of_sentences():
    clinc = load_clinc150()
    few = np.concatenate([np.flatnonzero(clinc.y_train == label)[:6] for label in np.unique(clinc.y_train)[:60]])
    X, y = clinc.X_train[few], clinc.y_train[few]
    test = np.isin(clinc.y_test, y)
    T, t = clinc.X_test[test], clinc.y_test[test]
    best = max(head.fit(X, y).score(T, t) for head in (LDAClassifier(), GaussianClassifier(), RLSClassifier()))

    assert AutoClassifier(500).fit(X, y).score(T, t) > best - 0.004


def test_a_calibration_without_a_tail_is_a_temperature_and_with_one_keeps_the_order():
    scores = np.random.RandomState(0).normal(size=(50, 4)) * 5
    for calibrated in (Calibration(0.5), Calibration(0.5, 2.0)):
        np.testing.assert_array_equal(calibrated.of(scores).argsort(axis=1), scores.argsort(axis=1))
        two = calibrated.of(scores[:, :2])
        one = calibrated.of(scores[:, 1] - scores[:, 0])
        np.testing.assert_allclose(two[:, 1] - two[:, 0], one)
    np.testing.assert_array_equal(Calibration(0.5).of(scores), scores * 0.5)
    assert np.ptp(Calibration(0.5, 2.0).of(scores), axis=1).max() < np.ptp(scores * 0.5, axis=1).max()


def test_few_rows_that_are_wrong_by_much_do_not_make_all_others_unsure():
    random = np.random.RandomState(0)
    places = np.arange(1000) % 4
    scores = random.normal(size=(1000, 4)) + 8 * np.eye(4)[places]
    wrong = np.arange(0, 1000, 50)
    scores[wrong, (places[wrong] + 1) % 4] += 300
    held = [Held(scores, places)]

    assert sharpness(held) < 0.1
    found = calibration(held)
    assert found.factor > 0.5
    assert found.tail < 10
    assert calibration([]) == Calibration(1.0)
