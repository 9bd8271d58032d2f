"""The recursive solver follows the state: its weights are those of the Cholesky solver, within 1e-8."""

import copy
import os
import pickle
import threading

import numpy as np
import pytest
from common import blobs, ignore_quantization
from scipy.linalg import LinAlgWarning

from analytic_cl import FixedPoint, RLSClassifier
from analytic_cl.recursive.inverse import RidgeInverse
from analytic_cl.recursive.low_rank import BLOCK

pytestmark = ignore_quantization

UPDATES = int(os.environ.get("ANALYTIC_CL_UPDATES", "100000"))  # a million in `make soak`


def relative_error(head):
    exact = RLSClassifier.from_moments(head.state_, alpha=head.alpha, fit_intercept=head.fit_intercept)
    return np.abs(head.coef_ - exact.coef_).max() / np.abs(exact.coef_).max()


def recursive(**parameters):
    return RLSClassifier(alpha=1.0, solver="recursive", **parameters)


def rebuilds(head):
    return head._solved["recursive"].rebuilds


@pytest.mark.parametrize("rows_at_once", [1, 3, BLOCK, BLOCK + 1])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "quantizer",
    ["tabular", "embedding", FixedPoint(8, bounds=(-12.0, 6.0)), FixedPoint(16)],
    ids=lambda quantizer: str(quantizer),
)
def test_weights_follow_rows_that_come_and_go(quantizer, fit_intercept, rows_at_once):
    X, y = blobs(2000, 2 * BLOCK + 6, 7, seed=1)
    head = recursive(quantizer=quantizer, fit_intercept=fit_intercept).fit(X[:500], y[:500])
    head.predict(X[:1])
    for start in range(500, 500 + 6 * rows_at_once, rows_at_once):
        come, go = slice(start, start + rows_at_once), slice(start - 500, start - 500 + rows_at_once)
        head.partial_fit(X[come], y[come])
        assert relative_error(head) < 1e-10
        head.forget(X[go], y[go])
        assert relative_error(head) < 1e-10

    assert rebuilds(head) == 1


def test_after_many_mixed_updates_weights_are_within_1e_8():
    X, y = blobs(4000, 32, 10, seed=2)
    head = recursive(track="none").fit(X, y)
    head.predict(X[:1])
    random = np.random.RandomState(0)
    worst, held = 0.0, np.ones(len(X), dtype=bool)
    for step in range(UPDATES // 50):
        rows = random.choice(len(X), 50, replace=False)
        for some, change in ((rows[held[rows]], head.forget), (rows[~held[rows]], head.partial_fit)):
            if some.size:
                change(X[some], y[some])
        held[rows] = ~held[rows]
        head._prepared()
        if step % (UPDATES // 500) == 0:
            worst = max(worst, relative_error(head))

    assert max(worst, relative_error(head)) < 1e-8
    assert rebuilds(head) <= 5


def test_classes_may_come_and_go_down_to_one():
    X, y = blobs(60, 40, 6, seed=3)
    head = recursive().fit(X[y < 2], y[y < 2])
    head.predict(X[:1])
    for label in (2, 3, 4, 5):
        head.partial_fit(X[y == label], y[y == label])
        assert relative_error(head) < 1e-10
        assert head.classes_.tolist() == list(range(label + 1))
    for label in (0, 3, 5, 1, 4):
        head.forget(X[y == label], y[y == label])
        assert relative_error(head) < 1e-9 if len(head.classes_) > 1 else np.abs(head.coef_).max() < 1e-10
    assert head.classes_.tolist() == [2]


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_rectified_rows_are_followed(fit_intercept):
    X, y = blobs(60, 40, 3, seed=4)
    head = recursive(fit_intercept=fit_intercept).fit(X, y, sample_id=range(60))
    head.predict(X[:1])
    head.rectify(X[:5] + 1, (y[:5] + 1) % 3, sample_id=range(5))

    assert relative_error(head) < 1e-10
    assert rebuilds(head) == 1


def missed_by_merge(head, X, y):
    head.merge(recursive().fit(X[:5], y[:5]))


def many_rows_at_once(head, X, y):
    head.partial_fit(X[: BLOCK + 1], y[: BLOCK + 1])


def changed_behind_its_back(head, X, y):
    head.state_.add(head.quantizer_.quantise(X[:1]), y[:1])


def other_penalty(head, X, y):
    head.set_params(alpha=2.0)


@pytest.mark.parametrize("change", [missed_by_merge, many_rows_at_once, changed_behind_its_back, other_penalty])
def test_a_change_that_can_not_be_followed_starts_anew(change):
    X, y = blobs(100, 40, 3, seed=5)
    head = recursive(track="none").fit(X, y)
    head.predict(X[:1])
    change(head, X, y)
    head.partial_fit(X[:1], y[:1])

    assert relative_error(head) < 1e-13


@pytest.mark.parametrize("part", ["p", "w"])
def test_drift_is_found_and_mended(part):
    X, y = blobs(1200, 40, 3, seed=6)
    head = recursive(track="none").fit(X, y)
    head.predict(X[:1])
    getattr(head._solved["recursive"]._inverse, part)[:] *= 1 + 1e-7
    for i in range(1100):
        head.partial_fit(X[i : i + 1], y[i : i + 1])
        head.predict(X[:1])

    assert rebuilds(head) == 2
    assert relative_error(head) < 1e-12


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_update_that_is_broken_off_leaves_no_trace(monkeypatch, error):
    X, y = blobs(60, 40, 3, seed=7)
    head = recursive().fit(X, y)
    head.predict(X[:1])
    head.partial_fit(X[:3], y[:3])
    original = RidgeInverse.write_weights

    def broken_off(self):
        raise error

    monkeypatch.setattr(RidgeInverse, "write_weights", broken_off)
    with pytest.raises(error):
        head.predict(X)
    monkeypatch.setattr(RidgeInverse, "write_weights", original)

    assert relative_error(head) < 1e-13


def test_rows_that_define_a_direction_alone_may_go():
    """Without them the problem is nearly singular: a tiny penalty must not amplify errors of rounding."""
    X, y = blobs(60, 40, 3, seed=8)
    X[:, 0] = 0.0
    X[:2, 0] = 1000.0
    head = RLSClassifier(alpha=1e-6, solver="recursive").fit(X, y)
    head.predict(X[:1])
    head.forget(X[:2], y[:2])

    assert relative_error(head) < 1e-6


@pytest.mark.parametrize("size", [1.0, 30.0, 1000.0])
def test_rows_of_much_leverage_may_go_one_by_one(size):
    """With fewer rows than features each is alone in its direction, and takes digits of the inverse with it."""
    X, y = blobs(60, 100, 3, seed=10)
    head = recursive(quantizer=FixedPoint(32, scale=16)).fit(size * X, y)
    for i in range(50):
        head.forget(size * X[i : i + 1], y[i : i + 1])
        assert relative_error(head) < 1e-8


def test_a_singular_problem_is_said_to_be_one():
    X, y = blobs(60, 40, 3, seed=9)
    X[:, 0] = X[:, 1]
    head = RLSClassifier(alpha=1e-300, solver="recursive").fit(X, y)
    with pytest.warns(LinAlgWarning, match="singular"):
        scores = head.decision_function(X)
    with pytest.warns(LinAlgWarning, match="singular"):
        np.testing.assert_array_equal(scores, RLSClassifier(alpha=1e-300).fit(X, y).decision_function(X))


@pytest.mark.parametrize("alpha", ["oas", "gcv", 0, 0.0])
def test_a_strength_that_moves_with_the_state_is_refused(alpha):
    X, y = blobs()
    with pytest.raises(ValueError, match="needs a number above 0 as alpha"):
        RLSClassifier(alpha=alpha, solver="recursive").fit(X, y)


def test_an_unknown_solver_is_refused():
    with pytest.raises(ValueError, match='solver must be "cholesky" or "recursive"'):
        RLSClassifier(solver="svd").fit(*blobs())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda head: pickle.loads(pickle.dumps(head))])
def test_copies_make_their_own_inverse(copied):
    X, y = blobs(60, 40, 3)
    head = recursive().fit(X, y)
    head.predict(X)
    twin = copied(head)
    twin.partial_fit(X[:4], y[:4])

    assert relative_error(twin) < 1e-12
    assert relative_error(head) < 1e-12


def in_threads(work, n=4):
    failed = []

    def run(i):
        try:
            work(i)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_threads_may_hold_different_models():
    X, y = blobs(400, 40, 3)

    def live(i):
        head = recursive(track="none").fit(X[i:], y[i:])
        for j in range(200):
            head.partial_fit(X[j : j + 2], y[j : j + 2])
            head.predict(X[:2])
        assert relative_error(head) < 1e-10

    in_threads(live)


def test_threads_may_ask_one_model():
    X, y = blobs(400, 40, 3)
    head = recursive(track="none").fit(X, y)
    for j in range(50):
        head.partial_fit(X[j : j + 2], y[j : j + 2])
        in_threads(lambda i: head.predict(X[:2]))

    assert relative_error(head) < 1e-10
