"""The heads are scikit-learn estimators, and as accurate as scikit-learn's where nobody tunes anything."""

import numpy as np
import pandas as pd
import pytest
from common import HEADS, REGRESSORS, blobs, head_name, ignore_quantization
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from analytic_cl import (
    ContinualPipeline,
    ErrorMemory,
    FixedPoint,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    RLSClassifier,
)


@ignore_quantization
@parametrize_with_checks([*HEADS, *REGRESSORS])
def test_scikit_learn_check(estimator, check):
    check(estimator)


class KnowsNothing(ClassifierMixin, BaseEstimator):
    """A base of no classes, for rows of any width: the checks have many."""

    classes_ = np.zeros(0, dtype=int)

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return np.zeros((len(np.asarray(X)), 0))


MEMORIES = [ErrorMemory(KnowsNothing()), ErrorMemory(KnowsNothing(), KeyValueBottleneckClassifier(64))]
PIPELINES = [
    ContinualPipeline(Normalizer(), LDAClassifier()),
    ContinualPipeline(Normalizer(), NearestNeighborsClassifier(3), batch_size=7),
]


def learns_in_place(estimator):
    """As the last step of scikit-learn's own Pipeline, which it excepts from this check too."""
    of_pipeline = {"check_estimators_overwrite_params": "the head is the state"}
    return of_pipeline if isinstance(estimator, ContinualPipeline) else {}


@ignore_quantization
@parametrize_with_checks([*MEMORIES, *PIPELINES], expected_failed_checks=learns_in_place)
def test_scikit_learn_check_of_what_holds_a_head(estimator, check):
    check(estimator)


def test_columns_are_known_once_something_was_learned():
    X, y = blobs(60, 5, 3)
    frame = pd.DataFrame(X, columns=list("abcde"))
    memory = ErrorMemory(LDAClassifier().fit(frame, y))
    pipeline = ContinualPipeline(StandardScaler().set_output(transform="pandas").fit(frame), LDAClassifier())
    text = ContinualPipeline(HashingVectorizer(n_features=8), LDAClassifier())
    for model in (memory, pipeline, text):
        assert not hasattr(model, "n_features_in_")
        assert not hasattr(model, "feature_names_in_")
    for model in (memory, pipeline):
        model.partial_fit(frame, y)
        assert model.n_features_in_ == 5
        assert model.feature_names_in_.tolist() == list("abcde")
        model.forget(frame, y)
        assert not hasattr(model, "n_features_in_")
    assert not hasattr(text.fit(["a b", "c d"], [0, 1]), "n_features_in_")
    assert ContinualPipeline(Normalizer(), LDAClassifier()).fit(sparse.coo_array(X), y).n_features_in_ == 5


def test_a_search_goes_over_parts_of_projections_and_quantizers():
    X, y = blobs(120, 5, 3)
    search = GridSearchCV(RLSClassifier(projection=RandomProjection(4)), {"projection__n_components": [2, 30]}).fit(
        X, y
    )
    through = GridSearchCV(
        ContinualPipeline(Normalizer(), RLSClassifier(projection=RandomProjection(4))),
        {"head__projection__random_state": [3, 4], "head__projection__n_components": [30]},
    ).fit(X, y)
    of_memory = clone(ErrorMemory(LDAClassifier(), NearestNeighborsClassifier(quantizer=FixedPoint(16))))
    of_memory.set_params(memory__quantizer__scale=0.5)

    assert search.best_estimator_.projection == RandomProjection(30)
    assert through.best_estimator_.head.projection.n_components == 30
    assert of_memory.memory.quantizer == FixedPoint(16, scale=0.5)
    assert (
        search.best_estimator_.state_digest() == RLSClassifier(projection=RandomProjection(30)).fit(X, y).state_digest()
    )
    with pytest.raises(ValueError, match="Invalid parameter 'n_component'"):
        RLSClassifier(projection=RandomProjection(4)).set_params(projection__n_component=3)
    with pytest.raises(ValueError, match="at least 1"):
        RLSClassifier(projection=RandomProjection(4)).set_params(projection__n_components=0)


def test_parts_that_are_set_leave_learned_states_and_other_heads_alone():
    X, y = blobs(60, 5, 3)
    projection = RandomProjection(7)
    head, other = RLSClassifier(projection=projection).fit(X, y), clone(RLSClassifier(projection=projection))
    digest, quantizer = head.state_digest(), head.quantizer_.describe()
    head.set_params(projection__n_components=9, alpha=1.0)

    assert (head.state_digest(), head.quantizer_.describe()) == (digest, quantizer)
    assert (projection, other.projection, head.projection) == (*[RandomProjection(7)] * 2, RandomProjection(9))
    assert head.get_params()["projection__n_components"] == 9
    with pytest.raises(ValueError, match="projection changed"):
        head.partial_fit(X, y)
    assert head.set_params(projection=RandomProjection(3), projection__random_state=5).projection == RandomProjection(
        3, 5
    )


@pytest.mark.parametrize("head", [*HEADS, *REGRESSORS], ids=head_name)
def test_a_parameter_that_is_a_mapping_or_a_function_is_refused_by_name(head, tmp_path):
    X, y = blobs(60, 5, 3)
    for name in head.get_params(deep=False):
        for value in ({"a": 1}, len, lambda rows: rows, {1, 2}, object()):
            with pytest.raises((ValueError, TypeError), match=rf"{name}|keys") as refused:
                clone(head).set_params(**{name: value}).fit(X, y).predict(X)
            assert "not 'dict'" not in str(refused.value)
            with pytest.raises((ValueError, TypeError), match=name):
                clone(head).set_params(**{name: value}).save(tmp_path / "head")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_no_tag_switches_checks_off(head):
    names = [check.func.__name__ for _, check in estimator_checks_generator(head)]

    assert len(names) >= 54
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
