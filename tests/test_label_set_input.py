"""Labels that are not what a head can learn are refused by row, and leave everything as it was."""

import numpy as np
import pandas as pd
import pytest
from common import HEADS, blobs, head_name, ignore_quantization
from scipy import sparse
from sklearn.base import clone

from analytic_cl import LDAClassifier, NotLearnedError, RLSClassifier, Store
from analytic_cl.heads.label_sets import LabelSetHead
from analytic_cl.heads.label_targets import is_label_sets

pytestmark = ignore_quantization
X, _ = blobs(4, 3)
INDICATOR = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]])
NAN = INDICATOR.astype(float)
NAN[1, 2] = np.nan
BEYOND, OUTSIDE = sparse.csr_array(INDICATOR), sparse.coo_array(INDICATOR)
BEYOND.indices[-1] = 3  # the width is 3
OUTSIDE.coords[0][-1] = 10**6
TWICE = sparse.coo_array((np.ones(4, int), ([0, 1, 1, 3], [0, 2, 2, 1])), shape=(4, 3))

WRONG = {
    "NaN": (NAN, r"0 and 1.*nan.*row 1"),
    "sparse NaN": (sparse.csr_array(NAN), r"0 and 1.*nan.*row 1"),
    "twos": (2 * INDICATOR, r"0 and 1.*such as 2.*rows 0, 1, 3"),
    "minus ones": (2 * INDICATOR - 1, r"0 and 1.*such as -1.*rows 0, 1, 2, 3"),
    "entries that occur twice": (TWICE, r"0 and 1.*such as 2.*row 1"),
    "sums that wrap around": (
        sparse.coo_array((np.array([255, 2], dtype=np.uint8), ([1, 1], [0, 0])), shape=(4, 3)),
        r"0 and 1.*such as 257.*row 1",
    ),
    "a column beyond the width": (BEYOND, "y is no valid sparse matrix of format 'csr'"),
    "a row beyond the height": (OUTSIDE, "y is no valid sparse matrix of format 'coo'"),
    "text in a matrix": (INDICATOR.astype(str), "an indicator matrix has a column a label and holds 0 and 1"),
    "None in a matrix": ([[1, 0, 0], [0, None, 1], [0, 0, 0], [1, 1, 0]], "no number"),
    "no columns": (np.zeros((4, 0)), "a column a label"),
    "ragged numbers": ([[1, 0, 0], [0, 1], [0, 0, 0], [1]], r"rows 1, 3 of y have not the 3 columns"),
    "too few rows": (INDICATOR[:3], "inconsistent numbers of samples"),
    "too few sets": ([{0}, {1}], "inconsistent numbers of samples"),
    "one that is no set": ([{0}, 1, {2}, set()], r"not so row 1"),
    "text that is no set": ([{"a"}, "abc", {"b"}, set()], r"not so row 1"),
    "missing set": ([{0}, None, {2}, set()], r"not so row 1"),
    "missing label": ([{0}, {1, np.nan}, {2}, set()], r"label.*in row 1 of y"),
    "a fraction": ([{0}, {1}, {2.5}, set()], r"label.*2\.5.*in row 2 of y"),
    "a label that is a tuple": ([{0}, {(1, 2)}, {2}, set()], r"label.*in row 1 of y"),
    "mixed kinds": ([{0}, {"a"}, {2}, set()], r"mixed types: 0 \(integer\) in row 0, 'a' \(string\) in row 1"),
    "mixed kinds in one set": ([{0}, {1}, {2, True, "x"}, set()], r"mixed types"),
    "one label a row": ([0, 1, 2, 0], "has learned sets of labels, and y holds one"),
    "another kind of labels": ([{"a"}, {"b"}, set(), set()], "mixed types|no rows of class 'a', 'b' were learned"),
    "a narrower matrix": (INDICATOR[:, :2], "y has 2 columns, and this model has the label 2"),
    "a frame": (pd.DataFrame(INDICATOR), "y has 3 columns"),
}


@pytest.mark.parametrize("case", WRONG, ids=WRONG)
@pytest.mark.parametrize("head", [RLSClassifier(), LDAClassifier()], ids=head_name)
def test_wrong_label_sets_are_refused_and_change_nothing(head, case):
    y, words = WRONG[case]
    learned = clone(head).fit(X, INDICATOR, sample_id=range(4))
    digest, classes = learned.state_digest(), learned.classes_.tolist()

    for call in (
        lambda: learned.partial_fit(X, y),
        lambda: learned.forget(X, y),
        lambda: learned.rectify(X, y, sample_id=range(4)),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    assert (learned.state_digest(), learned.classes_.tolist()) == (digest, classes)
    assert learned.learner_.ledger.n_rows == 4


@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_heads_of_one_label_a_row_refuse_label_sets(head):
    rows, y = blobs(30, 5, 3)
    learned = clone(head).fit(rows, y)
    digest = learned.state_digest()

    for sets in (np.eye(3, dtype=int)[y], [{int(label)} for label in y], sparse.csr_array(np.eye(3)[y])):
        with pytest.raises(ValueError, match=r"one label"):
            learned.partial_fit(rows, sets)
        if not isinstance(head, LabelSetHead):
            with pytest.raises(ValueError, match="LDAClassifier and RLSClassifier learn"):
                clone(head).fit(rows, sets)
    assert learned.state_digest() == digest


def test_labels_of_rows_that_have_them_not_are_refused_by_name():
    head = RLSClassifier().fit(X, [{"a"}, {"a", "b"}, set(), {"b"}], sample_id=["ann", "bob", "cy", "dee"])
    digest = head.state_digest()

    for call, words in (
        (lambda: head.withdraw_label("a", sample_id=["ann", "cy", "dee"]), "rows 'cy', 'dee' have not the label 'a'"),
        (lambda: head.add_label("a", sample_id=["ann", "cy"]), "rows 'ann' have the label 'a' already"),
        (lambda: head.withdraw_label("c"), r"no rows with the label 'c' were learned; labels are \['a', 'b'\]"),
        (lambda: head.withdraw_label("a", sample_id=["eve"]), "never learned"),
    ):
        with pytest.raises(NotLearnedError, match=words):
            call()
    with pytest.raises(ValueError, match="mixed types"):
        head.add_label(3, sample_id=["cy"])
    with pytest.raises(ValueError, match="no rows of class 'c'"):
        head.forget_class("c")
    assert head.state_digest() == digest
    hashed = RLSClassifier(track="digest").fit(X, [{"a"}, {"a"}, set(), set()], sample_id=range(4))
    for call in (lambda: hashed.withdraw_label("a"), lambda: hashed.withdraw_label("a", sample_id=[0])):
        with pytest.raises(ValueError, match="the ledger"):
            call()
    with pytest.raises(ValueError, match="learned one label a row"):
        RLSClassifier().fit(X, [0, 1, 0, 1]).withdraw_label(1)


def test_states_of_both_kinds_are_not_merged():
    of_sets, plain = RLSClassifier().fit(X, INDICATOR), RLSClassifier().fit(X, [0, 1, 0, 1])
    digest = of_sets.state_digest()

    for one, other in ((of_sets, plain), (plain, of_sets)):
        with pytest.raises(ValueError, match="can't be merged"):
            one.merge(other)
    assert of_sets.state_digest() == digest


def test_a_store_refuses_label_sets_and_stays_as_it_was(tmp_path):
    with Store.create(tmp_path / "store", RLSClassifier()) as store:
        store.learn(X, [0, 1, 0, 1], sample_id=range(4))
        digest = store.state_digest()

        for sets in (INDICATOR, [{0}, {1}, set(), {0, 1}]):
            with pytest.raises(ValueError, match="one label a row"):
                store.learn(X, sets, sample_id=range(4, 8))
        assert store.state_digest() == digest
    with Store.create(tmp_path / "other", RLSClassifier()) as store:
        with pytest.raises(ValueError, match="a store takes one label a row"):
            store.learn(X, INDICATOR, sample_id=range(4))
        assert store.n_rows == 0


def test_a_column_of_labels_is_still_one_label_a_row():
    for y in ([0, 1], ["a", "b"], np.array([[0], [1]]), [[0], [1]], pd.Series([0, 1]), np.array(["a", "b"], object)):
        assert not is_label_sets(y)
    for y in ([{0}], [set()], [["a"], []], [["a"], ["b"]], pd.Series([{0}, {1}]), np.eye(2), sparse.eye_array(2)):
        assert is_label_sets(y)
