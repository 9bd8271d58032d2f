"""Names that scikit-learn's users look for, with scikit-learn's values on the dequantised rows."""

import numpy as np
import pytest
from common import blobs, head_name, ignore_quantization
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid, NearestNeighbors

from analytic_cl import (
    GaussianClassifier,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
)
from analytic_cl.baselines import NaiveBayesClassifier, QDAClassifier

X, Y = blobs(90, 5, 3)
Y = np.array(["a", "b", "c"])[np.where(np.arange(90) < 20, 0, Y)]


def twin(head, model):
    """Ours, and scikit-learn's on the rows that ours has learned."""
    head.fit(X, Y)
    rows = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    return head, model.fit(rows, Y), rows


@pytest.mark.parametrize("priors", [None, [0.5, 0.3, 0.2]])
def test_lda_has_the_means_covariance_and_priors_of_scikit_learn(priors):
    head, model, _ = twin(LDAClassifier(0.3, priors=priors), LinearDiscriminantAnalysis("lsqr", shrinkage=0.3))
    assert_allclose(head.means_, model.means_, rtol=1e-12)
    assert_allclose(head.covariance_, model.covariance_, rtol=1e-9, atol=1e-12)
    assert_allclose(head.priors_, model.priors_ if priors is None else priors)
    automatic = LDAClassifier().fit(X, Y).covariance_
    assert_array_equal(automatic, automatic.T)


def test_qda_and_gaussians_have_the_means_covariances_and_priors_of_scikit_learn():
    head, model, rows = twin(QDAClassifier(), QuadraticDiscriminantAnalysis(store_covariance=True))
    assert_allclose(head.means_, model.means_, rtol=1e-12)
    assert_allclose(head.priors_, model.priors_)
    for own, place in zip(head.covariance_, "abc", strict=True):
        some = rows[place == Y]
        assert_allclose(own, np.cov(some.T, bias=True), rtol=1e-9, atol=1e-12)
    assert_array_equal(GaussianClassifier().fit(X, Y).means_, head.means_)


def test_naive_bayes_and_nearest_means_have_the_names_of_scikit_learn():
    head, model, _ = twin(NaiveBayesClassifier(), GaussianNB())
    for name in ("theta_", "var_", "class_prior_"):
        assert_allclose(getattr(head, name), getattr(model, name), rtol=1e-9)
    head, model, _ = twin(NearestMeanClassifier(), NearestCentroid())
    assert_allclose(head.centroids_, model.centroids_, rtol=1e-12)


def test_kneighbors_are_those_of_scikit_learn():
    head, model, _ = twin(NearestNeighborsClassifier(4), NearestNeighbors(n_neighbors=4))
    distances, positions = head.kneighbors(X + 0.01)
    wanted, places = model.kneighbors(head.quantizer_.dequantise(head.quantizer_.quantise(X + 0.01)))
    assert_allclose(distances, wanted, rtol=1e-9)
    assert_array_equal(positions, places)
    assert_array_equal(head.kneighbors(X, 2, return_distance=False), head.kneighbors(X, 2)[1])
    assert head.kneighbors(X[:1], 1000)[0].shape == (1, 90)
    with pytest.raises(ValueError, match="n_neighbors"):
        head.kneighbors(X, 0)


@ignore_quantization
@pytest.mark.parametrize(
    "head",
    [
        RLSClassifier(track="rows"),
        RLSClassifier(temperature=0.01),
        KeyValueBottleneckClassifier(32),
        KeyValueBottleneckClassifier(32, read_out="mean posterior"),
        NearestNeighborsClassifier(3),
        LDAClassifier(),
    ],
    ids=head_name,
)
def test_log_probabilities_are_those_of_predict_proba_for_two_classes_and_more(head):
    for classes in ("abc", "ab"):
        some = np.isin(Y, list(classes))
        fitted = clone(head).fit(X[some], Y[some])
        assert_allclose(np.exp(fitted.predict_log_proba(X)), fitted.predict_proba(X), atol=1e-12)


def test_log_probabilities_do_not_underflow_and_are_there_only_with_probabilities():
    head = RLSClassifier(temperature=1e-6).fit(X, Y)
    assert not head.predict_proba(X).all()
    assert np.isfinite(head.predict_log_proba(X)).all()
    assert not hasattr(RLSClassifier().fit(X, Y), "predict_log_proba")
    votes = NearestNeighborsClassifier(3).fit(X, Y).predict_log_proba(X)
    assert np.isneginf(votes[NearestNeighborsClassifier(3).fit(X, Y).predict_proba(X) == 0]).all()
