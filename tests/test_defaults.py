"""Heads with default arguments do no worse than scikit-learn's, and what decides is not the units of the columns."""

import numpy as np
import pytest
from common import blobs, ignore_quantization
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from analytic_cl import (
    FixedPoint,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    RLSClassifier,
    load,
)
from analytic_cl.datasets import load_clinc150

NAMESAKES = {
    "LDA": (LDAClassifier, LinearDiscriminantAnalysis),
    "ridge": (RLSClassifier, RidgeClassifier),
    "nearest mean": (NearestMeanClassifier, NearestCentroid),
    "neighbours": (NearestNeighborsClassifier, KNeighborsClassifier),
}


def generated(n, d, spread=3.0):
    """Two classes that one column of many tells apart."""
    random = np.random.default_rng(n)
    y = np.arange(n) % 2
    X = random.normal(size=(n, d))
    X[:, 0] += spread * y
    return X, y


TABLES = {
    "iris": load_iris(return_X_y=True),
    "wine": load_wine(return_X_y=True),
    "breast cancer": load_breast_cancer(return_X_y=True),
    "digits": tuple(part[:600] for part in load_digits(return_X_y=True)),
    "few rows": generated(60, 80, 5.0),
    "noise": generated(300, 100),
}


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_ has at least 1 zero")  # scikit-learn's, of digits
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", NAMESAKES)
def test_no_default_is_two_points_below_its_namesake(name, table):
    X, y = TABLES[table]
    ours, theirs = (
        np.mean(
            [cross_val_score(kind(), X, y, cv=StratifiedKFold(5, shuffle=True, random_state=seed)) for seed in (0, 1)]
        )
        for kind in NAMESAKES[name]
    )

    assert ours > theirs - 0.02


@pytest.mark.parametrize(("n", "spread", "expected"), [(20, 6, 0.93), (300, 3, 0.88), (100, 4, 0.9)])
def test_ridge_does_not_divide_away_the_column_that_tells_classes_apart(n, spread, expected):
    X, y = generated(n, 100, spread)
    T, t = generated(1001, 100, spread)

    assert RLSClassifier().fit(X, y).score(T, t) > expected
    assert (
        RLSClassifier(fit_intercept=False)
        .fit(np.c_[X - spread / 2, np.ones(n)], y)
        .score(np.c_[T - spread / 2, np.ones(1001)], t)
        > 0.6
    )


def test_ridge_with_few_rows_of_unit_length_is_as_good_as_scikit_learns():
    clinc = load_clinc150()
    order = np.argsort(clinc.y_train, kind="stable")
    for n in (2, 10):
        few = order[np.arange(15_000) % 100 < n]
        X, y = clinc.X_train[few], clinc.y_train[few]
        peer = RidgeClassifier().fit(X, y).score(clinc.X_test, clinc.y_test)

        assert RLSClassifier().fit(X, y).score(clinc.X_test, clinc.y_test) > peer - 0.01


def test_the_default_strength_of_unit_rows_is_their_mean_squared_distance_to_the_mean():
    X, y = blobs(50, 300)
    head = RLSClassifier().fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    alpha = ((Z - Z.mean(axis=0)) ** 2).sum() / 50

    assert head.alpha_ == pytest.approx(alpha, rel=1e-12)
    np.testing.assert_allclose(
        head.decision_function(X), RLSClassifier(alpha).fit(X, y).decision_function(X), rtol=1e-9, atol=1e-12
    )


def test_the_default_behind_a_projection_is_oas():
    X, y = blobs(50, 20)
    lift = RandomProjection(30)

    np.testing.assert_array_equal(
        RLSClassifier(projection=lift).fit(X, y).decision_function(X),
        RLSClassifier("oas", projection=lift).fit(X, y).decision_function(X),
    )


@pytest.mark.parametrize("head", [LDAClassifier(), RLSClassifier()], ids=repr)
@pytest.mark.parametrize("k", [4, 50])
def test_a_column_that_is_the_class_decides_in_any_unit(head, k):
    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    noise, fresh = random.normal(size=(2, 60, k))
    scores = []
    for unit in (0.01, 1, 1000):
        X, T = (np.c_[unit * (y == 1), unit * (y == 2), part] for part in (noise, fresh))
        assert head.fit(X, y).score(T, y) == 1
        scores.append(head.decision_function(T))

    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-2, atol=1e-2)  # 0.01 is 41 steps of the quantizer
    np.testing.assert_allclose(scores[2], scores[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("unit", [1, 1000])
def test_one_column_that_is_constant_within_classes_tells_them_apart(unit):
    head = LDAClassifier().fit([[0], [unit], [unit]], ["a", "b", "b"])

    assert head.predict([[0], [unit]]).tolist() == ["a", "b"]
    # the mean of all rows is 2/3: one more row there for each class gives (1/2 4/9 + 2/3 1/9) / 3
    assert head.coef_[0, 0] * unit == pytest.approx(1 / ((4 / 18 + 2 / 27) / 3), rel=1e-9)


def test_a_column_of_one_row_alone_does_not_decide_for_its_class():
    """A word that one row of a class of one row has: rows with the word and another class's words are not drawn in."""
    random = np.random.default_rng(0)
    y = np.append(np.arange(60) % 2, 2)
    X = np.c_[random.normal(size=(61, 5)), np.arange(61) == 60]
    X[:, 0] += 20 * y * (y < 2)
    T = np.c_[X[:20, :5], np.full(20, 0.02)]

    np.testing.assert_array_equal(LDAClassifier().fit(X, y).predict(T), y[:20])


@ignore_quantization
def test_nearest_mean_is_by_angle_behind_unit_rows_and_by_distance_on_tables():
    X, y = blobs(60, 8)
    for quantizer, metric in (
        ("embedding", "cosine"),
        (FixedPoint(16, norm="l2"), "cosine"),
        ("tabular", "euclidean"),
        (FixedPoint(8, bounds=(-9, 9)), "euclidean"),
    ):
        np.testing.assert_array_equal(
            NearestMeanClassifier(quantizer=quantizer).fit(X, y).decision_function(X),
            NearestMeanClassifier(metric, quantizer=quantizer).fit(X, y).decision_function(X),
        )


@pytest.mark.parametrize("head", [NearestMeanClassifier(), RLSClassifier()], ids=repr)
def test_a_default_is_kept_in_a_file(head, tmp_path):
    X, y = blobs(40, 8)
    head.fit(X, y).save(tmp_path / "head")
    again = load(tmp_path / "head")

    assert again.get_params() == head.get_params()
    np.testing.assert_array_equal(again.decision_function(X), head.decision_function(X))


def test_votes_on_tables_are_blind_to_the_unit_and_not_of_the_nearest_alone():
    X, y = generated(300, 100)
    head = NearestNeighborsClassifier().fit(X, y)
    shares = head.voters(X[:50] + 0.1)[1]
    far = NearestNeighborsClassifier().fit(64 * X, y)

    assert shares.max() < 0.5
    np.testing.assert_allclose(far.voters(64 * (X[:50] + 0.1))[1], shares, rtol=1e-3)
    T, t = generated(1001, 100)
    assert head.score(T, t) > KNeighborsClassifier(1).fit(X, y).score(T, t) + 0.05


def test_rows_that_are_all_the_same_share_the_vote():
    head = NearestNeighborsClassifier(4).fit([[1.0]] * 3 + [[5.0]], ["a", "a", "b", "b"])

    np.testing.assert_allclose(head.predict_proba([[1.0]]), [[2 / 3, 1 / 3]])
