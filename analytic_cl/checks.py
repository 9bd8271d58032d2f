"""Properties that any head must have, for tests of one's own heads as much as for ours.

Each check takes a head (a parameter template, never changed), rows and labels, and raises AssertionError where the
property fails. `ALL_CHECKS` lists them; `check_head` runs them all::

    from analytic_cl.checks import check_head
    check_head(MyHead(), X, y)

Exactness: every comparison is of state digests, bit for bit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import Bunch, check_random_state

from analytic_cl._config import BACKENDS, use_backend
from analytic_cl.heads import BaseHead, Head
from analytic_cl.ledger import NotLearnedError
from analytic_cl.statistics import EMPTY

Check = Callable[[Any, ArrayLike, ArrayLike, int], None]


def check_head(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Run all checks that fit the head. X needs at least 12 rows, all different behind the head's quantizer; y at least
    two classes; of a regressor, numbers. A head that `depends_on_order` is not asked for what that excludes.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import NearestMeanClassifier
    >>> from analytic_cl.checks import check_head
    >>> X = np.random.default_rng(0).normal(size=(30, 4))
    >>> check_head(NearestMeanClassifier(), X, np.arange(30) % 3)
    """
    for check in checks_of(head):
        check(head, X, y, seed)


def checks_of(head: BaseHead) -> tuple[Check, ...]:
    """Those of `ALL_CHECKS` that a head must pass: all, but for heads that declare `depends_on_order`, and regressors,
    which have no classes.
    """
    left_out = OF_ANY_ORDER if head.depends_on_order else OF_CLASSES if head.task == "regression" else ()
    return tuple(check for check in ALL_CHECKS if check not in left_out)


def check_fit_equals_partial_fit(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Any batches in any order leave the state of one fit."""
    case = _case(head, X, y, seed)
    order = case.random.permutation(len(case.X))
    streamed = clone(head)
    for batch in _random_batches(order, case.random):
        streamed.partial_fit(case.X[batch], case.y[batch])
    _same(streamed, case.joint)


def check_class_growth_equals_joint(head: Head, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Classes that arrive one after another leave the state, and the classes, of one fit."""
    case = _case(head, X, y, seed)
    grown = clone(head)
    for label in case.random.permutation(case.joint.classes_):
        rows = case.y == label
        grown.partial_fit(case.X[rows], case.y[rows])
    _same(grown, case.joint)
    np.testing.assert_array_equal(grown.classes_, case.joint.classes_)
    np.testing.assert_array_equal(grown.decision_function(case.X), case.joint.decision_function(case.X))


def check_merge_is_associative(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """(a + b) + c, a + (b + c) and, unless it depends on order, c + b + a are one state."""
    case = _case(head, X, y, seed)

    def parts() -> list[BaseHead]:
        return [clone(head).fit(case.X[i::3], case.y[i::3]) for i in range(3)]

    a, b, c = parts()
    left = a.merge(b).merge(c)
    a, b, c = parts()
    right = a.merge(b.merge(c))
    _same(left, right)
    if not head.depends_on_order:
        a, b, c = parts()
        _same(left, c.merge(b).merge(a))


def check_merge_equals_fit(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Merged heads have the state of one head that saw all rows; an unfitted head is the neutral element."""
    case = _case(head, X, y, seed)
    merged, streamed = clone(head), clone(head)
    for batch in _random_batches(np.arange(len(case.X)), case.random):
        part = clone(head).fit(case.X[batch], case.y[batch])
        before = part.state_digest()
        merged.merge(part)
        assert part.state_digest() == before, "merge changed the other head"
        if head.depends_on_order:
            streamed.partial_fit(case.X[batch], case.y[batch])
    _same(merged.merge(clone(head)), streamed if head.depends_on_order else case.joint)


def check_forget_equals_refit(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Forgotten by rows or by id, what is left is the state of a fit on the other rows."""
    case = _case(head, X, y, seed)
    gone = case.random.choice(len(case.X), size=len(case.X) // 3, replace=False)
    rest = np.setdiff1d(np.arange(len(case.X)), gone)
    refit = clone(head).fit(case.X[rest], case.y[rest])
    if head.track in ("auto", "rows"):
        by_id = clone(head).fit(case.X, case.y, sample_id=np.arange(len(case.X)))
        assert by_id.forget(sample_id=gone).removed == gone.size
        _same(by_id, refit)
    by_rows = clone(head).fit(case.X, case.y)
    for batch in _random_batches(gone, case.random):
        by_rows.forget(case.X[batch], case.y[batch])
    _same(by_rows, refit)
    np.testing.assert_array_equal(_answers(by_rows, case.X), _answers(refit, case.X))


def check_forget_equals_the_same_sessions(head: Head, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Of classes learned session by session, what is left is the state of the same sessions without the rows."""
    case = _case(head, X, y, seed)
    gone = case.random.rand(len(case.X)) < 0.3
    classes, codes = np.unique(case.y, return_inverse=True)
    session_of = case.random.randint(3, size=len(classes))[codes]
    gone |= (session_of == session_of[0]) & (case.random.rand() < 0.5)  # a whole session, at times
    gone[case.random.randint(len(gone))] = False
    learned, again = clone(head), clone(head)
    for session in case.random.permutation(3):
        rows = session_of == session
        for model, some in ((learned, rows), (again, rows & ~gone)):
            if some.any():
                model.partial_fit(case.X[some], case.y[some])
    order = case.random.permutation(np.flatnonzero(gone))
    learned.forget(case.X[order], case.y[order])
    _same(learned, again)
    np.testing.assert_array_equal(learned.decision_function(case.X), again.decision_function(case.X))


def check_forget_then_learn_is_identity(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Rows that leave and come back leave no trace; forgetting all gives an unfitted head."""
    case = _case(head, X, y, seed)
    leaving = np.arange(len(case.X))
    if head.depends_on_order:  # a class that leaves whole comes back in a session of its own
        leaving = np.setdiff1d(leaving, np.unique(case.y, return_index=True)[1])
    some = case.random.choice(leaving, size=5, replace=False)
    back = clone(head).fit(case.X, case.y)
    back.forget(case.X[some], case.y[some])
    back.partial_fit(case.X[some], case.y[some])
    _same(back, case.joint)
    back.forget(case.X, case.y)
    assert back.state_digest() == EMPTY
    assert not back.__sklearn_is_fitted__()
    _same(back.partial_fit(case.X, case.y), case.joint)


def check_forget_unknown_is_refused(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Unknown rows, ids and labels, and rows forgotten twice, are refused with nothing changed."""
    case = _case(head, X, y, seed)
    learned = clone(head).fit(case.X[1:], case.y[1:])
    before = learned.state_digest()
    unseen = case.y[:1].astype(object)
    unseen[0] = "never seen" if case.y.dtype.kind in "UO" else 10**9
    _refused(lambda: learned.forget(case.X[1:2], unseen))
    _refused(lambda: learned.forget(sample_id=["never seen"]))
    if head.task == "classification":
        _refused(lambda: learned.forget_class(unseen[0]))
    _refused(lambda: learned.forget(np.repeat(case.X[1:2], len(case.X), 0), np.repeat(case.y[1:2], len(case.X))))
    if head.track != "none":
        _refused(lambda: learned.forget(case.X[:1], case.y[:1]), NotLearnedError)
    assert learned.state_digest() == before, "a refused forget changed the state"
    if head.track in ("auto", "rows"):
        named = clone(head).fit(case.X, case.y, sample_id=np.arange(len(case.X)))
        named.forget(sample_id=[3])
        before = named.state_digest()
        _refused(lambda: named.forget(sample_id=[4, 3]))
        assert named.state_digest() == before, "a refused forget changed the state"


def check_forget_all_of_class_drops_class(head: Head, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """A class without rows is gone from state and classes, as if it had never come."""
    case = _case(head, X, y, seed)
    label = case.random.choice(case.joint.classes_)
    rows = case.y == label
    dropped = clone(head).fit(case.X, case.y)
    receipt = dropped.forget(case.X[rows], case.y[rows])
    assert receipt.classes_emptied == [label.item() if hasattr(label, "item") else label]
    assert label not in dropped.classes_.tolist()
    _same(dropped, clone(head).fit(case.X[~rows], case.y[~rows]))


def check_dry_run_changes_nothing(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """A dry run says what a forget would do, digests included, and leaves the state alone."""
    case = _case(head, X, y, seed)
    learned = clone(head).fit(case.X, case.y)
    promised = learned.forget(case.X[:4], case.y[:4], dry_run=True, digests=True)
    _same(learned, case.joint)
    done = learned.forget(case.X[:4], case.y[:4], digests=True)
    assert (promised.removed, promised.digest_after) == (done.removed, done.digest_after)
    assert done.digest_after == learned.state_digest()


def check_save_and_load_is_identity(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """A loaded head has the state, the scores and the ledger of the saved one."""
    case = _case(head, X, y, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.safetensors"
        case.joint.save(path)
        loaded = type(head).load(path)
    _same(loaded, case.joint)
    np.testing.assert_array_equal(_answers(loaded, case.X), _answers(case.joint, case.X))
    for each in (loaded, case.joint):
        each.forget(case.X[:5], case.y[:5])
    _same(loaded, case.joint)


def check_backends_give_the_same_bits(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Learned and forgotten on every backend, the state is one."""
    case = _case(head, X, y, seed)
    expected = clone(head).fit(case.X[4:], case.y[4:])
    for backend in BACKENDS:
        with use_backend(backend):
            learned = clone(head).fit(case.X, case.y)
            learned.forget(case.X[:4], case.y[:4])
        _same(learned, expected)


def check_weights_equal_repeated_rows(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int = 0) -> None:
    """Weighted rows leave the state of repeated rows, those of weight 0 nothing; they are forgotten one at a time."""
    case = _case(head, X, y, seed)
    weights = case.random.permutation(np.arange(len(case.X)) % 5)
    weighted = clone(head).fit(case.X, case.y, sample_weight=weights)
    _same(weighted, clone(head).fit(case.X.repeat(weights, axis=0), case.y.repeat(weights)))
    several = weights > 1
    assert weighted.forget(case.X[several], case.y[several]).removed == several.sum()
    weights = weights - several
    _same(weighted, clone(head).fit(case.X.repeat(weights, axis=0), case.y.repeat(weights)))
    weighted.forget(case.X, case.y, sample_weight=weights)
    assert weighted.state_digest() == EMPTY, "rows were forgotten as often as they were learned, and some are left"


ALL_CHECKS: tuple[Check, ...] = (
    check_fit_equals_partial_fit,
    check_class_growth_equals_joint,
    check_merge_is_associative,
    check_merge_equals_fit,
    check_forget_equals_refit,
    check_forget_equals_the_same_sessions,
    check_forget_then_learn_is_identity,
    check_forget_unknown_is_refused,
    check_forget_all_of_class_drops_class,
    check_dry_run_changes_nothing,
    check_save_and_load_is_identity,
    check_backends_give_the_same_bits,
    check_weights_equal_repeated_rows,
)

OF_ANY_ORDER: tuple[Check, ...] = (check_fit_equals_partial_fit, check_class_growth_equals_joint)
"""What heads that declare `depends_on_order` need not pass."""

OF_CLASSES: tuple[Check, ...] = (
    check_class_growth_equals_joint,
    check_forget_equals_the_same_sessions,
    check_forget_all_of_class_drops_class,
)
"""What a regressor need not pass."""


def _case(head: BaseHead, X: ArrayLike, y: ArrayLike, seed: int) -> Bunch:
    X, y = np.asarray(X), np.asarray(y)
    return Bunch(X=X, y=y, random=check_random_state(seed), joint=clone(head).fit(X, y))


def _random_batches(order: NDArray[np.intp], random: np.random.RandomState) -> list[NDArray[np.intp]]:
    cuts = np.sort(random.choice(np.arange(1, order.size), size=min(5, order.size - 1), replace=False))
    return np.split(order, cuts)


def _answers(head: BaseHead, X: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(head.decision_function(X) if isinstance(head, Head) else head.predict(X))


def _same(head: BaseHead, other: BaseHead) -> None:
    assert head.state_digest() == other.state_digest(), f"{head} and {other} learned the same rows, not the same state"


def _refused(call: Callable[[], object], error: type[ValueError] = ValueError) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError("a request that can't be met was not refused")
