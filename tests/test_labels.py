"""Labels count by value and come back as they were."""

import enum

import numpy as np
import pandas as pd
import pytest
from common import blobs

from analytic_cl import LDAClassifier, NearestMeanClassifier

X, Y = blobs(24, 4, 3)


class Color(str, enum.Enum):  # noqa: UP042  (the older way, too)
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2
    THREE = 3


LABELS = {
    "beyond int64": [5, 2**63 + 10, 2**63 + 11],
    "on both sides of int64": [-1, 2**63 + 1, 2**63 + 2],
    "very large": [10**30, -(10**30), 0],
    "trailing NUL": ["a", "a\0", "b"],
    "empty": ["", "x", "y"],
    "unicode": ["zürich", "日本", "🙂"],
    "surrogate": ["\ud800", "a", "b"],
    "words": ["2", "10", "1"],
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_come_back(tmp_path, labels):
    y = [labels[i] for i in Y]
    head = NearestMeanClassifier("euclidean", track="rows").fit(X, y)

    assert head.classes_.tolist() == sorted(labels)
    assert set(head.predict(X).tolist()) == set(labels)
    assert np.mean([got == label for got, label in zip(head.predict(X).tolist(), y, strict=True)]) > 0.9
    head.save(tmp_path / "head")
    loaded = NearestMeanClassifier.load(tmp_path / "head")
    assert loaded.classes_.tolist() == sorted(labels)
    loaded.forget(X[:5], y[:5])
    assert loaded.forget_class(loaded.classes_[1]).classes_emptied == [sorted(labels)[1]]


@pytest.mark.parametrize(("kind", "plain"), [(Color, ["red", "blue", "green"]), (Number, [1, 2, 3])])
def test_members_of_an_enumeration_are_their_values(tmp_path, kind, plain):
    members = list(kind)
    head = LDAClassifier().fit(X, [members[i] for i in Y])

    assert head.state_digest() == LDAClassifier().fit(X, [plain[i] for i in Y]).state_digest()
    assert head.classes_.tolist() == sorted(plain)
    head.save(tmp_path / "head")
    assert LDAClassifier.load(tmp_path / "head").state_digest() == head.state_digest()


@pytest.mark.parametrize(
    ("series", "plain"),
    [
        (pd.Series(Y == 1, dtype="boolean"), Y == 1),
        (pd.Series(Y + 2**53, dtype="Int64"), Y + 2**53),
        (pd.Series(np.array(list("abc"))[Y], dtype="category"), np.array(list("abc"))[Y]),
        (pd.Series(np.array(list("abc"))[Y], dtype="string"), np.array(list("abc"))[Y]),
        (pd.Series(Y).astype("category"), Y),
    ],
    ids=["boolean", "Int64", "category of str", "string", "category of int"],
)
def test_pandas_columns_of_their_own_kinds_keep_their_values(series, plain):
    head = LDAClassifier().fit(X, series)

    assert head.state_digest() == LDAClassifier().fit(X, plain).state_digest()
    head.forget(X[:4], series[:4])
    assert head.state_digest() == LDAClassifier().fit(X[4:], plain[4:]).state_digest()


BAD = {
    "missing": (pd.Series([pd.NA, *Y[1:]], dtype="Int64"), "no label .* row 0"),
    "dates": (np.array(Y, dtype="M8[D]"), "dates or durations"),
    "durations": (np.array(Y, dtype="m8[ns]"), "dates or durations"),
    "bytes": (np.array([b"a", b"b"])[Y % 2], "bytes|Unknown label type"),
    "a number of 5,000 digits": ([10**5000, *Y[1:].tolist()], "Unknown label type"),
    "complex": (Y + 1j, "Unknown label type|Complex"),
    "tuples": ([(1, 2)] * 24, "1d array|1-D|Unknown label"),
}


@pytest.mark.parametrize(("y", "words"), BAD.values(), ids=BAD)
def test_what_is_no_label_is_refused(y, words):
    with pytest.raises((ValueError, TypeError), match=words):
        LDAClassifier().fit(X, y)


def test_dates_are_no_features():
    for dtype in ("M8[D]", "m8[s]"):
        with pytest.raises(ValueError, match="X holds dates"):
            LDAClassifier().fit(np.full((24, 3), "NaT", dtype=dtype), Y)
    with pytest.raises(ValueError, match="X holds dates"):
        LDAClassifier().fit(pd.DataFrame({"a": pd.date_range("2026-01-01", periods=24), "b": 1.0}), Y)


IDS = {
    "bytes": (b"\x07", "got bytes"),
    "a float": (3.0, "got float"),
    "a date": (np.array(["2026-01-01"], dtype="M8[ns]"), "one integer or string"),
    "a bool": ([True], "one integer or string"),
    "None": ([None], "one integer or string"),
}


@pytest.mark.parametrize(("ids", "words"), IDS.values(), ids=IDS)
def test_what_is_no_id_is_refused(ids, words):
    head = LDAClassifier().fit(X, Y, sample_id=range(24))
    before = head.state_digest()

    with pytest.raises(ValueError, match=words):
        head.forget(sample_id=ids)
    assert head.state_digest() == before


@pytest.mark.parametrize(
    "ids", [7, np.int32(7), np.array(7), [7], range(7, 8), {7}, pd.Series([7])], ids=lambda v: type(v).__name__
)
def test_one_id_in_any_container(ids):
    assert LDAClassifier().fit(X, Y, sample_id=range(24)).forget(sample_id=ids).removed == 1


def test_rows_and_ids_from_an_iterator_go_together():
    head = LDAClassifier().fit(X, Y, sample_id=range(24))

    assert head.forget(X[:2], Y[:2], sample_id=iter([0, 1])).removed == 2
