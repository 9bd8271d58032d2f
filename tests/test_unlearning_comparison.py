"""Exact forgetting is told from approximate, and the approximations are what they say."""

import csv
import json
from itertools import combinations

import numpy as np
import pytest
from common import blobs
from scipy.optimize import check_grad

from analytic_cl.comparison.features import as_features
from analytic_cl.heads import NearestMeanClassifier
from analytic_cl.studies import pictures
from analytic_cl.studies.approximate import (
    SoftmaxProblem,
    fine_tune,
    first_order_influence,
    fit_probe,
    mask_class,
    newton_step,
    with_constant,
)
from analytic_cl.studies.drift import Downdate, drift
from analytic_cl.studies.subsets import drawn
from analytic_cl.studies.unlearning import COLUMNS, HEADS, compare_forgetting


def overlapping(n=300, d=8, n_classes=4, seed=0):
    random = np.random.RandomState(seed)
    y = np.arange(n) % n_classes
    return 1.5 * random.normal(size=(n, d)) + random.normal(size=(n_classes, d))[y], y


def features(n=300, seed=0):
    X, y = overlapping(n, seed=seed)
    return as_features((X[: n // 2], y[: n // 2], X[n // 2 :], y[n // 2 :]), "overlapping")


@pytest.fixture(scope="module")
def problem():
    X, y = overlapping()
    return SoftmaxProblem(with_constant(X), y, 4, 0.5)


@pytest.fixture(scope="module")
def table():
    return compare_forgetting(features(), n_forget=12, n_shadows=6)


def rows_of(table, **wanted):
    at = {name: table.columns.index(name) for name in wanted}
    return [
        dict(zip(table.columns, row, strict=True))
        for row in table.rows
        if all(row[at[name]] == value for name, value in wanted.items())
    ]


# ---- the probe and the ways to unlearn


def test_gradient_of_the_probe_is_the_gradient_of_its_loss(problem):
    shape = (problem.x.shape[1], problem.n_classes)

    def loss(v):
        return problem.loss_and_gradient(v.reshape(shape))[0]

    def gradient(v):
        return problem.loss_and_gradient(v.reshape(shape))[1].ravel()

    w = np.random.RandomState(0).normal(size=shape).ravel()
    assert check_grad(loss, gradient, w) < 1e-4 * np.linalg.norm(gradient(w))


def test_inverse_hessian_solves_with_differences_of_the_gradient(problem):
    random = np.random.RandomState(1)
    w, v = random.normal(size=(2, problem.x.shape[1], problem.n_classes))
    u = problem.inverse_hessian_times(w, v, tolerance=1e-10)
    step = 1e-5
    change = problem.loss_and_gradient(w + step * u)[1] - problem.loss_and_gradient(w - step * u)[1]
    np.testing.assert_allclose(change / (2 * step), v, atol=1e-5)


def test_training_ends_at_the_minimum_from_any_start(problem):
    w = fit_probe(problem)
    assert np.linalg.norm(problem.loss_and_gradient(w)[1]) < 1e-5
    start = np.random.RandomState(2).normal(size=w.shape)
    np.testing.assert_allclose(fit_probe(problem, start), w, atol=1e-6)


def test_a_newton_step_beats_influence_which_beats_doing_nothing(problem):
    w = fit_probe(problem)
    gone = problem.places == 1  # a class: far enough from the optimum that the Hessians differ
    gone &= np.arange(len(gone)) < 200
    oracle = fit_probe(problem.part(~gone))
    away = [
        np.linalg.norm(got - oracle)
        for got in (newton_step(w, problem, gone), first_order_influence(w, problem, gone), w)
    ]
    assert away[0] < 0.7 * away[1] < 0.7 * 0.9 * away[2]


def test_for_one_row_influence_takes_nearly_all_of_it_out(problem):
    w, gone = fit_probe(problem), np.arange(len(problem.places)) == 7
    oracle = fit_probe(problem.part(~gone))
    left = np.linalg.norm(first_order_influence(w, problem, gone) - oracle) / np.linalg.norm(w - oracle)
    assert left < 0.2


def test_fine_tuning_sees_no_forgotten_row(problem):
    w, gone = fit_probe(problem), np.arange(len(problem.places)) < 30
    spoilt = problem.x.copy()
    spoilt[gone] = np.nan
    other = SoftmaxProblem(spoilt, problem.places, problem.n_classes, problem.penalty)
    np.testing.assert_array_equal(fine_tune(w, other, gone), fine_tune(w, problem, gone))


def test_masking_changes_one_column_only():
    scores = np.arange(6.0).reshape(2, 3)
    masked = mask_class(scores, 2)
    assert masked.argmax(axis=1).tolist() == [1, 1]
    np.testing.assert_array_equal(masked[:, :2], scores[:, :2])


# ---- the comparison


def test_heads_are_identical_to_retraining_and_approximations_are_not(table):
    for name in HEADS:
        for row in rows_of(table, model=name):
            assert row["outcome"] == "identical to retraining"
            assert row["scores"] == row["disagreement"] == row["entropy MIA"] == 0
            assert row["weights"] in (0, None) and row["LiRA"] in (0, None)
    for method in ("nothing", "influence", "Newton step", "fine-tuning"):
        for row in rows_of(table, method=method):
            assert row["weights"] > 1e-6


def test_a_head_that_forgets_too_little_is_not_called_identical(monkeypatch):
    class Lazy(NearestMeanClassifier):
        def forget(self, X=None, y=None, *, sample_id=None):
            of_rows = sample_id is not None and len(sample_id) == 12
            return super().forget(X, y, sample_id=sample_id[1:] if of_rows else sample_id)

    from analytic_cl.studies import unlearning

    monkeypatch.setattr(unlearning, "HEADS", {"lazy": Lazy()})
    lazy = rows_of(compare_forgetting(features(), n_forget=12, n_shadows=4), model="lazy")
    assert [row["outcome"] for row in lazy] == ["differs", "identical to retraining"]
    assert lazy[0]["scores"] > 0 == lazy[1]["scores"]


def test_masking_is_for_classes_and_leaves_weights_as_they_were(table):
    (masked,) = rows_of(table, method="class masking")
    (nothing,) = rows_of(table, method="nothing", request=masked["request"])
    assert masked["weights"] == nothing["weights"] > 0
    assert masked["scores"] == nothing["scores"] > 0  # of the other classes
    assert masked["forget"] == 0
    assert masked["request"].startswith("class ")


def test_the_oracle_is_at_distance_zero_from_itself(table):
    for row in rows_of(table, method="retraining"):
        assert row["weights"] == row["scores"] == row["disagreement"] == row["entropy MIA"] == 0


def test_there_is_no_likelihood_ratio_for_a_class(table):
    assert {row["LiRA AUC"] is None for row in rows_of(table, model="LDA")} == {True, False}


def test_what_can_not_be_compared_is_refused():
    with pytest.raises(ValueError, match="n_forget must be from 1"):
        compare_forgetting(features(), n_forget=150)
    with pytest.raises(ValueError, match="n_shadows must be at least 2"):
        compare_forgetting(features(), n_forget=5, n_shadows=1)
    X, y = overlapping(n_classes=2)
    with pytest.raises(ValueError, match="needs three classes"):
        compare_forgetting(as_features((X, y, X, y)), n_forget=5)


def test_drawn_rows_are_some_of_the_rows_and_the_same_for_one_seed():
    data = features()
    some = drawn(data, 50, 20, seed=3)
    assert some.X_train.shape == (50, 8) and some.y_test.shape == (20,)
    assert {row.tobytes() for row in some.X_train} <= {row.tobytes() for row in data.X_train}
    np.testing.assert_array_equal(drawn(data, 50, 20, seed=3).X_test, some.X_test)
    with pytest.raises(ValueError, match="take more"):
        drawn(data, 1, 20)


# ---- drift


def test_single_requests_leave_integers_exact_and_floats_drift():
    table = drift(features(), n_requests=60, alpha=1e-3)
    last = {row["method"]: row for row in rows_of(table, requests=60)}
    assert last["integers, solved"]["outcome"] == "identical to retraining"
    assert last["integers, followed"]["outcome"] in ("identical state", "identical to retraining")
    assert last["integers, solved"]["weights"] == 0 <= last["integers, followed"]["weights"] < 1e-10
    assert 0 < last["float64 downdate"]["weights"] < 1e-9
    assert last["float32 downdate"]["weights"] > 1e-8
    assert [row[0] for row in table.rows[::4]] == [1, 10, 60]


def test_the_downdate_is_ridge_without_the_row():
    X, y = blobs(40)
    targets = np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    recursion = Downdate(X, targets, 0.5, np.float64)
    recursion.forget(X[3], targets[3])
    rest = np.delete(X, 3, axis=0)
    wanted = np.linalg.solve(rest.T @ rest + 0.5 * np.eye(5), rest.T @ np.delete(targets, 3, axis=0))
    np.testing.assert_allclose(recursion.w, wanted, rtol=1e-9)


def test_drift_leaves_a_row_of_every_class():
    data = features()
    drift(data, n_requests=146)
    with pytest.raises(ValueError, match="from 1 to 146"):
        drift(data, n_requests=147)


# ---- what is written


def test_tables_are_plain_json_and_csv_and_name_their_picture(table, tmp_path):
    pytest.importorskip("matplotlib")
    assert pictures.save(table, tmp_path, "unlearning", pictures.draw_unlearning, (12, 5))
    stored = json.loads((tmp_path / "unlearning.json").read_text())
    assert set(stored) == {"title", "note", "columns", "rows", "figure"}
    assert stored["columns"] == COLUMNS
    assert len(stored["rows"]) == len(table.rows)
    assert (tmp_path / stored["figure"]).read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "unlearning.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == len(table.rows) + 1


def test_names_in_the_picture_cover_neither_each_other_nor_points(table):
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(12, 5), layout="constrained")
    pictures.draw_unlearning(table, figure)
    figure.draw_without_rendering()

    for axes in figure.axes:
        boxes = [name.get_window_extent() for name in axes.texts]
        assert len(boxes) > 5
        assert not [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]
        points = axes.transData.transform([name.xy for name in axes.texts])
        assert not [(box, point) for box in boxes for point in points if box.contains(*point)]


def test_without_matplotlib_the_table_names_no_picture(table, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert not pictures.save(table, tmp_path, "unlearning", pictures.draw_unlearning, (12, 5))
    assert json.loads((tmp_path / "unlearning.json").read_text())["figure"] is None
    assert "pip install 'analytic-cl[plots]'" in pictures.MISSING


def test_the_command_writes_tables_and_says_identical(tmp_path):
    from click.testing import CliRunner

    from analytic_cl.cli.main import main

    data = features()
    np.savez(tmp_path / "F.npz", X_train=data.X_train, y_train=data.y_train, X_test=data.X_test, y_test=data.y_test)
    sizes = ["--forget", "12", "--shadows", "4", "--single-requests", "10"]
    asked = ["compare-forgetting", "--features", str(tmp_path / "F.npz"), "--out", str(tmp_path / "out"), *sizes]
    result = CliRunner().invoke(main, asked, catch_exceptions=False, env={"COLUMNS": "250"})
    assert result.exit_code == 0, result.output
    assert "identical to retraining" in result.output
    assert {"unlearning.json", "unlearning.csv", "drift.json", "drift.csv"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
