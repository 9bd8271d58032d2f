"""Every metric against numbers worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.metrics import log_loss as scikit_learns_log_loss

import analytic_cl.metrics
from analytic_cl import LDAClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.metrics import (
    accuracy_after_sessions,
    average_incremental_accuracy,
    backward_transfer,
    class_accuracy,
    class_forgetting,
    evaluation_points,
    expected_calibration_error,
    few_shot_accuracy,
    forgetting,
    forward_transfer,
    gap_to_joint,
    last_accuracy,
    log_loss,
    macro_accuracy,
    min_accuracy,
    online_accuracy,
    performance_drop,
    tail_accuracy,
    windowed_forgetting,
    windowed_plasticity,
    worst_case_accuracy,
)
from analytic_cl.scenarios import class_incremental, online

nan = float("nan")

# After session i (row) on session j (column); above the diagonal, what is not learned yet.
R = np.array(
    [
        [0.8, 0.3, 0.1, 0.2],
        [0.9, 0.7, 0.4, 0.0],
        [0.5, 0.8, 0.6, 0.3],
        [0.6, 0.4, 0.7, 1.0],
    ]
)
KNOWN = np.where(np.tri(4, dtype=bool), R, nan)


def hand(value):
    return pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("matrix", [R, KNOWN], ids=["full", "NaN above the diagonal"])
def test_what_an_accuracy_matrix_says(matrix):
    after = [0.8, (0.9 + 0.7) / 2, (0.5 + 0.8 + 0.6) / 3, (0.6 + 0.4 + 0.7 + 1.0) / 4]  # .8, .8, .6333, .675
    assert accuracy_after_sessions(matrix) == hand(after)
    assert last_accuracy(matrix) == hand(0.675)
    assert average_incremental_accuracy(matrix) == hand((0.8 + 0.8 + 1.9 / 3 + 0.675) / 4)
    assert performance_drop(matrix) == hand(0.8 - 0.675)

    # Best before the last session: max(.8, .9, .5) = .9, max(.7, .8) = .8, .6; losses .3, .4, -.1.
    assert forgetting(matrix) == hand((0.3 + 0.4 - 0.1) / 3)
    # First: .8 - .6, .7 - .4, .6 - .7.
    assert forgetting(matrix, "first") == hand((0.2 + 0.3 - 0.1) / 3)
    assert backward_transfer(matrix) == hand(-(0.2 + 0.3 - 0.1) / 3)
    # All pairs j < i: (.9 - .8); (.5 - .8), (.8 - .7); (.6 - .8), (.4 - .7), (.7 - .6).
    assert backward_transfer(matrix, "all") == hand((0.1 + (-0.3 + 0.1) + (-0.2 - 0.3 + 0.1)) / 6)


def test_unequal_test_sets_weigh_as_many_as_they_have_rows():
    # After session 2: (.9 * 100 + .7 * 300) / 400; after 3: (.5 * 100 + .8 * 300 + .6 * 100) / 500;
    # at the end: (.6 * 100 + .4 * 300 + .7 * 100 + 1 * 500) / 1000.
    sizes = [100, 300, 100, 500]
    assert accuracy_after_sessions(KNOWN, sizes) == hand([0.8, 0.75, 0.7, 0.75])
    assert last_accuracy(KNOWN, sizes) == hand(0.75)
    assert average_incremental_accuracy(KNOWN, sizes) == hand((0.8 + 0.75 + 0.7 + 0.75) / 4)
    assert performance_drop(KNOWN, sizes) == hand(0.05)


def test_forward_transfer_looks_one_session_ahead():
    # Just above the diagonal .3, .4, .3; an untrained model has .25 everywhere, or .1, .2, .3.
    assert forward_transfer(R, 0.25) == hand((0.05 + 0.15 + 0.05) / 3)
    assert forward_transfer(R, [0.9, 0.1, 0.2, 0.3]) == hand((0.2 + 0.2 + 0.0) / 3)
    with pytest.raises(ValueError, match=r"just above the diagonal, but R\[0, 1\] is nan"):
        forward_transfer(KNOWN, 0.25)
    with pytest.raises(ValueError, match=r"baseline must have shape \(4,\)"):
        forward_transfer(R, [0.1, 0.2])


def test_a_maximum_reached_only_in_the_last_session_is_not_forgotten():
    """So the definition by the best *before* the last session is negative, not 0."""
    assert forgetting([[0.5, nan], [0.75, 1.0]]) == -0.25


def test_the_best_before_it_was_learned_does_not_count():
    assert forgetting([[1.0, 0.9, nan], [1.0, 0.4, nan], [1.0, 0.3, 1.0]]) == hand((0 + 0.1) / 2)


def test_one_session_has_accuracies_but_nothing_to_forget_or_transfer():
    one = [[0.75]]
    assert last_accuracy(one) == average_incremental_accuracy(one) == 0.75
    assert performance_drop(one) == 0
    for value in (forgetting(one), forgetting(one, "first"), backward_transfer(one), backward_transfer(one, "all")):
        assert np.isnan(value)
    assert np.isnan(forward_transfer(one, 0.1))
    assert np.isnan(min_accuracy(one, [0]))
    assert worst_case_accuracy(one, [0]) == hand([0.75])
    assert windowed_forgetting(one) == windowed_plasticity(one) == 0


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (R[:3], r"R must be square, accuracy after session i on session j; got shape \(3, 4\)"),
        (R[0], r"R must have shape \(n, n\) and not be empty, got shape \(4,\)"),
        (np.zeros((0, 0)), "not be empty"),
        (KNOWN.T, r"known on and below the diagonal, but R\[1, 0\] is nan"),
        (np.full((1, 1), np.inf), r"R\[0, 0\] is inf"),
        ([[0.5], [0.5, 0.75]], r"R must be numbers in an array of shape \(n, n\)"),
    ],
)
def test_matrices_of_another_kind_are_refused(matrix, message):
    for metric in (last_accuracy, forgetting, backward_transfer):
        with pytest.raises(ValueError, match=message):
            metric(matrix)


def test_definitions_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r'reference must be "best" or "first", got .worst.'):
        forgetting(R, "worst")
    with pytest.raises(ValueError, match='pairs must be "last" or "all"'):
        backward_transfer(R, "mean")
    with pytest.raises(ValueError, match="test_rows must all be positive, got 0"):
        last_accuracy(R, [1, 2, 0, 3])
    with pytest.raises(ValueError, match=r"test_rows must have shape \(4,\)"):
        last_accuracy(R, [1, 2, 3])


# ---- along a stream

# Two evaluations while each of three sessions is learned.
CURVE = np.array(
    [
        [0.4, nan, nan],
        [0.9, nan, nan],
        [0.5, 0.3, nan],
        [0.7, 0.8, nan],
        [0.6, 0.2, 0.5],
        [0.8, 0.6, 0.7],
    ]
)
LEARNING = [0, 0, 1, 1, 2, 2]


def test_worst_moments_are_those_after_a_session_was_learned():
    # Session 1: min(.5, .7, .6, .8) = .5, not the .4 while it was learned; session 2: min(.2, .6) = .2.
    assert min_accuracy(CURVE, LEARNING) == hand((0.5 + 0.2) / 2)
    # .4; .9; (.3 + .5) / 2; (.8 + .5) / 2; (.5 + .5 + .2) / 3; (.7 + .5 + .2) / 3
    assert worst_case_accuracy(CURVE, LEARNING) == hand([0.4, 0.9, 0.4, 0.65, 0.4, 1.4 / 3])


def test_evaluations_before_a_session_was_learned_count_for_nothing():
    early = CURVE.copy()
    early[0, 1] = early[2, 2] = 0.0
    assert min_accuracy(early, LEARNING) == min_accuracy(CURVE, LEARNING)
    assert worst_case_accuracy(early, LEARNING) == hand(worst_case_accuracy(CURVE, LEARNING))


def test_worst_case_accuracy_is_below_the_mean_accuracy():
    random = np.random.default_rng(0)
    for _ in range(20):
        curve, learning = random.random((30, 3)), np.repeat([0, 1, 2], 10)
        mean = [row[: k + 1].mean() for row, k in zip(curve, learning, strict=True)]
        assert (worst_case_accuracy(curve, learning) <= np.array(mean) + 1e-12).all()


def test_falls_and_rises_within_a_window():
    # Window of 2, falls: .9 -> .5 = .4; .8 -> .2 = .6; none, so 0. Rises: .4 -> .9 = .5; .3 -> .8 = .5; .5 -> .7 = .2.
    assert windowed_forgetting(CURVE, 2) == hand((0.4 + 0.6 + 0) / 3)
    assert windowed_plasticity(CURVE, 2) == hand((0.5 + 0.5 + 0.2) / 3)
    # Two steps apart: .9 -> .7 and .7 -> .2 are no larger; with a slow fall they are.
    assert windowed_forgetting([[1.0], [0.9], [0.7], [0.4]], 2) == hand(0.3)
    assert windowed_forgetting([[1.0], [0.9], [0.7], [0.4]], 3) == hand(0.5)
    assert windowed_forgetting([[1.0], [0.9], [0.7], [0.4]], 4) == hand(0.6)
    assert windowed_forgetting([[1.0], [0.9], [0.7], [0.4]], 100) == hand(0.6)


def test_rises_that_start_below_an_earlier_maximum_are_found():
    """A search from running maxima, as for falls, would find .6 -> .8 only."""
    assert windowed_plasticity([[0.6], [0.1], [0.8]], 3) == hand(0.7)


def test_windows_equal_the_definition_on_random_curves():
    random = np.random.default_rng(1)
    for window in (2, 3, 7, 50):
        curve = random.random((40, 3))
        pairs = [(m, n) for n in range(40) for m in range(max(0, n - window + 1), n)]
        falls = np.mean([max(curve[m, j] - curve[n, j] for m, n in pairs) for j in range(3)])
        rises = np.mean([max(curve[n, j] - curve[m, j] for m, n in pairs) for j in range(3)])
        assert windowed_forgetting(curve, window) == hand(falls)
        assert windowed_plasticity(curve, window) == hand(rises)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: min_accuracy(CURVE, [0, 0, 1, 1, 2]), r"learning must have shape \(6,\), got shape \(5,\)"),
        (lambda: min_accuracy(CURVE, [0, 0, 2, 2, 1, 1]), "ascending session numbers from 0 to 2"),
        (lambda: min_accuracy(CURVE, [0, 0, 1, 1, 2, 3]), "from 0 to 2"),
        (lambda: min_accuracy(CURVE, [0, 1, 1, 1, 2, 2]), r"curve\[1, 1\] is nan, but session 1 was already"),
        (lambda: windowed_forgetting(CURVE, 1), "window must be at least 2"),
        (lambda: windowed_forgetting([[0.5, nan]]), "no evaluation of session 1"),
        (lambda: windowed_forgetting([0.5, 0.7]), r"curve must have shape \(n, n\)"),
        (lambda: online_accuracy([], [0.5]), r"periodic must have shape \(n,\) and not be empty"),
        (lambda: online_accuracy([0.5], [nan]), r"after_sessions\[0\] is nan"),
        (lambda: evaluation_points([1.5]), "whole numbers"),
        (lambda: evaluation_points([1], 0), "period must be at least 1"),
        (lambda: gap_to_joint([0.5, 0.5], [0.5]), r"joint must have shape \(2,\)"),
    ],
)
def test_curves_of_another_kind_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_online_accuracies_are_plain_means():
    assert online_accuracy([0.2, 0.4, 0.9], [0.5, 0.7]) == pytest.approx((0.5, 0.6, 0.7))


def test_evaluations_come_with_the_first_batch_that_reaches_a_mark():
    # Rows seen: 64, 128, ... 1024 is the 16th batch, 2048 the 32nd; one large batch over two marks is one evaluation.
    assert np.flatnonzero(evaluation_points([64] * 40)).tolist() == [15, 31]
    assert evaluation_points([999, 1, 2500, 499, 1]).tolist() == [False, True, True, False, True]


def test_gap_to_joint_on_a_stream_of_a_real_data_set_is_zero_for_exact_heads():
    data = load_clinc150()
    X, y = data.X_train[:900], data.y_train[:900]
    batches = online(y, 300, sessions=class_incremental(y, 2))
    head, accuracy, joint = LDAClassifier(), [], []
    for t, batch in enumerate(batches):
        head.partial_fit(X[batch.train], y[batch.train])
        test = batch.test_rows(data.y_test)
        rows = np.concatenate([earlier.train for earlier in batches[: t + 1]])
        accuracy.append(head.score(data.X_test[test], data.y_test[test]))
        joint.append(LDAClassifier().fit(X[rows], y[rows]).score(data.X_test[test], data.y_test[test]))

    assert gap_to_joint(accuracy, joint) == (0, 0, 0)
    assert len(accuracy) == 4
    assert gap_to_joint([0.5, 0.9], [0.75, 0.8]) == pytest.approx(((0.25 - 0.1) / 2, 0.25, -0.1))


# ---- classes

TRUE = np.array([0, 0, 0, 0, 1, 1, 2])
PRED = np.array([0, 0, 0, 1, 1, 5, 0])


def test_classes_count_alike_in_macro_accuracy():
    assert class_accuracy(TRUE, PRED) == hand([3 / 4, 1 / 2, 0])
    assert macro_accuracy(TRUE, PRED) == hand((3 / 4 + 1 / 2 + 0) / 3)
    seen = np.isin(PRED, TRUE)
    assert macro_accuracy(TRUE[seen], PRED[seen]) == hand(balanced_accuracy_score(TRUE[seen], PRED[seen]))


def test_classes_without_test_rows_have_no_accuracy():
    found = class_accuracy(TRUE, PRED, classes=[2, 7, 0, -1])
    assert found[[0, 2]] == hand([0, 3 / 4])
    assert np.isnan(found[[1, 3]]).all()
    names = np.array(["a", "b", "c"])
    assert class_accuracy(names[TRUE], names[PRED % 3], ["b"]) == hand([1 / 2])


def test_the_tail_is_the_classes_with_fewest_training_rows():
    train = [0] * 50 + [1] * 10 + [2] * 3
    assert tail_accuracy(TRUE, PRED, train, 1 / 3) == 0  # class 2
    assert tail_accuracy(TRUE, PRED, train, 0.5) == hand((1 / 2 + 0) / 2)  # two of three, rounded up
    assert tail_accuracy(TRUE, PRED, train, 1.0) == hand(macro_accuracy(TRUE, PRED))
    assert tail_accuracy(TRUE, PRED, [0] * 50 + [1] * 3 + [2] * 3, 0.1) == hand(1 / 4)  # classes 1 and 2 are equal
    assert np.isnan(tail_accuracy([0, 0], [0, 0], train, 0.1))  # no test rows of class 2 in this prefix
    with pytest.raises(ValueError, match="fraction must be above 0 and at most 1, got 0"):
        tail_accuracy(TRUE, PRED, train, 0)


def test_base_and_new_classes_and_their_harmonic_mean():
    base, new, mean = few_shot_accuracy(TRUE, PRED, [0])
    assert (base, new) == pytest.approx((3 / 4, 1 / 3))
    assert mean == hand(2 * (3 / 4) * (1 / 3) / (3 / 4 + 1 / 3))  # 6 / 13
    assert few_shot_accuracy([0, 1], [1, 0], [0]) == (0, 0, 0)
    before = few_shot_accuracy([0, 0], [0, 1], [0])  # in the base session
    assert before.base == 0.5
    assert np.isnan(before[1:]).all()


def test_forgetting_of_classes_that_were_ever_right():
    # Bests before the last: .8 (of .8, .6), .5, 0, none; lost .8 - .5 = .3 and .5 - .7 = -.2; the others don't count.
    table = [[0.8, nan, 0.0, nan], [0.6, 0.5, 0.0, nan], [0.5, 0.7, 0.9, 1.0]]
    assert class_forgetting(table) == hand((0.3 - 0.2) / 2)
    assert np.isnan(class_forgetting([[0.5, 0.5]]))
    with pytest.raises(ValueError, match="last row must know every class"):
        class_forgetting([[0.5], [nan]])


def test_log_loss_is_scikit_learns_and_has_a_place_for_unknown_classes():
    p = np.random.RandomState(0).dirichlet(np.ones(3), size=40)
    y = np.array(["a", "b", "c"])[np.arange(40) % 3]

    assert log_loss(y, p, ["a", "b", "c"]) == pytest.approx(scikit_learns_log_loss(y, p), rel=1e-12)
    assert log_loss(["d"], [[1.0]], ["a"]) == pytest.approx(-np.log(np.finfo(float).eps))
    with pytest.raises(ValueError, match="different kinds"):
        log_loss(["0"], [[1.0]], [0])


def test_calibration_error_by_hand():
    # Confidences .95, .85 (bin (.8, 1] of 5) with 1 right of 2; .6 (bin (.4, .6]) with 1 of 1; .7 (bin (.6, .8]) wrong.
    p = [[0.95, 0.05], [0.15, 0.85], [0.6, 0.4], [0.3, 0.7]]
    expected = 2 / 4 * abs(1 / 2 - 0.9) + 1 / 4 * abs(1 - 0.6) + 1 / 4 * abs(0 - 0.7)
    assert expected_calibration_error(["a", "a", "a", "a"], p, ["a", "b"], n_bins=5) == hand(expected)
    # One bin: 2 of 4 right, mean confidence (.95 + .85 + .6 + .7) / 4 = .775.
    assert expected_calibration_error(["a", "a", "a", "a"], p, ["a", "b"], n_bins=1) == hand(0.275)
    # A class that the model doesn't know is predicted wrong with confidence .6.
    assert expected_calibration_error(["c"], [[0.6, 0.4]], ["a", "b"]) == hand(0.6)
    assert expected_calibration_error([0, 1], np.eye(2), [0, 1]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: macro_accuracy(TRUE, PRED[:-1]), r"y_pred must have shape \(7,\), got shape \(6,\)"),
        (lambda: macro_accuracy([], []), r"y_true must have shape \(n_rows,\), got shape \(0,\)"),
        (lambda: macro_accuracy([TRUE], [PRED]), r"got shape \(1, 7\)"),
        (lambda: macro_accuracy(["0", "1"], [0, 1]), "different kinds: '0' and 0|different kinds"),
        (lambda: class_accuracy([0, 1], [0, 1], ["0"]), "y_true and classes hold labels of different kinds"),
        (lambda: macro_accuracy([0.0, nan], [0, 1]), r"y_true\[1\] is nan"),
        (lambda: expected_calibration_error([0], [[0.5, 0.6]], [0, 1]), r"row 0 is .* with sum 1.1"),
        (lambda: expected_calibration_error([0], [[-0.5, 1.5]], [0, 1]), "must be probabilities"),
        (lambda: expected_calibration_error([0], [[0.5, 0.5]], [0]), r"proba must have shape \(1, 1\)"),
        (lambda: expected_calibration_error([0], [[0.5, 0.5]], [0, 1], 0), "n_bins must be at least 1"),
        (lambda: expected_calibration_error(["0"], [[0.5, 0.5]], [0, 1]), "different kinds"),
    ],
)
def test_predictions_of_another_kind_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_metric_says_what_it_returns_and_has_an_example():
    for name, function in vars(analytic_cl.metrics).items():
        if callable(function) and name[0].islower() and not isinstance(function, type):
            assert ">>>" in function.__doc__, name
            assert "xactness" in function.__doc__, name
            assert "ost: " in function.__doc__ or "Parameters, cost and exactness as in" in function.__doc__, name
