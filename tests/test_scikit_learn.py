"""The heads are scikit-learn estimators, and as accurate as scikit-learn's where nobody tunes anything."""

import numpy as np
import pytest
from common import HEADS, blobs, head_name, ignore_door
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from analytic_cl import LDAClassifier, RLSClassifier


@ignore_door
@parametrize_with_checks(HEADS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_no_tag_switches_checks_off(head):
    names = [check.func.__name__ for _, check in estimator_checks_generator(head)]

    assert len(names) >= 55
    assert {"check_estimators_pickle", "check_estimators_partial_fit_n_features", "check_classifiers_train"} <= set(
        names
    )


@pytest.mark.parametrize("load", [load_iris, load_wine, load_digits, load_breast_cancer])
@pytest.mark.parametrize(
    ("head", "peer"), [(LDAClassifier(), LinearDiscriminantAnalysis()), (RLSClassifier(), RidgeClassifier())], ids=repr
)
def test_default_accuracy_is_near_scikit_learns(load, head, peer):
    X, y = load(return_X_y=True)

    assert cross_val_score(head, X, y, cv=5).mean() >= cross_val_score(peer, X, y, cv=5).mean() - 0.02


def test_ridge_scores_can_be_calibrated():
    X, y = blobs(200, 5, 3)
    proba = CalibratedClassifierCV(RLSClassifier(), cv=3).fit(X, y).predict_proba(X)

    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba.argmax(axis=1) == y).mean() > 0.9
    assert not hasattr(RLSClassifier(), "predict_proba")


def test_heads_work_in_pipelines_and_searches():
    X, y = blobs(120, 5, 3)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), RLSClassifier()), {"rlsclassifier__alpha": [0.1, "oas", "gcv"]}
    )

    assert search.fit(X, y).score(X, y) > 0.9
