"""The quantisation ablation measures the quantizer, and its float64 twins are the heads without it."""

import json
from functools import partial

import numpy as np
import pytest
from common import blobs, ignore_quantization
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid

from analytic_cl import FixedPoint
from analytic_cl.comparison.features import as_features
from analytic_cl.heads import LDAClassifier, NearestMeanClassifier, NearestNeighborsClassifier, RLSClassifier
from analytic_cl.studies import float_twins
from analytic_cl.studies.quantisation import ablate


def unit_blobs(n=240, d=12, n_classes=4, spread=2.5):
    X, y = blobs(n, d, n_classes, seed=1)
    X = X + spread * np.random.RandomState(2).normal(size=X.shape)
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("nearest mean", NearestMeanClassifier),
        ("LDA", LDAClassifier),
        ("ridge", partial(RLSClassifier, "oas")),
        ("neighbours", NearestNeighborsClassifier),
    ],
)
@ignore_quantization
def test_twins_predict_what_heads_do_behind_a_quantizer_of_32_bits(name, head):
    X, y = unit_blobs()
    predicted = float_twins.TWINS[name](X[:120], y[:120], X[120:])
    theirs = head(quantizer=FixedPoint(32, "l2")).fit(X[:120], y[:120]).predict(X[120:])
    np.testing.assert_array_equal(predicted, theirs)
    assert 0.4 < (predicted == y[120:]).mean() < 1


def test_twins_agree_with_scikit_learn_where_the_regularisation_is_off():
    X, y = unit_blobs(4000)
    half = 3000
    lda = LinearDiscriminantAnalysis(solver="lsqr").fit(X[:half], y[:half]).predict(X[half:])
    assert (float_twins.lda(X[:half], y[:half], X[half:]) == lda).mean() > 0.98  # OAS nearly vanishes with many rows
    centroid = NearestCentroid().fit(X[:half], y[:half]).predict(X[half:])
    assert (float_twins.nearest_mean(X[:half], y[:half], X[half:]) == centroid).mean() > 0.9  # euclidean there


def test_a_constant_column_does_no_harm_to_a_twin():
    X, y = unit_blobs()
    wide = np.hstack([X, np.zeros((len(X), 1))])
    for twin in float_twins.TWINS.values():
        np.testing.assert_array_equal(twin(wide[:120], y[:120], wide[120:]), twin(X[:120], y[:120], X[120:]))


@pytest.fixture(scope="module")
def table():
    X, y = unit_blobs()
    return ablate(as_features((X[:120], y[:120], X[120:], y[120:]), "blobs"), bits=(4, 8, 16, 32), octaves=(-6, 0, 4))


def points(table, bits, octave):
    default = FixedPoint(8, "l2").default_scale(12)
    return {row[1]: row[6] for row in table.rows if row[2] == bits and row[3] == default * 2.0**octave}


def test_many_bits_cost_nothing_and_too_coarse_a_scale_costs_much(table):
    assert max(map(abs, points(table, 32, 4).values())) == 0
    assert max(map(abs, points(table, 8, 0).values())) <= 2.5
    assert points(table, 8, -6)["LDA"] < -2


def test_bits_that_clip_nothing_make_no_difference(table):
    assert points(table, 16, 0) == points(table, 32, 0)
    assert points(table, 4, -6) == points(table, 8, -6)


def test_clipped_is_the_share_of_values_beyond_the_range(table):
    X, _ = unit_blobs()
    scale = FixedPoint(8, "l2").default_scale(12)
    (row,) = [row for row in table.rows if row[1:4] == ["LDA", 4, scale]]
    assert row[7] == (np.abs(np.rint(X[:120] * scale)) > 7).mean() > 0.5


def test_bits_that_no_quantizer_has_are_refused():
    X, y = unit_blobs()
    with pytest.raises(ValueError, match="from 2 to 8, 16 or 32"):
        ablate(as_features((X, y, X, y)), bits=(12,))


def test_the_command_writes_a_table_and_one_picture(tmp_path):
    from click.testing import CliRunner

    from analytic_cl.cli.main import main

    pytest.importorskip("matplotlib")
    X, y = unit_blobs(120)
    np.savez(tmp_path / "F.npz", X_train=X[:60], y_train=y[:60], X_test=X[60:], y_test=y[60:])
    asked = ["ablate", "--features", str(tmp_path / "F.npz"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, asked, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    stored = json.loads((tmp_path / "out" / "quantisation.json").read_text())
    assert len(stored["rows"]) == 5 * 10 * 4
    assert (tmp_path / "out" / stored["figure"]).read_bytes().startswith(b"\x89PNG")


def test_the_command_says_what_is_missing_from_a_file(tmp_path):
    from click.testing import CliRunner

    from analytic_cl.cli.main import main

    np.savez(tmp_path / "F.npz", X_train=np.eye(3), y_train=np.arange(3))
    result = CliRunner().invoke(main, ["ablate", "--features", str(tmp_path / "F.npz"), "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "X_test" in result.output
