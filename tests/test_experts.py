"""Several heads as one classifier, and rows of no known class by clusters."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from analytic_cl import ContinualPipeline, LDAClassifier, NearestMeanClassifier
from analytic_cl.adaptation import Experts, LabelShift, glc_labels

CLASSES = 6


def rows(y, seed=0):
    return np.random.default_rng(seed).normal(size=(len(y), 8)) + 2.5 * np.eye(8)[y]


def learned(classes, n=60, seed=1):
    y = np.repeat(classes, n)
    return LDAClassifier().fit(rows(y, seed), y)


Y = np.arange(300) % CLASSES
X = rows(Y, 5)


@pytest.fixture(scope="module")
def heads():
    return [learned([0, 1]), learned([2, 3]), learned([4, 5])]


@pytest.fixture(scope="module")
def router():
    return learned(range(CLASSES), n=6, seed=2)


@pytest.mark.parametrize("rule", ["confidence", "mean", "router", "retrieval"])
def test_every_rule_gives_probabilities_of_all_classes(heads, router, rule):
    model = Experts(heads, rule, router=router)
    proba = model.predict_proba(X)
    assert model.classes_.tolist() == list(range(CLASSES))
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
    np.testing.assert_allclose(model.predict_proba(X[:1]), proba[:1])  # whatever the batch
    np.testing.assert_array_equal(model.reset().predict_proba(X), proba)


def test_rules_are_those_that_they_are_named_after(heads, router):
    own = np.zeros((3, len(X), CLASSES))
    for at, head in enumerate(heads):
        own[at][:, 2 * at : 2 * at + 2] = head.predict_proba(X)
    routed, lines = router.predict_proba(X), np.arange(len(X))
    sent = router.predict(X) // 2

    surest = own.max(axis=2).argmax(axis=0)
    np.testing.assert_array_equal(Experts(heads).predict_proba(X), own[surest, lines])
    np.testing.assert_allclose(Experts(heads, "mean").predict_proba(X), own.mean(axis=0))
    np.testing.assert_array_equal(Experts(heads, "router", router=router).predict_proba(X), own[sent, lines])
    # experts that know only their own classes name no other owner
    both = (own[sent, lines] + routed) / 2
    np.testing.assert_allclose(Experts(heads, "retrieval", router=router).predict_proba(X), both)


class Says(BaseEstimator):
    """Names the class that it is told to, whatever the row."""

    classes_ = np.arange(3)

    def __init__(self, label):
        self.label = label

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return np.tile(np.eye(3)[self.label], (len(X), 1))


def test_retrieval_goes_from_owner_to_owner_until_one_names_its_own_class_or_rounds_are_over():
    owners = {0: 0, 1: 1, 2: 2}

    def answer(says, rounds, start=0):
        heads = [Says(label) for label in says]
        model = Experts(heads, "retrieval", router=Says(start), owners=owners, rounds=rounds)
        return model.predict_proba(np.zeros((1, 2)))[0]

    np.testing.assert_array_equal(answer([1, 2, 2], rounds=4), [0.5, 0, 0.5])  # 0 -> 1 -> 2, which stays
    np.testing.assert_array_equal(answer([1, 2, 2], rounds=0), [0.5, 0.5, 0])
    np.testing.assert_array_equal(answer([1, 0, 2], rounds=4), answer([1, 0, 2], rounds=2))  # a circle comes to an end
    np.testing.assert_array_equal(answer([0, 1, 2], rounds=4, start=2), [0, 0, 1])


def test_experts_follow_what_their_heads_learn_and_forget(router):
    heads = [learned([0, 1]), learned([2, 3])]
    model = Experts(heads)
    assert model.classes_.tolist() == [0, 1, 2, 3]
    heads[1].partial_fit(rows(np.full(30, 4)), np.full(30, 4))
    assert model.classes_.tolist() == [0, 1, 2, 3, 4]
    digests = [head.state_digest() for head in heads]
    model.predict(X)
    assert [head.state_digest() for head in heads] == digests


def test_pipelines_over_raw_inputs_wrappers_and_strings_are_experts_too():
    texts, y = ["book a flight", "fly me home", "play some jazz", "play my song"], ["travel", "travel", "jazz", "song"]
    heads = [
        ContinualPipeline(HashingVectorizer(n_features=n), LDAClassifier(quantizer="embedding")).fit(texts, y)
        for n in (60, 90)
    ]
    assert Experts(heads, "mean").predict(["fly me a flight"]).tolist() == ["travel"]
    head = LDAClassifier(track="rows").fit(rows(Y), Y)
    assert Experts([LabelShift(head), head]).score(X, Y) > 0.7


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda heads: Experts([]), "at least one fitted classifier"),
        (lambda heads: Experts(heads, "vote"), "rule must be one of 'confidence', 'mean', 'router', 'retrieval'"),
        (lambda heads: Experts(heads, "router"), "needs a router"),
        (lambda heads: Experts(heads[:2], "router", router=heads[2]), "no head knows: 4, 5"),
        (lambda heads: Experts([*heads, LDAClassifier()]), "not fitted"),
        (lambda heads: Experts([NearestMeanClassifier().fit(X, Y)]), "predict_proba, which NearestMean"),
        (lambda heads: Experts([*heads, LogisticRegression().fit(X, Y.astype(str))]), "some heads are strings"),
        (lambda heads: Experts(heads, "router", router=heads[0], owners={0: 3}), "owner of 0 must be an integer"),
        (lambda heads: Experts(heads, "retrieval", router=heads[0], rounds=-1), "rounds must be"),
    ],
)
def test_bad_input_is_refused(heads, make, message):
    with pytest.raises(ValueError, match=message):
        make(heads).predict(X)


# ---- GLC


def test_unknown_classes_are_found_and_the_same_call_gives_the_same_labels():
    y = np.arange(240) % 6
    Z = np.random.default_rng(3).normal(size=(240, 8)) + 7 * np.eye(8)[y]
    head = LDAClassifier().fit(Z[y < 4], y[y < 4])
    posteriors = head.predict_proba(Z)
    found = glc_labels(Z, posteriors, n_clusters=6)

    assert found.dtype == np.int64
    assert np.mean(found == np.where(y < 4, y, -1)) > 0.95
    np.testing.assert_array_equal(glc_labels(Z, posteriors, n_clusters=6), found)
    assert np.mean(glc_labels(Z, posteriors) == np.where(y < 4, y, -1)) > 0.6  # number of clusters by silhouette


def test_tiny_batches_get_labels():
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert set(glc_labels(np.eye(2), p).tolist()) <= {-1, 0, 1}
    assert glc_labels(np.ones((9, 2)), np.tile(p[0], (9, 1))).shape == (9,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: glc_labels(np.zeros((3, 2)), np.eye(2)), "must be 2 rows"),
        (lambda: glc_labels([[np.nan], [1.0]], np.eye(2)), "finite"),
        (lambda: glc_labels([[1.0]], [[0.5, 0.5]]), "two rows and two classes"),
        (lambda: glc_labels(np.eye(2), np.eye(2), rho=2), "rho"),
        (lambda: glc_labels(np.eye(2), np.eye(2), n_clusters=0), "n_clusters"),
        (lambda: glc_labels(np.eye(2), np.eye(2) * 2), "sum to 1"),
    ],
)
def test_what_can_not_be_clustered_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
