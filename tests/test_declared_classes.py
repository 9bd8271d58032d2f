"""`partial_fit(classes=)`: declared classes are columns of every prediction, and no part of the state."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from common import HEADS, blobs, head_name, ignore_quantization, needs
from scipy.special import softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, log_loss, roc_auc_score
from sklearn.model_selection import cross_val_predict, learning_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import FunctionTransformer

from analytic_cl import (
    ContinualPipeline,
    ErrorMemory,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
    load,
)

X, Y = blobs(60, 5, 3)
every_head = pytest.mark.parametrize("head", HEADS, ids=head_name)
pytestmark = ignore_quantization


def absent(head, classes=(0, 1, 2, 5, 9), seen=(0, 2)):
    """A head that has declared classes without rows, the same without, and the places of those that have rows."""
    rows = np.isin(Y, seen)
    told = clone(head).partial_fit(X[rows], Y[rows], classes=classes)
    return told, clone(head).partial_fit(X[rows], Y[rows]), np.searchsorted(sorted(classes), seen)


@every_head
@pytest.mark.parametrize("seen", [(0,), (0, 2), (0, 1, 2)], ids=["one with rows", "two", "three"])
def test_declared_classes_have_the_lowest_score_and_no_probability(head, seen):
    told, plain, places = absent(head, seen=seen)
    rest = np.setdiff1d(np.arange(5), places)

    assert told.classes_.tolist() == [0, 1, 2, 5, 9]
    assert told.state_digest() == plain.state_digest()
    np.testing.assert_array_equal(told.predict(X), plain.predict(X))
    scores = told.decision_function(X)
    assert scores.shape == (60, 5)
    assert np.isfinite(scores).all()
    assert (scores[:, rest].max(axis=1) < scores[:, places].min(axis=1)).all()
    assert (softmax(scores, axis=1)[:, rest] == 0).all()
    np.testing.assert_array_equal(told.classes_[scores.argmax(axis=1)], told.predict(X))
    if hasattr(head, "predict_proba"):
        proba = told.predict_proba(X)
        np.testing.assert_array_equal(proba[:, places], plain.predict_proba(X))
        assert (proba[:, rest] == 0).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1)
    if hasattr(head, "predict_log_proba"):
        np.testing.assert_array_equal(np.exp(told.predict_log_proba(X))[:, rest], 0)


@every_head
@pytest.mark.parametrize("seen", [0, 1])
def test_of_two_classes_the_sign_names_the_one_that_has_rows(head, seen):
    told = clone(head).partial_fit(X[Y == 0], np.full(20, seen), classes=[0, 1])
    scores = told.decision_function(X)

    assert scores.shape == (60,)
    assert np.isfinite(scores).all()
    assert ((scores > 0) == seen).all()
    assert (told.predict(X) == seen).all()
    if hasattr(head, "predict_proba"):
        np.testing.assert_allclose(told.predict_proba(X), np.eye(2)[[seen] * 60])
        assert (told.predict_proba(X)[:, 1 - seen] == 0).all()


@every_head
def test_rows_that_come_later_make_it_the_head_that_was_told_nothing(head):
    told, _, _ = absent(head, classes=(0, 1, 2))
    told.partial_fit(X[Y == 1], Y[Y == 1])
    plain = clone(head).fit(X, Y)
    if head.depends_on_order:
        plain = clone(head).fit(X[Y != 1], Y[Y != 1]).partial_fit(X[Y == 1], Y[Y == 1])

    assert told.state_digest() == plain.state_digest()
    np.testing.assert_allclose(told.decision_function(X), plain.decision_function(X), rtol=1e-8, atol=1e-8)


def test_declarations_add_up_and_fit_forgets_them():
    head = LDAClassifier().partial_fit(X, Y, classes=[0, 1, 2, 7]).partial_fit(X, Y, classes=iter([0, 1, 2, 5]))

    assert head.classes_.tolist() == [0, 1, 2, 5, 7]
    with pytest.raises(ValueError, match="not in classes: 2"):  # each call's classes are the limits of that call
        head.partial_fit(X, Y, classes=[0, 1, 5, 7])
    assert head.partial_fit(X, Y + 1).classes_.tolist() == [0, 1, 2, 3, 5, 7]
    assert head.fit(X, Y).classes_.tolist() == [0, 1, 2]
    assert vars(head).keys() == vars(LDAClassifier().fit(X, Y)).keys()


@pytest.mark.parametrize(
    "classes", [["a", "b", "c", "d"], pl.Series(["a", "b", "c", "d"]), pd.Categorical(["a", "b", "c", "d"])]
)
def test_classes_come_in_every_container(classes):
    head = LDAClassifier().partial_fit(X, np.array(["a", "b", "c"])[Y], classes)

    assert head.classes_.tolist() == ["a", "b", "c", "d"]


def test_a_call_that_fails_declares_nothing():
    never, head = LDAClassifier(), LDAClassifier().partial_fit(X, Y, [0, 1, 2, 7])
    before = head.__dict__.copy()
    bad = X.copy()
    bad[3, 3] = np.nan

    for arguments in (
        (bad, Y, [0, 1, 2, 8]),
        (X, Y, [0, 1]),
        (X, Y, ["a"]),
        (X, Y, [0, 1, 2, "a"]),
        (X, Y, [0, 1, 2, 3.5]),
    ):
        for each in (never, head):
            with pytest.raises(ValueError, match=r"NaN|not in classes|mixed types|Unknown label"):
                each.partial_fit(*arguments)
        with pytest.raises(ValueError, match="NaN"):
            head.fit(bad, Y)
    assert head.__dict__ == before
    assert not [name for name in vars(never) if name.endswith("_") or name == "_declared"]


@pytest.mark.parametrize("classes", [[0, 1, 2, 7], None])
def test_a_fit_that_is_interrupted_at_its_end_declares_nothing(classes, monkeypatch):
    head = LDAClassifier().partial_fit(X, Y, classes)
    before = head.__dict__.copy()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LDAClassifier, "adopt", interrupt)
        with pytest.raises(KeyboardInterrupt):
            head.fit(X, Y)
        with pytest.raises(KeyboardInterrupt):
            (never := LDAClassifier()).partial_fit(X, Y, [0, 1, 2, 9])
    assert head.__dict__ == before
    assert "_declared" not in vars(never)


@every_head
def test_forgotten_classes_stay_declared(head):
    told, _, _ = absent(head, classes=(0, 1, 2), seen=(0, 1, 2))
    if head.track != "none":
        told.forget(X[Y == 1], Y[Y == 1])
        assert told.classes_.tolist() == [0, 1, 2]
        assert 1 not in told.predict(X)
        assert told.decision_function(X).shape == (60, 3)
    told.fit(X[Y == 0], Y[Y == 0])
    told.partial_fit(X[Y == 2], Y[Y == 2], classes=[2, 4])
    if told.state_.can_drop_classes or head.track == "rows":
        assert told.forget_class(2).classes_emptied == [2]
        assert told.classes_.tolist() == [0, 2, 4]


def test_a_head_that_forgot_everything_says_so_and_keeps_its_columns():
    head = LDAClassifier().partial_fit(X, Y, classes=[0, 1, 2, 7])
    head.forget(X, Y)

    for call in (lambda: head.predict(X), lambda: head.decision_function(X), lambda: head.classes_):
        with pytest.raises(NotFittedError):
            call()
    assert head.state_digest() == LDAClassifier().state_digest()
    assert head.partial_fit(X[:1], Y[:1]).predict_proba(X).shape == (60, 4)
    assert head.fit(X, Y).classes_.tolist() == [0, 1, 2]


@every_head
def test_copies_and_files_keep_what_was_declared(head, tmp_path):
    told, _, _ = absent(head)
    told.save(tmp_path / "head")

    for again in (load(tmp_path / "head"), copy.deepcopy(told), pickle.loads(pickle.dumps(told))):
        assert again.classes_.tolist() == [0, 1, 2, 5, 9]
        np.testing.assert_array_equal(again.decision_function(X), told.decision_function(X))
    assert "_declared" not in vars(clone(told))


def test_files_of_heads_without_declarations_are_as_they_were(tmp_path):
    LDAClassifier().fit(X, Y).save(tmp_path / "head")
    assert b"declared" not in (tmp_path / "head").read_bytes()

    head = LDAClassifier().partial_fit(X, Y, [0, 1, 2, 7])
    head.forget(X, Y)
    head.save(tmp_path / "head")
    assert load(tmp_path / "head").partial_fit(X, Y).classes_.tolist() == [0, 1, 2, 7]


def test_merge_takes_the_union():
    def told(classes, rows=0):
        head = LDAClassifier()
        return head.partial_fit(X[:0:-1][rows : rows + 9], Y[:0:-1][rows : rows + 9], classes) if classes else head

    assert told([0, 1, 2, 5]).merge(told([0, 1, 2, 9], 9)).classes_.tolist() == [0, 1, 2, 5, 9]
    assert LDAClassifier().merge(told([0, 1, 2, 9])).classes_.tolist() == [0, 1, 2, 9]
    emptied = told([0, 1, 2, 9])
    emptied.forget(X[:0:-1][:9], Y[:0:-1][:9])
    assert told([0, 1, 2, 5]).merge(emptied).classes_.tolist() == [0, 1, 2, 5, 9]
    head, words = told([0, 1, 2, 5]), LDAClassifier().partial_fit(X, np.array(["a", "b", "c"])[Y], ["a", "b", "c", "d"])
    words.forget(X, np.array(["a", "b", "c"])[Y])
    before = head.__dict__.copy()
    with pytest.raises(ValueError, match="mixed types"):
        head.merge(words)
    assert head.__dict__ == before


def test_priors_are_in_the_order_of_all_classes():
    head = LDAClassifier(priors=[0.2, 0.3, 0.5]).partial_fit(X[Y != 1], Y[Y != 1], [0, 1, 2])
    plain = LDAClassifier(priors=[2 / 7, 5 / 7]).fit(X[Y != 1], Y[Y != 1])

    np.testing.assert_allclose(head.predict_proba(X)[:, [0, 2]], plain.predict_proba(X))
    with pytest.raises(ValueError, match="2 priors for 3 classes"):
        head.set_params(priors=[0.5, 0.5]).predict(X)


def test_neighbours_keep_their_own_labels():
    told, plain, _ = absent(NearestNeighborsClassifier(3), classes=(-4, 0, 2))

    np.testing.assert_array_equal(told.neighbors(X).labels, plain.neighbors(X).labels)


def test_wrappers_pass_on_what_was_declared():
    pipeline = ContinualPipeline(FunctionTransformer(), LDAClassifier()).partial_fit(X, Y, [0, 1, 2, 7])
    assert pipeline.classes_.tolist() == [0, 1, 2, 7]
    assert pipeline.predict_proba(X).shape == pipeline.decision_function(X).shape == (60, 4)

    base = LogisticRegression().fit(X, Y)
    for memory in (NearestNeighborsClassifier(3), KeyValueBottleneckClassifier(8, 4)):
        model = ErrorMemory(base, memory, weight=1.0).partial_fit(X[:9], Y[:9], [0, 1, 2, 7])
        assert model.classes_.tolist() == [0, 1, 2, 7]
        assert (model.predict_proba(X)[:, 3] == 0).all()
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
        assert set(model.predict(X)) <= {0, 1, 2}


# ---- with the tools of other libraries


@pytest.mark.parametrize(
    "head", [LDAClassifier(), RLSClassifier(), NearestMeanClassifier(), NearestNeighborsClassifier(3)], ids=head_name
)
def test_one_against_the_rest_learns_class_after_class(head):
    model = OneVsRestClassifier(head)
    for label in (2, 0):
        model.partial_fit(X[label == Y], Y[label == Y], classes=[0, 1, 2, 9])

    assert set(model.predict(X)) <= {0, 2}
    assert (model.predict(X[Y != 1]) == Y[Y != 1]).mean() > 0.9
    model.partial_fit(X[Y == 1], Y[Y == 1])
    assert (model.predict(X) == Y).mean() > 0.9


@pytest.mark.filterwarnings("ignore:X has feature names")  # of rows that it learned one by one, as lists
def test_the_wrapper_of_river_maps_probabilities_to_its_classes():
    needs("river", "ANALYTIC_CL_REQUIRE_RIVER")
    from river import compat

    words = ["ape", "bee", "cat"]
    for head in (LDAClassifier(), NearestNeighborsClassifier(3), KeyValueBottleneckClassifier(8, 4)):
        model = compat.SKL2RiverClassifier(clone(head), classes=words)
        for values, label in zip(X[1:], Y[1:], strict=True):
            row = dict(zip("abcde", values, strict=True))
            model.learn_one(row, words[label])
            proba = model.predict_proba_one(row)
            assert list(proba) == words
            assert max(proba, key=proba.get) == model.predict_one(row)
        assert model.predict_proba_many(pd.DataFrame(X, columns=list("abcde"))).columns.tolist() == words


@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "predict_log_proba"])
@pytest.mark.filterwarnings("ignore:Number of classes in training fold")
def test_cross_validation_where_folds_lack_classes(method):
    folds = [(np.flatnonzero(label != Y), np.flatnonzero(label == Y)) for label in (0, 1, 2)]
    y = np.where(np.arange(60) < 30, Y, Y + 3)

    found = cross_val_predict(LDAClassifier(), X, y, cv=folds, method=method)
    assert found.shape == (60, 6)
    for label, (_, test) in enumerate(folds):
        gone = found[np.ix_(test, [label, label + 3])]
        assert (gone < np.delete(found[test], [label, label + 3], axis=1).min()).all() or (gone == 0).all()


def test_learning_curves_over_growing_batches():
    order = np.argsort(Y, kind="stable")  # the first batches lack classes

    def loss(head, rows, labels):
        return log_loss(labels, head.predict_proba(rows), labels=[0, 1, 2])

    more = dict(cv=3, exploit_incremental_learning=True, train_sizes=[5, 20, 40], error_score="raise")
    _, train, test = learning_curve(LDAClassifier(), X[order], Y[order], scoring=loss, **more)
    assert np.isfinite(train).all()
    assert np.isfinite(test).all()


def test_metrics_and_calibration_take_absent_classes():
    rows = Y != 1
    head = LDAClassifier().partial_fit(X[rows], Y[rows], classes=[0, 1, 2])

    assert np.isfinite(log_loss(Y, head.predict_proba(X), labels=head.classes_))
    assert np.isfinite(roc_auc_score(Y, head.predict_proba(X), multi_class="ovr"))
    for scorer in ("accuracy", "neg_log_loss", "roc_auc_ovr", "top_k_accuracy"):
        assert np.isfinite(get_scorer(scorer)(head, X, Y))
    for method in ("sigmoid", "isotonic"):
        proba = (
            CalibratedClassifierCV(
                FrozenEstimator(RLSClassifier().partial_fit(X[rows], Y[rows], [0, 1, 2])), method=method
            )
            .fit(X, Y)
            .predict_proba(X)
        )
        assert np.isfinite(proba).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1)
    one = RLSClassifier().partial_fit(X[Y == 0], Y[Y == 0], classes=[0, 1])
    assert get_scorer("roc_auc")(one, X[rows], Y[rows] // 2) == 0.5
