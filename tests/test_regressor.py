"""Regression: numbers as targets, incremental and forgettable, with the weights of scikit-learn's Ridge."""

import numpy as np
import pandas as pd
import pytest
from common import ignore_quantization as pytestmark  # noqa: F401  (of all tests here)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.linalg import LinAlgWarning
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge, Ridge, RidgeCV

import analytic_cl
from analytic_cl import (
    FixedPoint,
    LDAClassifier,
    QuantizationWarning,
    RandomProjection,
    RLSClassifier,
    RLSRegressor,
    SemanticRidgeClassifier,
)
from analytic_cl._config import BACKENDS, use_backend
from analytic_cl.quantizers import DEFAULT_TARGETS, Quantizer, resolve_quantizer, with_targets

QUANTIZERS = ("auto", FixedPoint(16), FixedPoint(8, bounds=(-7, 9)), "embedding")
BOUNDS = FixedPoint(32, bounds=((-50.0, -60.0, -70.0), (90.0, 80.0, 70.0)))


def linear(n=200, d=6, k=None, seed=0, noise=0.5):
    random = np.random.default_rng(seed)
    X, W = random.normal(size=(n, d)) + 1, random.normal(size=(d, k or 1))
    y = X @ W + noise * random.normal(size=(n, k or 1)) + 3
    return X, (y[:, 0] if k is None else y)


X, Y = linear()
IDS = [f"id-{i}" for i in range(200)]


def as_learned(head, X, y):
    """Dequantised rows and targets."""
    q = head.quantizer_
    rows = q.quantise(X)
    return q.dequantise(rows), q.target_values(q.join(rows, q.target_integers(np.asarray(y, dtype=float))))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=str)
def test_weights_are_those_of_scikit_learn_on_dequantised_rows_and_targets(quantizer, fit_intercept):
    for k, targets in ((None, "auto"), (1, FixedPoint(16)), (3, BOUNDS)):
        X, y = linear(k=k)
        head = RLSRegressor(1.5, fit_intercept, quantizer=quantizer, target_quantizer=targets).fit(X, y)
        rows, values = as_learned(head, X, y)
        ridge = Ridge(alpha=1.5, fit_intercept=fit_intercept, solver="cholesky").fit(rows, values)

        np.testing.assert_allclose(head.coef_, ridge.coef_, rtol=1e-8, atol=1e-8 * np.abs(ridge.coef_).max())
        np.testing.assert_allclose(head.intercept_, ridge.intercept_, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(head.predict(X), ridge.predict(rows), rtol=1e-8, atol=1e-8)
        assert head.coef_.shape == ridge.coef_.shape
        assert np.shape(head.intercept_) == np.shape(ridge.intercept_)


def test_diabetes_is_predicted_as_well_as_by_scikit_learn():
    X, y = load_diabetes(return_X_y=True)
    train, test = slice(0, 342), slice(342, None)
    ours = RLSRegressor(quantizer=FixedPoint(32, scale=2**20)).fit(X[train], y[train]).score(X[test], y[test])
    theirs = RidgeCV(np.logspace(-8, 4, 61)).fit(X[train], y[train]).score(X[test], y[test])

    assert abs(ours - theirs) < 0.01


@pytest.mark.parametrize("quantizer", ["auto", FixedPoint(8, bounds=(-3.3, 5.1)), "embedding"], ids=str)
@pytest.mark.parametrize("alpha", [1.0, "gcv", "oas"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_targets_of_plus_and_minus_one_give_the_weights_of_classes_to_the_bit(quantizer, alpha, fit_intercept):
    X, y = linear(300, 40, noise=9)
    of_second = y > 7
    numbers = RLSRegressor(alpha, fit_intercept, quantizer=quantizer).fit(X, np.where(of_second, 1, -1))
    classes = RLSClassifier(alpha, fit_intercept, quantizer=quantizer).fit(X, of_second)

    assert numbers.coef_.tobytes() == classes.coef_[0].tobytes()
    assert numbers.intercept_ == classes.intercept_[0]
    np.testing.assert_allclose(numbers.predict(X), classes.decision_function(X), atol=1e-12)  # not of one kernel


def test_targets_far_from_zero_and_of_many_rows_lose_nothing():
    X, y = linear(400, 5)
    far = FixedPoint(32, bounds=(1e6 - 100, 1e6 + 100))
    head = RLSRegressor(1e-3, quantizer=FixedPoint(16, bounds=(29990, 30010)), target_quantizer=far)
    head.fit(X + 30000, y + 1e6)
    rows, values = as_learned(head, X + 30000, y + 1e6)
    expected = Ridge(alpha=1e-3, solver="svd").fit(rows - 30000, values - 1e6)

    np.testing.assert_allclose(head.coef_, expected.coef_, rtol=1e-9)
    np.testing.assert_allclose(head.predict(X + 30000) - 1e6, expected.predict(rows - 30000), atol=1e-8)


@given(st.data())
@settings(max_examples=25)
def test_sums_and_products_of_targets_are_exact(data):
    bits, target_bits = data.draw(st.sampled_from([8, 16, 32])), data.draw(st.sampled_from([8, 16, 32]))
    k, n, d = data.draw(st.sampled_from([None, 1, 3])), data.draw(st.integers(1, 40)), 3
    quantizer = with_targets(resolve_quantizer(FixedPoint(bits), None, d), FixedPoint(target_bits, scale=1), k)
    largest = {8: 0x7F, 16: 0x7F7F, 32: 0x7F7F7F7F}[target_bits]
    numbers = st.one_of(st.integers(-largest, largest), st.sampled_from([largest, -largest, 127, 0x7F80 % largest]))
    y = np.array(data.draw(st.lists(numbers, min_size=n * (k or 1), max_size=n * (k or 1)))).reshape(n, -1)
    rows = np.random.default_rng(n).integers(-127, 128, (n, d)).astype(quantizer.dtype)
    joint = quantizer.join(rows, quantizer.target_integers(y.astype(float)))
    x, t = rows.astype(object), y.astype(object)

    assert Quantizer.from_spec(quantizer.spec()) == quantizer
    assert (quantizer.integer_targets(joint) == y).all()
    for backend in BACKENDS:
        with use_backend(backend):
            state = RLSRegressor().empty_state(quantizer)
            state.add(joint, [0] * n)
            assert (state.target_sums() == t.sum(axis=0)).all()
            assert (state.target_products() == x.T @ t).all()
            assert (state.target_squares() == (t * t).sum(axis=0)).all()
            assert state.rows_alone().total.tolist() == x.sum(axis=0).tolist()
            state.subtract(joint, [0] * n)
            assert state.digest() == RLSRegressor().empty_state(quantizer).digest()


def test_a_state_says_what_it_is():
    state = RLSRegressor().fit(X, Y).state_

    assert "200 rows, 6 features, 32 bits, scale 4096; a target of 32 bits, scale 4096" in repr(state)
    with pytest.raises(ValueError, match="needs Gram matrix and class sums; this state has no"):
        LDAClassifier.from_moments(state)
    with pytest.raises(ValueError, match="no kind of quantizer 'other'"):
        Quantizer.from_spec(state.quantizer.spec() | {"kind": "other"})


# ---- forget, rectify, merge, files


def test_a_target_alone_is_rectified_and_a_row_with_its_target_forgotten(tmp_path):
    head = RLSRegressor(quantizer="embedding").fit(X, Y, sample_id=IDS)
    better, order = Y.copy(), [9, 3, 77]
    better[order] = [1.5, -2.5, 100.0]
    receipt = head.rectify(y=better[order], sample_id=[IDS[i] for i in order])
    assert (receipt.requested, receipt.removed) == (3, 3)
    assert head.state_digest() == RLSRegressor(quantizer="embedding").fit(X, better).state_digest()

    head.rectify(X[5:6] + 1, [4.0], sample_id=[IDS[5]])
    moved = X.copy()
    moved[5] += 1
    better[5] = 4.0
    assert head.state_digest() == RLSRegressor(quantizer="embedding").fit(moved, better).state_digest()

    head.save(tmp_path / "head")
    loaded = analytic_cl.load(tmp_path / "head")
    assert loaded.forget(sample_id=IDS[:100]).removed == 100
    assert loaded.state_digest() == RLSRegressor(quantizer="embedding").fit(moved[100:], better[100:]).state_digest()
    np.testing.assert_array_equal(
        loaded.predict(X), RLSRegressor(quantizer="embedding").fit(moved[100:], better[100:]).predict(X)
    )


def test_heads_of_many_outputs_merge_behind_a_projection():
    X, y = linear(120, 6, k=3)
    head = RLSRegressor(projection=RandomProjection(20))
    parts = [clone(head).fit(X[i::3], y[i::3]) for i in range(3)]
    merged = clone(head).merge(parts[0]).merge(parts[1]).merge(parts[2])

    assert merged.state_digest() == clone(head).fit(X, y).state_digest()
    assert merged.predict(X).shape == (120, 3)
    assert merged.unmerge(parts[1]).removed == 40
    left = np.arange(120) % 3 != 1
    assert merged.state_digest() == clone(head).fit(X[left], y[left]).state_digest()
    with pytest.raises(ValueError, match="can't be merged"):
        merged.merge(RLSRegressor(projection=RandomProjection(20)).fit(X, y[:, 0]))
    with pytest.raises(ValueError, match="numeric targets"):
        RLSRegressor().merge(LDAClassifier().fit(X, y[:, 0] > 0))


def test_columns_of_frames_are_targets():
    X, y = linear(50, 6, k=2)
    frame = pd.DataFrame(y, columns=["a", "b"])
    digest = RLSRegressor().fit(X, y).state_digest()

    assert RLSRegressor().fit(pd.DataFrame(X), frame).state_digest() == digest
    assert RLSRegressor().fit(X, y.tolist()).state_digest() == digest
    of_column = RLSRegressor().fit(X, frame["a"].astype("Float64")).state_digest()
    assert of_column == RLSRegressor().fit(X, y[:, 0]).state_digest()


def test_it_is_a_regressor_and_no_classifier():
    head = RLSRegressor().fit(X, Y)

    for name in ("classes_", "decision_function", "predict_proba", "forget_class", "labels_of", "from_moments"):
        assert not hasattr(head, name)
    assert head.score(X, Y) > 0.9


# ---- how far predictions may be off


def test_intervals_cover_what_they_say():
    """Over many training sets, with few rows and with noise of another size in each output."""
    for alpha, fit_intercept in ((1e-6, True), (0.3, True), (0.3, False)):
        covered = []
        for seed in range(40):
            random = np.random.default_rng(seed)
            X, W, noise = random.normal(size=(540, 5)), random.normal(size=(5, 2)), random.normal(size=(540, 2))
            y = X @ W + noise * [0.1, 2.0]
            low, high = RLSRegressor(alpha, fit_intercept).fit(X[:40], y[:40]).predict_interval(X[40:], coverage=0.8)
            covered.append(((low <= y[40:]) & (y[40:] <= high)).mean(axis=0))
        np.testing.assert_allclose(np.mean(covered, axis=0), 0.8, atol=0.02)


def test_the_deviation_of_predictions_is_that_of_bayesian_regression():
    bayes = BayesianRidge(max_iter=1).fit(X, Y)
    head = RLSRegressor(bayes.lambda_ / bayes.alpha_).fit(X, Y)
    ours, std = head.predict(X, return_std=True)
    theirs, expected = bayes.predict(X, return_std=True)

    np.testing.assert_allclose(ours, theirs, atol=0.01)
    np.testing.assert_allclose(std, expected, rtol=0.02)
    with pytest.raises(ValueError, match="no degree of freedom"), pytest.warns(LinAlgWarning):
        RLSRegressor(0.0).fit(X[:6], Y[:6]).predict(X, return_std=True)
    with pytest.raises(ValueError, match="no degree of freedom"):  # of two rows on a line, but for 2e-16
        RLSRegressor(0.0).fit(X[6:8, :1], Y[6:8]).predict_interval(X[:, :1])
    with pytest.raises(ValueError, match="coverage must be"):
        head.predict_interval(X, coverage=1.0)


# ---- the recursive solver


@pytest.mark.parametrize("rows_at_once", [1, 70])
@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("quantizer", ["tabular", FixedPoint(8, bounds=(-5, 7))], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_recursive_weights_follow_rows_that_come_go_and_are_rectified(quantizer, fit_intercept, k, rows_at_once):
    X, y = linear(1000, 150, k)
    head = RLSRegressor(2.0, fit_intercept, solver="recursive", quantizer=quantizer, target_quantizer=FixedPoint(32))
    head.fit(X[:300], y[:300], sample_id=range(300)).predict(X[:1])
    for start in range(300, 300 + 4 * rows_at_once, rows_at_once):
        come, gone = slice(start, start + rows_at_once), range(start - 300, start - 300 + rows_at_once)
        head.partial_fit(X[come], y[come], sample_id=range(start, start + rows_at_once)).predict(X[:1])
        head.forget(sample_id=gone)
        head.rectify(y=y[[5]] + start, sample_id=[start])
        exact = clone(head).set_params(solver="cholesky").merge(head)
        assert exact.state_digest() == head.state_digest()
        np.testing.assert_allclose(head.coef_, exact.coef_, rtol=0, atol=1e-10 * np.abs(exact.coef_).max())
        np.testing.assert_allclose(head.predict(X), exact.predict(X), rtol=0, atol=1e-9 * np.abs(y).max())
    assert head._solved["recursive"].rebuilds == 1


# ---- embeddings of labels as targets


@pytest.mark.parametrize("quantizer", ["embedding", "auto"])
def test_embeddings_as_targets_are_the_map_of_semantic_ridge(quantizer):
    """Both minimise sum |x W - e_y|^2 + alpha |W|^2; targets are quantised in steps of 2^-30."""
    random = np.random.default_rng(0)
    E = random.normal(size=(5, 8))
    E /= np.linalg.norm(E, axis=1, keepdims=True)
    y = random.integers(0, 5, 200)
    rows = X + E[y, :6]
    fine = FixedPoint(32, scale=2**30)
    vectors = RLSRegressor(2.0, fit_intercept=False, quantizer=quantizer, target_quantizer=fine).fit(rows, E[y])
    classes = SemanticRidgeClassifier(dict(enumerate(E)), alpha=2.0, quantizer=quantizer).fit(rows, y)

    np.testing.assert_allclose(vectors.predict(rows) @ E.T, classes.decision_function(rows), atol=1e-8)


# ---- bad input


def spoiled(value, row=7):
    bad = Y.astype(object if isinstance(value, str) else float)
    bad[row] = value
    return bad


TARGETS = {
    "NaN": (spoiled(np.nan), "Input y contains NaN in row 7"),
    "infinity": (spoiled(-np.inf), "Input y contains infinity in row 7"),
    "out of range": (spoiled(1e6), r"out of the declared range, -522231.969 to 522231.969, in row 7: declare another"),
    "out of all ranges": (spoiled(1e300), "out of the declared range"),
    "text": (spoiled("5.0"), "numbers, not text, in row 7"),
    "all text": (Y.astype(str), "got text"),
    "dates": (Y.astype("M8[s]"), "got dates or durations"),
    "nothing": (None, "requires y"),
    "missing": ([None, *Y[1:]], "NaN in row 0"),
    "masked": (np.ma.masked_array(Y, Y[3] == Y), "masked.* in row 3"),
    "complex": (Y + 1j, "Complex data not supported"),
    "one complex": ([1j, *Y[1:]], "Complex data not supported"),
    "sparse": (sparse.csr_array(Y[:, None]), r"sparse matrix: give targets as an array, y\.toarray"),
    "ragged": ([*[[1.0]] * 199, [1.0, 2.0]], "as many values in all rows as in row 0, and has not in row 199"),
    "empty": ([], "inconsistent numbers of samples|0 targets"),
    "no outputs": (np.zeros((200, 0)), "must have shape"),
    "three axes": (np.zeros((200, 1, 1)), "must have shape"),
    "too few": (Y[:-1], "inconsistent numbers of samples"),
}
OTHER_SHAPES = {
    "a column": (Y[:, None], r"y has shape \(n_samples, 1\), the model learned targets of shape \(n_samples,\)"),
    "two outputs": (np.stack([Y, Y], 1), r"y has shape \(n_samples, 2\), the model"),
}


def test_targets_out_of_range_are_named_with_the_range_of_their_output():
    head = RLSRegressor(target_quantizer=FixedPoint(32, bounds=((0, 0), (10, 100))))
    with pytest.raises(ValueError, match=r"range of output 0, 0 to 10, in row 1:"):
        head.fit(X[:3], [[10.0, 100.0], [50.0, 50.0], [1.0, 1.0]])
    assert head.fit(X[:3], [[10.0, 100.0], [0.0, 0.0], [1.0, 1.0]]).moments_.n_rows == 3


@pytest.mark.parametrize(("y", "words"), (TARGETS | OTHER_SHAPES).values(), ids=TARGETS | OTHER_SHAPES)
def test_bad_targets_are_refused_by_name_with_nothing_changed(y, words):
    head = RLSRegressor().fit(X, Y, sample_id=IDS)
    before = head.state_digest()
    for call in (
        lambda: head.partial_fit(X, y),
        lambda: head.rectify(X, y, sample_id=IDS),
        lambda: head.rectify(y=y, sample_id=IDS),
        lambda: head.forget(X, y),
    ):
        with pytest.raises(ValueError, match=f"{words}|199 targets|needs X and y"):
            call()
        assert head.state_digest() == before
    assert head.forget(sample_id=IDS).removed == 200


@pytest.mark.parametrize(("y", "words"), TARGETS.values(), ids=TARGETS)
def test_a_fit_that_is_refused_leaves_nothing(y, words):
    head = RLSRegressor()
    with pytest.raises(ValueError, match=words):
        head.fit(X, y)
    assert not [name for name in vars(head) if name.endswith("_")]


def test_parameters_are_checked():
    for parameters, words in (
        ({"alpha": -1.0}, "alpha must be"),
        ({"alpha": "auto"}, "alpha must be"),
        ({"solver": "recursive"}, "needs a number above 0"),
        ({"solver": "sgd"}, "solver must be"),
        ({"target_quantizer": "tabular"}, "target_quantizer must be"),
        ({"target_quantizer": FixedPoint(32, "l2")}, "without a norm"),
        ({"target_quantizer": FixedPoint(32, bounds=((0.0, 1.0), (9.0, 9.5)))}, "bounds are for 2 targets, y has 1"),
    ):
        with pytest.raises(ValueError, match=words):
            RLSRegressor(**parameters).fit(X, Y)
    head = RLSRegressor().fit(X, Y)
    with pytest.raises(ValueError, match="quantizer or projection changed"):
        head.set_params(target_quantizer=FixedPoint(32, scale=1)).partial_fit(X, Y)


def test_targets_that_are_rounded_away_get_a_warning():
    with pytest.warns(QuantizationWarning, match="targets vary by .* steps"):
        RLSRegressor().fit(X, Y / 1e5)
    RLSRegressor(target_quantizer=FixedPoint(32, scale=2**24)).fit(X, Y / 1e5)


def test_wide_rows_default_to_bytes_and_targets_do_too():
    head = RLSRegressor().fit(np.random.default_rng(0).normal(size=(30, 300)), np.arange(30.0))

    assert head.quantizer_.targets == DEFAULT_TARGETS
    assert head.quantizer_.dtype == np.int8
    assert head.quantizer_.width == 304


def test_weights_count_as_repeated_rows_and_are_those_of_scikit_learn():
    weights = np.arange(200) % 4
    head = RLSRegressor(1.5).fit(X, Y, sample_id=IDS, sample_weight=weights)
    rows, values = as_learned(head, X, Y)

    assert head.state_digest() == RLSRegressor().fit(X.repeat(weights, axis=0), Y.repeat(weights)).state_digest()
    np.testing.assert_allclose(head.coef_, Ridge(1.5).fit(rows, values, sample_weight=weights).coef_, rtol=1e-8)
    head.rectify(y=[7.0], sample_id=[IDS[3]])
    changed = np.where(np.arange(200) == 3, 7.0, Y)
    assert head.state_digest() == RLSRegressor().fit(X, changed, sample_weight=weights).state_digest()
