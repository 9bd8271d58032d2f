"""Ridge and discriminants of labels that overlap: the bits of one label a row, and scikit-learn's numbers."""

import numpy as np
import pytest
from common import blobs, ignore_quantization
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier

from analytic_cl import LDAClassifier, RandomProjection, RLSClassifier, export, load_clinc150
from analytic_cl.heads.label_sets import LabelSetHead
from analytic_cl.solvers import label_lda

pytestmark = ignore_quantization


def digits():
    """Digits with three labels that overlap: is even, is prime, has a loop."""
    X, y = load_digits(return_X_y=True)
    return X, np.stack([y % 2 == 0, np.isin(y, [2, 3, 5, 7]), np.isin(y, [0, 6, 8, 9])], axis=1).astype(int)


def clinc():
    """CLINC150 with two labels a row, its intent and its domain, the domains last."""
    data = load_clinc150()
    intents, domains = np.eye(150, dtype=int), np.eye(10, dtype=int)[data.class_domain]
    of_class = np.hstack([intents, domains])
    return data.X_train, of_class[data.y_train], data.X_test, of_class[data.y_test]


def dequantised(head, X):
    return head.quantizer_.offset + head.quantizer_.step * head.quantizer_.quantise(X)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [1.0, "oas", "gcv", "auto"])
@pytest.mark.parametrize("n_classes", [3, 5])
def test_one_label_a_row_gives_the_bits_of_the_plain_head(alpha, fit_intercept, n_classes):
    X, y = blobs(90, 6, n_classes, seed=4)
    how = {"projection": RandomProjection(12)} if alpha == "auto" else {}
    plain = RLSClassifier(alpha, fit_intercept=fit_intercept, **how).fit(X, y)
    of_sets = RLSClassifier(alpha, fit_intercept=fit_intercept, **how).fit(X, [{int(label)} for label in y])

    assert of_sets.alpha_ == plain.alpha_
    np.testing.assert_array_equal(of_sets.coef_, plain.coef_)
    np.testing.assert_array_equal(of_sets.intercept_, plain.intercept_)
    np.testing.assert_array_equal(of_sets.decision_function(X), plain.decision_function(X))


@pytest.mark.parametrize("quantizer", ["tabular", "embedding"])
def test_ridge_is_scikit_learns_in_all_its_ways(quantizer):
    X, Y = digits()
    for alpha, fit_intercept in ((1.0, True), (30.0, False)):
        head = RLSClassifier(alpha, fit_intercept=fit_intercept, quantizer=quantizer).fit(X, Y)
        rows, peer = dequantised(head, X), RidgeClassifier(alpha, fit_intercept=fit_intercept)
        scores = head.decision_function(X)

        np.testing.assert_allclose(scores, peer.fit(rows, Y).decision_function(rows), rtol=0, atol=1e-8)
        for each in (OneVsRestClassifier(peer).fit(rows, Y), MultiOutputClassifier(peer).fit(rows, Y)):
            expected = np.stack([e.decision_function(rows) for e in each.estimators_], axis=1)
            np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-8)
            assert (head.predict(X) == each.predict(rows)).mean() > 0.9999


@pytest.mark.parametrize("shrinkage", [0.0, 0.05, 0.5, 1.0])
def test_lda_with_a_number_is_scikit_learns_one_against_the_rest(shrinkage):
    X, Y = digits()
    X = X + np.random.default_rng(0).normal(size=X.shape)  # no column without variance
    head = LDAClassifier(shrinkage).fit(X, Y)
    rows = dequantised(head, X)
    peer = OneVsRestClassifier(LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)).fit(rows, Y)

    expected = np.stack([each.decision_function(rows) for each in peer.estimators_], axis=1)
    np.testing.assert_allclose(head.decision_function(X), expected, rtol=0, atol=1e-8 * np.abs(expected).max())
    np.testing.assert_allclose(head.predict_proba(X), peer.predict_proba(rows), rtol=0, atol=1e-8)


def test_lda_with_oas_is_the_two_class_problem_on_the_shrunk_covariance():
    X, Y = digits()
    head = LDAClassifier().fit(X, Y)
    scores = label_lda(head.state_)
    rows = dequantised(head, X)
    centred, s = rows - rows.mean(axis=0), scores.strength
    covariance = centred.T @ centred / len(rows)
    live = np.diag(covariance) > 0
    for k in range(3):
        p, (a, b) = Y[:, k].mean(), (rows[Y[:, k] == value][:, live].mean(axis=0) for value in (1, 0))
        within = covariance[np.ix_(live, live)] - p * (1 - p) * np.outer(a - b, a - b)
        w = np.linalg.solve((1 - s) * within + s * np.diag(np.diag(covariance)[live]), a - b)
        np.testing.assert_allclose(scores.coef[k, live], w, rtol=1e-6)
        level = np.log(p / (1 - p)) - w @ (a + b) / 2
        np.testing.assert_allclose(scores.intercept[k], level, rtol=1e-6)


def test_given_weights_are_what_labels_are_pulled_towards():
    X, Y = digits()
    weights = dict(enumerate(np.random.default_rng(1).normal(size=(3, 64))))
    strong, plain = RLSClassifier(1e12, prior_coef=weights).fit(X, Y), RLSClassifier(5.0).fit(X, Y)

    np.testing.assert_allclose(strong.coef_, np.stack([*weights.values()]), atol=1e-3)
    nothing = RLSClassifier(5.0, prior_coef={0: np.zeros(64)}).fit(X, Y)
    np.testing.assert_allclose(nothing.coef_, plain.coef_, rtol=1e-9)


def test_labels_of_real_rows_are_learned_as_well_as_by_scikit_learn():
    X, Y, X_test, Y_test = clinc()
    part = np.arange(0, len(X), 3)
    ridge, lda = RLSClassifier(1.0).fit(X[part], Y[part]), LDAClassifier().fit(X[part], Y[part])
    peer = RidgeClassifier(1.0).fit(X[part], Y[part])

    ours, theirs, discriminants = (
        f1_score(Y_test, each.predict(X_test), average="micro") for each in (ridge, peer, lda)
    )
    assert abs(ours - theirs) < 0.005
    assert discriminants > ours  # ridge hardly names labels of one row in 150
    domains = lda.predict(X_test)[:, 150:]
    assert f1_score(Y_test[:, 150:], domains, average="macro") > 0.85


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (RLSClassifier("folds", track="rows"), "folds"),
        (RLSClassifier(balance=0.5), "balance"),
        (RLSClassifier(1.0, solver="recursive"), "recursive"),
        (LDAClassifier("folds", track="rows"), "folds"),
        (LDAClassifier(temperature="folds", track="rows"), "folds"),
        (LDAClassifier(priors=[0.5, 0.25, 0.25]), "priors"),
    ],
    ids=str,
)
def test_parameters_without_an_answer_for_label_sets_are_refused_before_anything_is_learned(head, words):
    X, Y = digits()

    assert isinstance(head, LabelSetHead)
    with pytest.raises(ValueError, match=words):
        head.fit(X, Y)
    assert not head.__sklearn_is_fitted__()


def test_what_is_of_classes_says_so_where_labels_overlap():
    X, Y = digits()
    lda, ridge = LDAClassifier().fit(X, Y), RLSClassifier().fit(X, Y)

    for call in (lda.transform, lda.score_samples):
        with pytest.raises(ValueError, match=r"one a row|overlap"):
            call(X)
    with pytest.raises(ValueError, match="one a row"):
        lda.confusable_pairs()
    for name in ("means_", "covariance_", "priors_"):
        with pytest.raises(AttributeError, match="labels that overlap are no classes"):
            getattr(lda, name)
    for head in (lda, ridge):
        with pytest.raises(TypeError, match="has learned sets of labels"):
            export.to_sklearn(head)
    with pytest.raises(ValueError, match="reject is of rows with one label each"):
        ridge.predict(X, reject=-1.0)
    plain = RLSClassifier("oas").fit(X, np.arange(len(X)) % 2)
    np.testing.assert_allclose(RLSClassifier("oas").fit(X, Y).score_samples(X), plain.score_samples(X))
