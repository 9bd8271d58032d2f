"""Adapted heads in comparisons: the numbers are those of the wrappers by hand, runs resume, the report shows them."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from common import blobs, ignore_quantization, needs

from analytic_cl import LDAClassifier, NearestNeighborsClassifier
from analytic_cl.adaptation import LAME, GrowingMemory, LabelShift
from analytic_cl.cli.main import main
from analytic_cl.comparison import adapted_streams, adapted_summary, compare_adapted
from analytic_cl.comparison.adapted_streams import run_adapted
from analytic_cl.comparison.batches import parse_batches
from analytic_cl.comparison.engine import run
from analytic_cl.comparison.features import as_features
from analytic_cl.scenarios import label_shift

pytestmark = ignore_quantization


def data():
    X, y = blobs(420, 8, 4)
    X += 3 * np.random.RandomState(1).normal(size=X.shape)
    return {"X_train": X[:160], "y_train": y[:160], "X_test": X[160:], "y_test": y[160:]}


GIVEN = as_features(data(), "points")


def adapted(heads, adapt, stream="label-shift:0.5", out=None, seeds=1, scenario="class-incremental:2", tune=None):
    runs = run(GIVEN, scenario, heads, "none", seeds, out, tune=tune)
    return run_adapted(GIVEN, runs, adapt, stream, out)


def test_the_numbers_are_those_of_calling_the_wrappers_by_hand(tmp_path):
    found, notes = adapted("lda,neighbors", "label-shift,lame,growing-memory", out=tmp_path)
    parts = [batch.rows for batch in label_shift(GIVEN.y_test, concentration=0.5, seed=0)]

    assert notes == [] and [one["method"] for one in found] == ["lda", "neighbors"]
    for one, head in zip(found, (LDAClassifier(track="rows"), NearestNeighborsClassifier(track="rows")), strict=True):
        head.fit(GIVEN.X_train, GIVEN.y_train)
        models = {"label-shift": LabelShift(head), "lame": LAME(head), "growing-memory": GrowingMemory(head)}
        for answered, model in [(one["base"], head)] + [(one["adapted"][name], models[name]) for name in models]:
            batches = [model.score(GIVEN.X_test[rows], GIVEN.y_test[rows]) for rows in parts]
            assert answered["batches"] == batches
            assert answered["accuracy"] == pytest.approx(np.mean(batches))
            assert answered["seconds"] > 0
        assert json.loads((tmp_path / f"adapted/label-shift-0.5/{one['method']}-0.json").read_text()) == one
    with (tmp_path / "adapted/label-shift-0.5/adapted.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4 * 10 and {row["rows"] for row in rows} == {"200"}
    assert [float(row["accuracy"]) for row in rows[:10]] == found[0]["base"]["batches"]
    assert found[0]["adapted"]["lame"]["batches"] != found[0]["base"]["batches"]


def test_only_rows_that_are_held_in_the_end_are_learned_and_only_their_classes_asked_about():
    (one,), _ = adapted("lda", "label-shift", "unshifted", scenario="continual-forgetting:2,what=classes,amount=1")

    assert one["rows"] == [130]  # two of four classes were forgotten
    assert one["base"]["accuracy"] > 0.6


def test_tuned_heads_are_adapted_as_they_were_tuned_on_the_half_that_evaluates():
    (one,), _ = adapted("neighbors", "label-shift", "unshifted", tune="holdout", scenario="class-incremental:1")
    (plain,) = run(GIVEN, "class-incremental:1", "neighbors", "none", 1, tune="holdout")

    assert one["tuned"] == plain["tuned"] and one["features"] == plain["features"]
    assert one["base"]["accuracy"] == plain["summary"]["last"]


def test_finished_files_are_not_run_again_and_streams_are_kept_apart(tmp_path, monkeypatch):
    first, _ = adapted("lda", "label-shift", out=tmp_path)
    path = tmp_path / "adapted/label-shift-0.5/lda-0.json"
    before = path.read_bytes()

    monkeypatch.setattr(adapted_streams, "_fitted", None)
    assert adapted("lda", "label-shift", out=tmp_path)[0] == first and path.read_bytes() == before
    monkeypatch.undo()
    both, _ = adapted("lda", "lame", out=tmp_path)
    assert [*both[0]["adapted"]] == ["lame"]
    assert [*json.loads(path.read_text())["adapted"]] == ["label-shift", "lame"]
    adapted("lda", "lame", "unshifted", out=tmp_path)
    assert sorted(place.name for place in (tmp_path / "adapted").iterdir()) == ["label-shift-0.5", "unshifted"]

    path.write_text(json.dumps(first[0] | {"scenario": "online:7"}))
    with pytest.raises(ValueError, match=r"lda-0\.json is a run of another comparison: its scenario is online:7"):
        adapted("lda", "label-shift", out=tmp_path)


def test_heads_without_probabilities_are_left_out_and_refusals_have_reasons():
    found, notes = adapted("nearest-mean,ridge,neighbors", "t3a,moment-alignment")
    lines = adapted_summary(found)

    assert notes == ["Without probabilities, and so not adapted: nearest mean, ridge."]
    assert [one["method"] for one in found] == ["neighbors"]
    assert "LDAClassifier, got NearestNeighborsClassifier" in lines[0]["refused"]
    assert "no Gram matrix" in lines[1]["refused"] and lines[1]["accuracy"] is None


@pytest.mark.parametrize(
    ("adapt", "stream", "message"),
    [
        ("lame,tent", "unshifted", "unknown adaptation 'tent': choose from label-shift, lame, t3a"),
        ("lame", "shifted:1", "unknown test stream 'shifted': choose one of label-shift, gradual-shift, correlated"),
        ("lame", "unshifted:1", "unshifted has no number"),
        ("lame", "correlated:0", "the concentration must be a positive number, such as correlated:0.1"),
        ("lame", "label-shift:little", "the concentration must be a positive number"),
    ],
)
def test_unknown_names_and_numbers_are_refused_before_anything_runs(adapt, stream, message):
    with pytest.raises(ValueError, match=message):
        compare_adapted("no such file", heads="lda", adapt=adapt, test_stream=stream)


@pytest.mark.parametrize("text", ["gradual-shift:2", "correlated", "unshifted"])
def test_batches_hold_rows_that_are_there(text):
    stream = parse_batches(text)
    rows = np.concatenate(stream.batches(GIVEN.y_test, 1))

    assert parse_batches(str(stream)) == stream
    if text != "gradual-shift:2":
        assert np.sort(rows).tolist() == list(range(260))
    assert [part.tolist() for part in stream.batches(GIVEN.y_test, 1)] != [
        part.tolist() for part in stream.batches(GIVEN.y_test, 2)
    ]


def test_the_command_prints_a_table_of_differences_and_the_report_shows_them(tmp_path):
    needs("matplotlib", "ANALYTIC_CL_REQUIRE_BROWSER")
    np.savez(tmp_path / "points.npz", **data())
    out = tmp_path / "out"
    words = ["compare", "--features", str(tmp_path / "points.npz"), "--scenario", "class-incremental:2", "--seeds", "2"]
    words += ["--peers", "none", "--heads", "lda,ridge,neighbors", "--adapt", "label-shift,t3a"]
    result = CliRunner().invoke(main, [*words, "--out", str(out)])

    assert result.exit_code == 0, result.output
    assert "Adapted to label-shift:0.1: 2,000 test rows in 10 batches" in result.output
    assert "Without probabilities, and so not adapted: ridge." in result.output
    assert "No T3A of nearest neighbours: T3A turns the class means" in result.output
    page = (out / "report.html").read_text()
    assert "<h2>Adapted to label-shift:0.1</h2>" in page and '<figure id="adapted-label-shift-0.1">' in page
    assert "--adapt label-shift,t3a --test-stream label-shift:0.1" in page
    assert (out / "adapted-label-shift-0.1.png").read_bytes().startswith(b"\x89PNG")
    again = CliRunner().invoke(main, [*words, "--json"])
    line = json.loads(again.stdout)["adapted"][0]
    assert line["difference"] == pytest.approx(line["accuracy"] - line["base"])
    assert f"{100 * line['difference']:+.1f} \xb1{100 * line['difference_interval']:.1f}" in result.output
