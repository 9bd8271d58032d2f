"""Displays in the manner of scikit-learn, and what notebooks show of heads and receipts."""

import matplotlib as mpl
import numpy as np
import pytest
import sklearn
from common import HEADS, blobs, head_name, ignore_quantization
from sklearn.base import clone

from analytic_cl import LDAClassifier, NearestMeanClassifier, RLSClassifier, Store
from analytic_cl.displays import AccuracyMatrixDisplay, ConfusableClassesDisplay, DriftDisplay

mpl.use("Agg")

X, Y = blobs(80, 6, 4)


@pytest.fixture
def ax():
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_an_accuracy_matrix_is_that_of_learning_session_by_session(ax):
    sessions = [(X[Y < 2], Y[Y < 2]), (X[Y > 1], Y[Y > 1])]
    display = AccuracyMatrixDisplay.from_estimator(NearestMeanClassifier(), sessions, ax=ax)
    head = NearestMeanClassifier().fit(*sessions[0])
    first = head.score(*sessions[0])
    head.partial_fit(*sessions[1])
    wanted = [[first, np.nan], [head.score(*sessions[0]), head.score(*sessions[1])]]
    np.testing.assert_array_equal(display.matrix, wanted)
    assert (display.ax_, display.figure_) == (ax, ax.figure)
    assert [text.get_text() for text in ax.texts] == [f"{v:.2f}" for v in np.ravel(wanted) if np.isfinite(v)]
    assert "at the end" in ax.get_title()
    again = AccuracyMatrixDisplay.from_predictions([[1, 1], [2, 2]], [[[1, 2]], [[1, 1], [2, 1]]], plot=False)
    np.testing.assert_array_equal(again.matrix, [[0.5, np.nan], [1, 0.5]])
    with pytest.raises(ValueError, match="shape"):
        AccuracyMatrixDisplay([1.0, 2.0])


def test_confusable_classes_are_those_of_the_head_or_those_counted(ax):
    head = LDAClassifier().fit(X, Y)
    display = ConfusableClassesDisplay.from_estimator(head, 3, ax=ax)
    assert display.pairs == head.confusable_pairs(3)
    assert [bar.get_width() for bar in display.bars_] == [pair.error for pair in display.pairs]
    counted = ConfusableClassesDisplay.from_predictions([0, 0, 1, 2], [1, 0, 0, 2], plot=False)
    assert [tuple(pair) for pair in counted.pairs] == [(0, 1, 2 / 3)]
    with pytest.raises(TypeError, match="from_predictions"):
        ConfusableClassesDisplay.from_estimator(RLSClassifier().fit(X, Y))


def test_drift_is_that_of_the_study_and_zero_for_integers(ax):
    display = DriftDisplay.from_estimator(RLSClassifier(0.1), X, Y, n_requests=10, ax=ax)
    assert display.requests.tolist() == [1, 10]
    assert not display.distances["integers, solved"].any()
    assert display.distances["float32 downdate"].all()
    assert "integers, solved (0)" in [text.get_text() for text in ax.get_legend().get_texts()]
    with pytest.raises(TypeError, match="number as alpha"):
        DriftDisplay.from_estimator(RLSClassifier(), X, Y)


# ---- notebooks


@ignore_quantization
@pytest.mark.parametrize("head", HEADS[::4], ids=head_name)
def test_a_notebook_shows_what_was_learned_and_no_digest_and_no_rows(head):
    assert ">Learned<" not in clone(head)._repr_html_()
    fitted = clone(head).fit(X, np.array(["<b>", "é", "c", "d"])[Y])
    html = fitted._repr_html_()
    assert "<td" in html and "80" in html and "&lt;b&gt;" in html and "<b>, " not in html
    assert fitted.quantizer_.describe() in html
    assert fitted.state_digest()[:8] not in html
    assert fitted._repr_mimebundle_()["text/html"].count(">Learned<") == html.count(">Learned<") == 1
    assert "learner_" not in html and "solver_" not in html  # scikit-learn would show all that ends so
    with sklearn.config_context(display="text"):
        assert not hasattr(fitted, "_repr_html_")
        assert list(fitted._repr_mimebundle_()) == ["text/plain"]


def test_receipts_are_tables_without_digests(tmp_path):
    head = LDAClassifier().fit(X, Y, sample_id=range(80))
    receipt = head.forget(sample_id=[3, 4], digests=True)
    assert ">2</td>" in receipt._repr_html_()
    assert receipt.digest_after[:8] not in receipt._repr_html_()
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, Y, sample_id=range(80))
        html = store.forget(sample_id=[5], request_id="<i>1")._repr_html_()
    assert "&lt;i&gt;1" in html and "signed by key" in html
