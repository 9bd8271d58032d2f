"""The command ``analytic-cl compare``: tables, files, exit codes, and what stays when it is stopped."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from common import blobs, ignore_quantization

from analytic_cl.cli.compare_command import compare
from analytic_cl.cli.main import main
from analytic_cl.report.command import command_of

pytestmark = ignore_quantization


@pytest.fixture
def features(tmp_path):
    X, y = blobs(260, 8, 4)
    X += np.random.RandomState(1).normal(size=X.shape)
    path = tmp_path / "points.npz"
    np.savez(path, X_train=X[:200], y_train=y[:200], X_test=X[200:], y_test=y[200:])
    return path


def invoke(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_it_prints_a_table_and_leaves_a_report(features, tmp_path):
    out = tmp_path / "out"
    arguments = ("--features", features, "--scenario", "class-incremental:2", "--heads", "lda,ridge", "--out", out)
    result = invoke(*arguments, "--seeds", 2, "--peers", "ridge-joint")

    assert result.exit_code == 0, result.output
    assert "points: 200 rows of 4 classes, class-incremental:2, 2 seeds" in result.output
    assert all(label in result.output for label in ("LDA", "ridge", "RidgeClassifier"))
    assert len(list(out.glob("runs/*.json"))) == 6
    assert (out / "report.html").exists() and (out / "results.csv").exists()
    command = command_of(json.loads((out / "settings.json").read_text()))
    assert command.startswith(f"analytic-cl compare --features {features} --scenario class-incremental:2 --heads")

    again = CliRunner().invoke(main, [*command.split()[1:], "--out", str(out)])  # what the report says is run again
    assert again.exit_code == 0 and again.output == result.output


@pytest.mark.parametrize(
    "arguments",
    [
        {"features": "my texts.csv", "extractor": "a model", "header": True, "tune": "holdout", "heads": "none"},
        {"features": "X.csv:1", "extractor": "", "header": False, "tune": "other.npz", "heads": "lda,ridge"},
    ],
)
def test_the_command_of_a_report_is_read_back_as_what_was_asked(arguments):
    tune = arguments["tune"]
    settings = {
        "features": {"name": "X"},
        "origin": {
            "features": {
                "name" if key == "features" else key: arguments[key] for key in ("features", "extractor", "header")
            },
            "tune": None if tune == "holdout" else {"name": tune, "extractor": "", "header": None},
        },
        "tune": tune if tune == "holdout" else {"name": "other"},
        "scenario": "continual-forgetting:2,what=rows,amount=5",
        "heads": [name for name in arguments["heads"].split(",") if name != "none"],
        "peers": ["sgd"],
        "seeds": 4,
    }
    words = shlex.split(command_of(settings))
    assert words[:2] == ["analytic-cl", "compare"]
    asked = compare.make_context("compare", words[2:]).params

    expected = arguments | {"scenario": settings["scenario"], "peers": "sgd", "seeds": 4}
    assert {name: asked[name] for name in expected} == expected


def test_json_is_all_that_is_printed(features):
    result = invoke("--features", features, "--scenario", "class-incremental:2", "--seeds", 2, "--json")
    found = json.loads(result.stdout)

    assert found["out"] is None
    assert {"nearest-mean", "lda", "ridge", "neighbors", "sgd"} <= {line["method"] for line in found["methods"]}
    for line in found["methods"]:
        assert 0 < line["last"] <= 1 and line["last_interval"] >= 0


def test_deletions_are_reported(features):
    scenario = "continual-forgetting:2,what=classes,amount=1"
    result = invoke("--features", features, "--scenario", scenario, "--heads", "lda,neighbors", "--seeds", 1)

    assert "Deletions: 4 states after requests were compared with retraining; all are the same bits." in result.output


def test_a_state_that_differs_from_retraining_fails_loudly(features, monkeypatch):
    from analytic_cl.statistics import Moments, Targets

    subtract = Moments.subtract

    def all_but_one(self, rows, targets):
        subtract(self, rows[1:], Targets(targets.values, targets.codes[1:]))

    monkeypatch.setattr(Moments, "subtract", all_but_one)
    scenario = "continual-forgetting:2,what=rows,amount=5"
    result = invoke("--features", features, "--scenario", scenario, "--heads", "lda", "--seeds", 1)

    assert result.exit_code == 4
    assert "2 states differ from retraining" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--heads", "linear"), 2, "unknown head 'linear': choose from nearest-mean"),
        (("--scenario", "random"), 2, "unknown scenario 'random': choose one of class-incremental"),
        (("--features", "missing.npz"), 2, "missing.npz: there is no such file"),
        (("--seeds", "0"), 2, "not in the range"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments, code, message):
    result = invoke(*arguments)

    assert result.exit_code == code
    assert message in result.output and "Traceback" not in result.output


def test_without_matplotlib_there_is_everything_but_the_report(features, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = ("--features", features, "--scenario", "class-incremental:2", "--heads", "lda", "--peers", "none")
    result = invoke(*arguments, "--seeds", 1, "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert "pip install 'analytic-cl[plots]'" in result.output
    assert (tmp_path / "out" / "results.csv").exists() and not (tmp_path / "out" / "report.html").exists()


def test_ctrl_c_leaves_finished_runs_and_says_so(features, tmp_path):
    out = tmp_path / "out"
    heeded = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a background job ignores it
    command = f"{heeded}; from analytic_cl.cli.main import main; main()"
    arguments = ["compare", "--features", features, "--scenario", "class-incremental:4", "--seeds", "500", "--out", out]
    process = subprocess.Popen([sys.executable, "-c", command, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while not list(out.glob("runs/[!.]*.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "the same command goes on from there" in said and "Traceback" not in said
    for path in out.glob("runs/[!.]*.json"):
        json.loads(path.read_text())
