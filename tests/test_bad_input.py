"""Bad input gets an error that says what to do, and the state is as it was."""

import numpy as np
import pandas as pd
import pytest
from common import blobs
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from analytic_cl import FixedPoint, LDAClassifier, NearestMeanClassifier, RandomProjection, RLSClassifier

X, Y = blobs(20, 4, 2)
IDS = [f"id-{i}" for i in range(20)]


def spoiled(value, row=7):
    bad = X.copy()
    bad[row, 2] = value
    return bad


def weights(value, row=7):
    return [*range(row), value, *range(row + 1, 20)]


WEIGHTS = {
    "negative": (weights(-1), "negative numbers in row 7"),
    "NaN": (weights(np.nan), "NaN or infinity in row 7"),
    "infinity": (weights(np.inf), "NaN or infinity in row 7"),
    "fraction": (weights(0.5), r"fractions in row 7: weights count rows.*np.rint\(1000 \* w\)"),
    "missing": (weights(None), "missing. in row 7"),
    "missing in a column": (pd.Series(weights(None), dtype="Int64"), "missing. in row 7"),
    "masked": (np.ma.masked_equal(np.arange(20), 7), "masked. in row 7"),
    "too large": (weights(2**48 + 1), r"above 2\*\*48 in row 7"),
    "beyond 64 bits": (weights(2**80), r"above 2\*\*48 in row 7"),
    "too large in all": (np.full(20, 2**47), r"a sum above 2\*\*48"),
    "all zero": (np.zeros(20), "at least one non-zero number"),
    "too few": (np.ones(19), "20 rows but 19 values of sample_weight"),
    "one number": (2, "one number a row, got an array of shape .."),
    "two columns": (np.ones((20, 2)), "one number a row, got an array of shape .20, 2."),
    "a frame": (pd.DataFrame({"a": np.ones(20), "b": 1}), "one column or a list"),
    "ragged": ([[1, 2], *range(19)], "not lists of several lengths"),
    "text": (["1"] * 20, "must be numbers"),
    "complex": (np.ones(20) + 1j, "must be numbers"),
    "dates": (np.zeros(20, "M8[D]"), "must be numbers"),
}


LEARNING = {
    "NaN": (dict(X=spoiled(np.nan), y=Y), ValueError, "contains NaN in row 7"),
    "infinity": (dict(X=spoiled(np.inf), y=Y), ValueError, "contains infinity in row 7"),
    "complex": (dict(X=X + 1j, y=Y), ValueError, "Complex data not supported"),
    "text": (dict(X=X.astype(str), y=Y), ValueError, "X holds text in columns 0, 1, 2, 3"),
    "one-dimensional X": (dict(X=X[0], y=Y[:1]), ValueError, "Expected 2D array"),
    "empty batch": (dict(X=X[:0], y=Y[:0]), ValueError, "0 sample"),
    "no y": (dict(X=X, y=None), ValueError, "requires y to be passed"),
    "too few labels": (dict(X=X, y=Y[:-1]), ValueError, "inconsistent numbers of samples"),
    "two columns of y": (dict(X=X, y=np.stack([Y, Y + 1], 1)), ValueError, "1d array|1-D|1D"),
    "fractional labels": (dict(X=X, y=Y + 0.5), ValueError, "Unknown label type: float 0.5"),
    "NaN label": (dict(X=X, y=np.where(Y == 1, np.nan, 0)), ValueError, "NaN"),
    "None label": (dict(X=X, y=[None, *Y[1:]]), ValueError, "None|NaN"),
    "mixed labels": (dict(X=X, y=["a", *Y[1:].tolist()]), ValueError, "mixed types: 'a' .string., [01] .integer."),
    "booleans among integers": (dict(X=X, y=[True, *Y[1:].tolist()]), ValueError, "mixed types"),
    "other labels than before": (dict(X=X, y=np.where(Y, "b", "a")), ValueError, "'a' is a string.*are integers"),
    "ragged ids": (
        dict(X=X, y=Y, sample_id=[[1, 2], *range(19)]),
        ValueError,
        "one integer or string a row; at position 0",
    ),
    "too few ids": (dict(X=X, y=Y, sample_id=range(19)), ValueError, "20 rows but 19 sample ids"),
    "fractional ids": (dict(X=X, y=Y, sample_id=np.arange(20) + 0.5), ValueError, "at position 0 it is 0.5"),
    "ids given twice": (dict(X=X, y=Y, sample_id=[1, 1, *range(2, 20)]), ValueError, "twice in one call: 1"),
    "ids already learned": (dict(X=X[:2], y=Y[:2], sample_id=["new", "id-3"]), ValueError, "already learned: 'id-3'"),
    "ids in place of classes": (dict(X=X, y=Y, sample_id=b"x" * 20), ValueError, "got bytes"),
    "no ids at all": (dict(X=X, y=Y, sample_id=[]), ValueError, "20 rows but 0 sample ids"),
    "NaN in a row without weight": (dict(X=spoiled(np.nan), y=Y, sample_weight=weights(0)), ValueError, "NaN in row 7"),
    **{
        f"weights: {name}": (dict(X=X, y=Y, sample_weight=w), ValueError, words) for name, (w, words) in WEIGHTS.items()
    },
}

PARTIAL = {
    "wrong width": (dict(X=X[:, :1], y=Y), ValueError, "X has 1 features, but LDAClassifier is expecting 4 features"),
    "undeclared label": (dict(X=X, y=Y, classes=[0, 7]), ValueError, "not in classes: 1"),
    "one label declared": (dict(X=X, y=Y, classes=1), ValueError, "must be a list of labels"),
    "a bool declared for an integer": (dict(X=X, y=Y, classes=[False, True]), ValueError, "not in classes: 0, 1"),
}

FORGETTING = {
    "nothing": (dict(), ValueError, "needs X and y, or sample_id"),
    "X without y": (dict(X=X), ValueError, "needs X and y"),
    "unknown row": (dict(X=X + 1, y=Y), ValueError, "rows 0, 1.*and 10 more of X.*never learned"),
    "one unknown row": (dict(X=spoiled(9.0), y=Y), ValueError, "rows? .*never learned"),
    "wrong label": (dict(X=X[:1], y=1 - Y[:1]), ValueError, "row 0 was learned as 0, not as 1"),
    "unseen label": (dict(X=X[:1], y=[7]), ValueError, r"no rows of class 7 were learned; classes are \[0, 1\]"),
    "label of another kind": (dict(X=X[:1], y=["a"]), ValueError, "no rows of class 'a'"),
    "row twice": (dict(X=X[[0, 0]], y=Y[[0, 0]]), ValueError, "row 1 of X.*not learned so often"),
    "NaN": (dict(X=spoiled(np.nan), y=Y), ValueError, "contains NaN in row 7"),
    "wrong width": (dict(X=X[:, :1], y=Y), ValueError, "X has 1 features"),
    "empty batch": (dict(X=X[:0], y=Y[:0]), ValueError, "0 sample"),
    "unknown ids": (
        dict(sample_id=["id-3", "id-99", 3]),
        ValueError,
        "never learned, or already forgotten: 'id-99', 3",
    ),
    "ids twice": (dict(sample_id=["id-3", "id-3"]), ValueError, "twice in one call: 'id-3'"),
    "no ids": (dict(sample_id=[]), ValueError, "sample_id is empty"),
    "rows of other ids": (
        dict(X=X[:2], y=Y[:2], sample_id=["id-1", "id-0"]),
        ValueError,
        "'id-1', 'id-0' were learned with",
    ),
    "y without X": (dict(y=Y, sample_id=IDS), ValueError, "needs X and y together"),
    "X without y beside ids": (dict(X=X, sample_id=IDS), ValueError, "needs X and y together"),
    **{
        f"weights: {name}": (dict(X=X, y=Y, sample_weight=w), ValueError, words) for name, (w, words) in WEIGHTS.items()
    },
    "weights of ids": (dict(sample_id=IDS, sample_weight=np.ones(20)), ValueError, "goes with all its weight"),
    "a row more often than it was learned": (
        dict(X=X, y=Y, sample_weight=weights(3)),
        ValueError,
        "rows 2, 3, 4.*not learned so often",
    ),
    "too few ids for the rows": (dict(X=X[:2], y=Y[:2], sample_id=["id-1"]), ValueError, "2 rows but 1 sample ids"),
}


def cases(table):
    return pytest.mark.parametrize(("arguments", "error", "words"), table.values(), ids=table)


def refuses(head, call, error, words):
    digest, recorded, attributes = head.state_digest(), head.learner_.ledger.n_rows, head.__dict__.copy()
    with pytest.raises(error, match=words):
        call()
    assert head.state_digest() == digest
    assert head.learner_.ledger.n_rows == recorded
    assert head.__dict__ == attributes
    head.forget(sample_id=IDS)
    assert not head.__sklearn_is_fitted__()


@pytest.fixture
def head():
    return LDAClassifier().fit(X, Y, sample_id=IDS)


@cases(LEARNING | PARTIAL)
def test_partial_fit_refuses(head, arguments, error, words):
    refuses(head, lambda: head.partial_fit(**arguments), error, words)


@cases(
    {name: case for name, case in LEARNING.items() if name not in ("other labels than before", "ids already learned")}
)
def test_fit_refuses_and_keeps_what_was_learned_before(head, arguments, error, words):
    refuses(head, lambda: head.fit(**arguments), error, words)
    never = LDAClassifier()
    with pytest.raises(error, match=words):
        never.fit(**arguments)
    assert not [name for name in vars(never) if name.endswith("_")]


@cases(FORGETTING)
def test_forget_refuses(head, arguments, error, words):
    refuses(head, lambda: head.forget(**arguments), error, words)


@cases(FORGETTING)
def test_dry_run_refuses_the_same(head, arguments, error, words):
    refuses(head, lambda: head.forget(**arguments, dry_run=True), error, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(X=X[:1], y=Y[:1], sample_id=["who"]), "never learned, or already forgotten: 'who'"),
        (dict(X=X[:2], y=Y[:2], sample_id=["id-1"]), "2 rows but 1"),
        (dict(X=X[:1], y=["dog"], sample_id=["id-1"]), "mixed types"),
        (dict(X=spoiled(np.nan), y=Y, sample_id=IDS), "NaN in row 7"),
    ],
)
def test_rectify_refuses(head, arguments, words):
    refuses(head, lambda: head.rectify(**arguments), ValueError, words)


@pytest.mark.parametrize("label", [7, "a", True, 1.5, None, [1]])
def test_forget_class_refuses_labels_it_does_not_have(head, label):
    refuses(head, lambda: head.forget_class(label), ValueError, "no rows of class|Unknown label type")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (LDAClassifier(quantizer="embedding").fit(X, Y), "different quantizers.*32 bits.*8 bits"),
        (LDAClassifier().fit(X[:, :3], Y), "different quantizers"),
        (RLSClassifier(projection=RandomProjection(4)).fit(X, Y), "different quantizers"),
        (NearestMeanClassifier().fit(X, Y), "order"),
        (LDAClassifier().fit(X, Y == 1), "mixed types"),
        (LDAClassifier().fit(X[:1], Y[:1], sample_id=["id-9"]), "both models learned the sample ids 'id-9'"),
    ],
)
def test_merge_refuses(head, other, words):
    before = other.state_digest()
    refuses(head, lambda: head.merge(other), ValueError, words)
    assert other.state_digest() == before


def test_merge_refuses_other_columns_and_bad_parameters():
    frame = pd.DataFrame(X, columns=list("abcd"))
    head, swapped = LDAClassifier().fit(frame, Y, sample_id=IDS), LDAClassifier().fit(frame[list("badc")], Y)

    refuses(head, lambda: head.merge(swapped), ValueError, "different columns, or in another order")
    unfitted = LDAClassifier(shrinkage=7)
    with pytest.raises(ValueError, match="shrinkage"):
        unfitted.merge(swapped)
    assert not vars(unfitted).keys() & {"learner_", "n_features_in_"}


def test_merge_into_an_unfitted_head_keeps_to_its_own_quantizer():
    with pytest.raises(ValueError, match="different quantizers"):
        LDAClassifier(quantizer="tabular").merge(LDAClassifier(quantizer="embedding").fit(X, Y))


def test_quantizer_may_not_change_under_a_learned_state(head):
    refuses(
        head.set_params(quantizer=FixedPoint(16)),
        lambda: head.partial_fit(X, Y),
        ValueError,
        "quantizer or projection changed",
    )


@pytest.mark.parametrize(
    "head",
    [
        LDAClassifier(shrinkage="ledoit"),
        LDAClassifier(shrinkage=1.5),
        LDAClassifier(shrinkage=True),
        LDAClassifier(priors=[0.5, 0.6]),
        LDAClassifier(priors=[1.0, 0.0]),
        RLSClassifier(alpha=-1),
        RLSClassifier(alpha=np.nan),
        RLSClassifier(alpha="cv"),
        NearestMeanClassifier(metric="manhattan"),
        LDAClassifier(quantizer="int8"),
        LDAClassifier(track="all"),
        RLSClassifier(alpha=10**400),
    ],
    ids=repr,
)
def test_parameters_that_mean_nothing_are_refused_when_fitting(head):
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match="must be"):
            getattr(clone(head), method)(X, Y)


@pytest.mark.parametrize("parameters", [dict(track="all"), dict(shrinkage=7), dict(priors=[2.0])])
def test_parameters_that_became_wrong_are_found_before_saving(tmp_path, parameters):
    head = LDAClassifier().fit(X, Y).set_params(**parameters)

    with pytest.raises(ValueError, match="must be"):
        head.save(tmp_path / "head")
    assert not list(tmp_path.iterdir())


def test_ids_without_a_ledger_are_refused():
    with pytest.raises(ValueError, match='track="none"'):
        LDAClassifier(track="none").fit(X, Y, sample_id=IDS)


@pytest.mark.parametrize(
    "call", ["forget", "forget_class", "rectify", "predict", "decision_function", "coef_", "classes_"]
)
def test_an_unfitted_head_says_so(call):
    arguments = {"forget": (X, Y), "forget_class": (1,), "predict": (X,), "decision_function": (X,)}.get(call)
    head = LDAClassifier().fit(X, Y)
    head.forget(X, Y)
    for unfitted in (LDAClassifier(), head):
        with pytest.raises(NotFittedError):  # noqa: PT012
            if call == "rectify":
                unfitted.rectify(X, Y, sample_id=IDS)
            elif arguments is None:
                getattr(unfitted, call)
            else:
                getattr(unfitted, call)(*arguments)


def test_column_names_must_stay_the_same():
    frame = pd.DataFrame(X, columns=list("abcd"))
    head = LDAClassifier().fit(frame, pd.Series(Y), sample_id=pd.Series(IDS))

    assert head.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        head.partial_fit(frame[list("dcba")], Y)
    head.forget(frame[:5], pd.Series(Y[:5]), sample_id=pd.Index(IDS[:5]))
    assert head.state_digest() == LDAClassifier().fit(X[5:], Y[5:]).state_digest()


@pytest.mark.parametrize(
    "y",
    [Y.tolist(), Y.astype(np.uint8), Y.astype(float), Y.astype(object), pd.Series(Y), tuple(Y)],
    ids=["list", "uint8", "float", "object", "Series", "tuple"],
)
def test_labels_count_by_value_in_any_container(y):
    assert LDAClassifier().fit(X, y).state_digest() == LDAClassifier().fit(X, Y).state_digest()
    assert LDAClassifier().fit(X, y).classes_.tolist() == [0, 1]
