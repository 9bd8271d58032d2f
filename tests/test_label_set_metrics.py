"""mAP, CF1 and OF1 are scikit-learn's; sessions know their own labels alone, and rows come again."""

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import average_precision_score, f1_score

from analytic_cl import RLSClassifier
from analytic_cl.metrics import label_set_f1, mean_average_precision
from analytic_cl.scenarios import class_incremental, multi_label, parse

X, Y = make_multilabel_classification(120, 6, n_classes=7, random_state=2)


def test_metrics_are_scikit_learns():
    scores = np.random.default_rng(0).normal(size=Y.shape).round(1) + Y
    for threshold in (-5.0, 0.0, 0.7, 5.0):
        found = label_set_f1(Y, scores, threshold=threshold)
        assert found.threshold == threshold
        assert found.cf1 == pytest.approx(f1_score(Y, scores > threshold, average="macro", zero_division=0))
        assert found.of1 == pytest.approx(f1_score(Y, scores > threshold, average="micro", zero_division=0))
    assert mean_average_precision(Y, scores) == pytest.approx(average_precision_score(Y, scores, average="macro"))
    nobody = np.hstack([Y, np.zeros((120, 1), int)])
    more = np.hstack([scores, scores[:, :1]])
    assert mean_average_precision(nobody, more) == mean_average_precision(Y, scores)
    assert mean_average_precision(csr_array(Y), scores) == mean_average_precision(Y, scores)
    with pytest.raises(ValueError, match="none of the 2 rows has a label"):
        mean_average_precision([[0], [0]], [[1.0], [2.0]])


def test_a_label_without_a_right_answer_has_f1_of_zero():
    found = label_set_f1([[1, 0, 0], [1, 0, 0]], [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], threshold=0.5)

    assert (found.per_label.tolist(), found.cf1, found.of1) == ([0.0, 0.0, 0.0], 0.0, 0.0)


@pytest.mark.parametrize(
    ("y_true", "scores", "words"),
    [
        ([[0, 2]], [[0.0, 1.0]], r"y_true\[0, 1\] is 2"),
        ([0, 1], [0.0, 1.0], "y_true must have shape"),
        ([[0, 1]], [[0.0]], "scores must have shape"),
        ([[0, 1]], [[0.0, np.nan]], "finite"),
    ],
)
def test_metrics_refuse_what_is_no_indicator_or_score(y_true, scores, words):
    for measure in (mean_average_precision, lambda y, s: label_set_f1(y, s, threshold=0.5)):
        with pytest.raises(ValueError, match=words):
            measure(y_true, scores)
    with pytest.raises(ValueError, match="threshold must be a number, got NaN"):
        label_set_f1([[1, 0]], [[0.5, 0.2]], threshold=np.nan)


def test_sessions_bring_each_label_once_and_rows_as_often_as_they_have_labels_of_a_session():
    sessions = parse("multi-label:3,seed=1").sessions(Y)

    assert np.sort(np.concatenate([session.new_classes for session in sessions])).tolist() == list(range(7))
    assert [len(session.new_classes) for session in sessions] == [3, 2, 2]
    for session in sessions:
        own = np.isin(np.arange(7), session.new_classes)
        assert session.train.tolist() == np.flatnonzero(Y[:, own].any(axis=1)).tolist()
        labels = session.own_labels(Y)
        assert (labels == Y[session.train] * own).all()
        assert session.test_rows(Y).tolist() == np.flatnonzero(Y[:, session.seen_classes].any(axis=1)).tolist()
    assert sum(len(session.train) for session in sessions) > len(np.unique(np.concatenate([s.train for s in sessions])))
    assert [len(s.new_classes) for s in multi_label(Y, base=3, increment=2)] == [3, 2, 2]
    of_classes = class_incremental(np.arange(7), 3, seed=1)
    assert [s.new_classes.tolist() for s in of_classes] == [s.new_classes.tolist() for s in sessions]


@pytest.mark.parametrize("sparse", [csr_array, csr_matrix, coo_array])
def test_sessions_of_a_sparse_indicator_matrix_are_those_of_the_dense_one(sparse):
    for session, other in zip(multi_label(sparse(Y), 3), multi_label(Y, 3), strict=True):
        assert (session.train == other.train).all()
        assert (session.own_labels(sparse(Y)) == other.own_labels(Y)).all()
        assert (session.test_rows(sparse(Y[:50])) == other.test_rows(Y[:50])).all()
    with pytest.raises(ValueError, match="row 1 is"):
        multi_label(sparse(2 * np.eye(2, k=-1)))


def test_labels_that_come_session_by_session_to_known_rows_end_in_joint_training():
    rows = np.flatnonzero(Y.any(axis=1))
    head, met = RLSClassifier(1.0), np.zeros(0, dtype=int)
    for session in multi_label(Y, 3):
        new, known = np.setdiff1d(session.train, met), np.intersect1d(session.train, met).tolist()
        met = np.union1d(session.train, met)
        own = [set(np.flatnonzero(row).tolist()) for row in Y * np.isin(np.arange(7), session.new_classes)]
        if new.size:
            head.partial_fit(X[new], [own[row] for row in new], sample_id=new)
        for label in session.new_classes.tolist():
            with_it = [row for row in known if label in own[row]]
            if with_it:
                head.add_label(label, sample_id=with_it)

    joint = RLSClassifier(1.0).fit(X[rows], [set(np.flatnonzero(row).tolist()) for row in Y[rows]])
    assert head.state_digest() == joint.state_digest()


@pytest.mark.parametrize(
    ("y", "words"),
    [([0, 1, 2], "indicator matrix"), ([[0, 2]], "row 0"), ([[0.0, np.nan]], "row 0"), ([["a", "b"]], "indicator")],
)
def test_the_scenario_needs_an_indicator_matrix(y, words):
    with pytest.raises(ValueError, match=words):
        multi_label(y)
    with pytest.raises(ValueError, match="n_sessions=9 needs 9"):
        multi_label(Y, 9)
