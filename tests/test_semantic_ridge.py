"""Ridge onto class embeddings: the equation, classes without rows, and embeddings that are no part of the state."""

import numpy as np
import pytest
from common import blobs
from sklearn.base import clone

import analytic_cl
from analytic_cl import LDAClassifier, RLSClassifier, SemanticRidgeClassifier, Store
from analytic_cl.heads import head_entries

NAMES = np.array(["ant", "bee", "cat", "dog", "emu", "fox"])


def attributes(n=300, d=8, e=4, seed=0):
    """Rows that are a class's attributes through a linear map, with noise; embeddings of all six classes."""
    random = np.random.RandomState(seed)
    places = random.normal(size=(6, e))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    y = np.arange(n) % 6
    return places[y] @ random.normal(size=(e, d)) + 0.05 * random.normal(size=(n, d)), NAMES[y], places


def known(places):
    return dict(zip(NAMES.tolist(), places, strict=True))


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("same_space", [False, True])
def test_scores_solve_the_equation(n_classes, same_space):
    X, y = blobs(60, 5, n_classes)
    E = np.random.default_rng(3).normal(size=(n_classes, 5))
    head = SemanticRidgeClassifier(dict(enumerate(E)), 7.0, same_space).fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))
    E /= np.linalg.norm(E, axis=1, keepdims=True)
    W = np.linalg.solve(Z.T @ Z + 7 * np.eye(5), Z.T @ E[y] + 7 * same_space * np.eye(5))
    expected = Z @ W @ E.T

    np.testing.assert_allclose(
        head.decision_function(X), expected[:, 1] - expected[:, 0] if n_classes == 2 else expected, atol=1e-9
    )
    np.testing.assert_allclose(Z @ head.coef_.T, expected[:, 1:] - expected[:, :1] if n_classes == 2 else expected)


def test_classes_without_rows_are_answers():
    X, y, places = attributes()
    rows = ~np.isin(y, ["emu", "fox"])
    head = SemanticRidgeClassifier(known(places), 0.1).fit(X[rows], y[rows])

    assert head.classes_.tolist() == NAMES.tolist()
    assert head.decision_function(X).shape == (300, 6)
    assert (head.predict(X[~rows]) == y[~rows]).mean() > 0.95
    assert head.score(X, y) > 0.95


def test_embeddings_may_be_replaced_and_are_no_part_of_the_state(tmp_path):
    X, y, places = attributes()
    rows = ~np.isin(y, ["emu", "fox"])
    few = known(places)
    del few["fox"]
    head = SemanticRidgeClassifier(few, 0.1).fit(X[rows], y[rows])
    digest = head.state_digest()
    assert head.classes_.tolist() == NAMES[:5].tolist()
    head.set_params(embeddings=known(places))

    assert digest == head.state_digest() == RLSClassifier().fit(X[rows], y[rows]).state_digest()
    np.testing.assert_array_equal(
        head.decision_function(X),
        SemanticRidgeClassifier(known(places), 0.1).fit(X[rows], y[rows]).decision_function(X),
    )
    before = head.decision_function(X)
    head.embeddings["fox"][:] = head.embeddings["ant"]  # in place: embeddings are by value
    np.testing.assert_allclose(head.decision_function(X)[:, 5], before[:, 0])


def test_one_learned_class_and_one_with_a_name_alone_are_two_classes():
    X, y, places = attributes()
    one = y == "bee"
    two = {"bee": places[1], "fox": -places[1]}
    head = SemanticRidgeClassifier(two, 0.1).fit(X[one], y[one])

    assert head.classes_.tolist() == ["bee", "fox"]
    assert head.decision_function(X[one]).shape == (one.sum(),)
    assert set(head.predict(X[one])) == {"bee"}
    assert set(head.predict(-X[one])) == {"fox"}


def test_declared_classes_without_an_embedding_are_there_and_never_an_answer():
    X, y, places = attributes()
    head = SemanticRidgeClassifier(known(places), 0.1).partial_fit(X, y, classes=[*NAMES.tolist(), "gnu"])

    assert head.classes_.tolist() == [*NAMES.tolist(), "gnu"]
    assert (head.decision_function(X)[:, 6] == -1e30).all()
    assert head.score(X, y) > 0.95


def test_several_texts_a_class_count_alike_whatever_their_lengths():
    X, y, places = attributes()
    random = np.random.default_rng(0)
    texts = places[:, None] + 0.3 * random.normal(size=(6, 3, 4))
    unit = texts / np.linalg.norm(texts, axis=2, keepdims=True)
    longer = texts * random.uniform(0.1, 10, size=(6, 3, 1))
    expected = SemanticRidgeClassifier(known(unit.mean(axis=1))).fit(X, y)

    np.testing.assert_allclose(
        SemanticRidgeClassifier(known(longer)).fit(X, y).decision_function(X), expected.decision_function(X), atol=1e-12
    )


def test_in_one_space_a_strong_pull_compares_rows_and_embeddings():
    X, y, _ = attributes(d=6)
    E = np.random.default_rng(1).normal(size=(6, 6))
    head = SemanticRidgeClassifier(known(E), 1e9, same_space=True).fit(X, y)

    np.testing.assert_array_equal(
        head.predict(X), NAMES[(X @ (E / np.linalg.norm(E, axis=1, keepdims=True)).T).argmax(axis=1)]
    )


def test_without_embeddings_it_is_ridge_on_zero_and_one():
    X, y = blobs(60, 5, 3)
    head = SemanticRidgeClassifier(alpha=2.0).fit(X, y)
    Z = head.quantizer_.dequantise(head.quantizer_.quantise(X))

    expected = Z @ np.linalg.solve(Z.T @ Z + 2 * np.eye(5), Z.T @ np.eye(3)[y])
    np.testing.assert_allclose(head.decision_function(X), expected, atol=1e-9)


def test_it_goes_through_copies_files_stores_and_forgetting(tmp_path):
    X, y, places = attributes()
    head = SemanticRidgeClassifier({**known(places), "bee": np.stack([places[1], places[2]])}).fit(X, y)
    head.save(tmp_path / "head")
    with Store.create(tmp_path / "store", clone(head)) as store:
        store.learn(X, y)
        scores = store.head.decision_function(X)

    for found in (analytic_cl.load(tmp_path / "head").decision_function(X), scores):
        np.testing.assert_array_equal(found, head.decision_function(X))
    head.forget(X[y == "fox"], y[y == "fox"])
    never = clone(head).fit(X[y != "fox"], y[y != "fox"])
    assert head.classes_.tolist() == NAMES.tolist()
    np.testing.assert_array_equal(head.decision_function(X), never.decision_function(X))
    assert SemanticRidgeClassifier.from_moments(LDAClassifier().fit(X, y).moments_).score(X, y) > 0.5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"embeddings": {0: [0.0, 0.0]}}, r"embeddings\[0\] has length 0"),
        ({"embeddings": {0: np.ones((1, 2, 2))}}, r"embeddings\[0\] must be a vector, or a matrix"),
        ({"embeddings": [[1.0]]}, "embeddings must be a mapping"),
        ({"embeddings": {"a": [1.0, 2.0]}}, "mixed types"),
        ({"embeddings": {0: [1.0], 1: [1.0]}}, "without one: 2"),
        (
            {"embeddings": dict(enumerate(np.eye(3))), "same_space": True},
            "as wide as rows: they have 3",
        ),
        ({"same_space": True}, "needs embeddings"),
        ({"same_space": 2}, "same_space must be True or False"),
        ({"alpha": "gcv"}, "alpha must be a number at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused(parameters, message):
    X, y = blobs(30, 5, 3)
    with pytest.raises((ValueError, TypeError), match=message):
        SemanticRidgeClassifier(**parameters).fit(X, y).predict(X)


def test_a_comparison_does_not_offer_what_says_nothing_without_embeddings_or_label_sets():
    from analytic_cl.comparison.methods import head_methods

    left_out = {entry.name for entry in head_entries().values() if entry.task == "classification"} - set(head_methods())
    assert left_out == {"semantic-ridge", "l3a"}
