"""Comparisons: shared states tell what separate heads would, runs resume, deletions are those of retraining."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from common import blobs, ignore_quantization, needs
from sklearn.linear_model import RidgeClassifier

from analytic_cl import baselines, metrics, scenarios
from analytic_cl.comparison import compare, state_runs, summary
from analytic_cl.comparison.engine import run
from analytic_cl.comparison.features import as_features
from analytic_cl.comparison.judging import summarise
from analytic_cl.comparison.methods import choose, head_methods
from analytic_cl.comparison.peer_runs import BUFFER, _balanced
from analytic_cl.comparison.peers import PEERS
from analytic_cl.comparison.stream import MOST_SESSIONS, held_by_session, make_stream
from analytic_cl.heads import registry

pytestmark = ignore_quantization

TIMED = ("seconds_learn", "seconds_shared", "seconds_solve", "seconds_predict")


def data(n=300, d=20, n_classes=6, **more):
    X, y = blobs(n + 120, d, n_classes)
    X += 6 * np.random.RandomState(1).normal(size=X.shape)  # so that heads differ, and none is perfect
    return {"X_train": X[:n], "y_train": y[:n], "X_test": X[n:], "y_test": y[n:], **more}


@pytest.fixture(autouse=True)
def few_components(monkeypatch):
    for module in (registry, baselines):
        monkeypatch.setattr(module, "COMPONENTS", 40)


def untimed(runs):
    """Runs without what differs from one process to the next."""
    kept = json.loads(json.dumps(runs))
    for one in kept:
        del one["date"], one["machine"]
        for part in (*one["sessions"], one["summary"]):
            for key in TIMED:
                del part[key]
        for request in (request for session in one["sessions"] for request in session["requests"]):
            del request["seconds"], request["seconds_retrain"]
    return kept


# ---- states that are shared


@pytest.mark.parametrize(
    ("text", "d"),
    [
        ("class-incremental:3", 20),
        ("si-blurry:3", 20),
        ("continual-forgetting:3,what=rows,amount=7", 20),
        ("continual-forgetting:3,what=rows,amount=7", 260),  # behind another quantizer
    ],
)
def test_shared_states_give_the_accuracies_and_digests_of_heads_fitted_by_themselves(text, d):
    given = data(d=d)
    some = ["nearest-mean", "lda", "gaussian", "ridge-rp", "neighbors", "teen"]
    if d == 20:
        some = [method.name for method in choose("default", head_methods(), "head")] + ["auto", "fecam", "teen"]
    runs = run(given, text, some, "none", 2 if d == 20 else 1)
    features = as_features(given)

    assert {one["method"] for one in runs} == set(some)
    for one in runs:
        stream = make_stream(features, scenarios.parse(text), one["seed"])
        for i, (step, session) in enumerate(zip(stream.steps, one["sessions"], strict=True)):
            if not step.held.any():
                continue
            head = head_methods()[one["method"]].make(one["seed"])
            for rows in held_by_session(stream, i) if head.depends_on_order else [step.held]:
                if rows.size:
                    head.partial_fit(features.X_train[rows], features.y_train[rows])
            seen = np.isin(features.y_test, head.classes_)

            assert session["accuracy_seen"] == head.score(features.X_test[seen], features.y_test[seen])
        assert one["sessions"][-1]["digest"] == head.state_digest()


def test_what_a_run_reports_of_its_sessions_is_what_the_metrics_say():
    (one,) = run(data(), "class-incremental:3", "lda", "none", 1)
    R = [[np.nan if a is None else a for a in session["accuracy"]] for session in one["sessions"]]

    assert np.isfinite(R).tolist() == np.tri(3, dtype=bool).tolist()
    assert one["summary"]["forgetting"] == pytest.approx(metrics.forgetting(R))
    assert one["summary"]["backward_transfer"] == pytest.approx(metrics.backward_transfer(R))
    assert one["summary"]["last"] == pytest.approx(metrics.last_accuracy(R))  # classes have equally many test rows
    assert one["summary"]["average_incremental"] == pytest.approx(metrics.average_incremental_accuracy(R))
    assert 0 <= one["summary"]["calibration_error"] < 1
    assert 0 <= one["summary"]["log_loss"] < 40


def test_the_last_accuracy_of_exact_heads_does_not_depend_on_how_the_stream_is_split():
    splits = ["class-incremental:2", "class-incremental:6", "si-blurry:4", "i-blurry:3", "online:37", "scole:40"]
    last = {}
    for text in splits:
        for one in run(data(), text, "default", "none", 2):
            last.setdefault((one["method"], one["seed"]), set()).add(
                (one["summary"]["last"], one["sessions"][-1]["digest"])
            )

    assert {len(values) for values in last.values()} == {1}
    for name in ("nearest-mean", "lda", "ridge", "neighbors"):  # which have no seed
        assert last[name, 0] == last[name, 1]


def test_a_large_session_of_a_head_that_depends_on_order_is_one(monkeypatch):
    given = data()
    expected = run(given, "class-incremental:3", "teen", "none", 1)[0]["sessions"][-1]["digest"]
    monkeypatch.setattr(state_runs, "_CHUNK", 10)

    assert run(given, "class-incremental:3", "teen", "none", 1)[0]["sessions"][-1]["digest"] == expected


def test_sgd_depends_on_how_the_stream_is_split():
    last = {
        text: run(data(), text, "none", "sgd", 1)[0]["summary"]["last"]
        for text in ("online:300", "class-incremental:6")
    }

    assert last["class-incremental:6"] < last["online:300"] - 0.1


# ---- deletions


@pytest.mark.parametrize("what", ["rows", "classes", "subjects"])
def test_deletions_leave_the_state_of_retraining(what):
    given = data(subjects_train=np.arange(300) % 50)
    amount = 3 if what != "classes" else 1
    runs = run(given, f"continual-forgetting:3,what={what},amount={amount}", "default", "ridge-joint,sgd", 1)
    ours = [one for one in runs if one["kind"] == "exact"]

    for one in ours:
        for session in one["sessions"]:
            *earlier, last = session["requests"]
            assert last["identical"] is True and last["seconds_retrain"] > 0
            assert all(request["identical"] is None for request in earlier)
            assert all(request["seconds"] > 0 for request in session["requests"])
            if what == "classes":
                assert last["accuracy_forgotten_after"] == 0
                assert last["accuracy_forgotten_before"] > 0
    sgd = next(one for one in runs if one["method"] == "sgd")
    assert {request["identical"] for session in sgd["sessions"] for request in session["requests"]} == {None}
    line = summary(ours)[0]
    assert (line["identical"], line["different"]) == (3, 0)
    assert line["requests"] == sum(len(session["requests"]) for session in ours[0]["sessions"])


def test_a_joint_peer_is_trained_on_the_rows_that_are_left():
    given = data()
    (one,) = run(given, "continual-forgetting:3,what=rows,amount=60", "none", "ridge-joint", 1)
    step = make_stream(as_features(given), scenarios.parse("continual-forgetting:3,what=rows,amount=60"), 0).steps[-1]
    oracle = RidgeClassifier().fit(given["X_train"][step.held], given["y_train"][step.held])

    assert step.held.sum() == 300 - 180
    assert one["summary"]["last"] == oracle.score(given["X_test"], given["y_test"])
    assert [session["accuracy_seen"] is None for session in one["sessions"]] == [True, True, False]
    assert one["summary"]["average_incremental"] is None


# ---- streams


def test_many_sessions_are_joined_but_not_those_that_are_predicted_first():
    features = as_features(data(times_train=np.arange(300)))

    joined = make_stream(features, scenarios.parse("online:2"), 0)
    assert len(joined.steps) == MOST_SESSIONS
    assert joined.steps[0].name == "batch 1 to batch 3"
    assert np.sort(np.concatenate([step.fresh for step in joined.steps])).tolist() == list(range(300))
    assert len(make_stream(features, scenarios.parse("time-ordered:60"), 0).steps) == 60


def test_time_ordered_rows_are_predicted_before_they_are_learned():
    given = data(times_train=np.arange(300)[::-1])
    one, peer = run(given, "time-ordered:3", "lda", "sgd", 1)
    order = np.arange(300)[::-1]
    head = head_methods()["lda"].make(0).fit(given["X_train"][order[:100]], given["y_train"][order[:100]])

    assert one["sessions"][0]["accuracy_ahead"] is None
    expected = head.score(given["X_train"][order[100:200]], given["y_train"][order[100:200]])
    assert one["sessions"][1]["accuracy_ahead"] == expected
    assert peer["sessions"][2]["accuracy_ahead"] is not None


def test_with_domains_sessions_are_tested_on_rows_of_their_domain():
    given = data(domains_train=np.repeat(["indoor", "outdoor"], 150), domains_test=np.tile(["outdoor", "indoor"], 60))
    (one,) = run(given, "domain-incremental:seed=1", "nearest-mean", "none", 1)
    first = one["sessions"][0]
    train, test = (given[f"domains_{split}"] == first["name"] for split in ("train", "test"))
    head = head_methods()["nearest-mean"].make(0).fit(given["X_train"][train], given["y_train"][train])

    assert first["accuracy"] == [head.score(given["X_test"][test], given["y_test"][test]), None]
    assert None not in one["sessions"][1]["accuracy"]


def test_rows_that_come_again_are_learned_once():
    stream = make_stream(as_features(data()), scenarios.parse("scole:30"), 0)
    fresh = np.concatenate([step.fresh for step in stream.steps])

    assert len(fresh) == len(set(fresh.tolist())) < sum(len(step.train) for step in stream.steps)


def test_sessions_without_test_rows_of_their_own_leave_gaps_in_the_matrix_and_not_in_the_summary():
    sessions = [
        {"accuracy": row, "accuracy_seen": 0.5, "accuracy_ahead": None, "macro": 0.5, "tail": None}
        | {"calibration_error": None, "log_loss": None, "state_bytes": 1, **dict.fromkeys(TIMED, 0.0)}
        for row in ([0.5, None, None], [0.75, None, None], [0.25, None, 1.0])
    ]

    assert summarise(sessions)["forgetting"] == 0.5  # 0.75 - 0.25, of the first session alone
    assert summarise(sessions)["backward_transfer"] == -0.25


def test_the_buffer_of_replay_is_balanced_and_bounded():
    y = np.repeat([0, 1, 2], [5000, 3000, 10])
    kept = _balanced(y, np.arange(len(y)), np.random.default_rng(0))

    assert np.bincount(y[kept]).tolist() == [BUFFER // 3, BUFFER // 3, 10]


# ---- files and resuming


def test_results_are_tidy_and_the_same_in_table_and_file(tmp_path):
    table = compare(data(), "class-incremental:2", "lda,nearest-mean", "ridge-joint", 2, tmp_path)
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == len(table["value"])
    assert [row["metric"] for row in rows] == list(table["metric"])
    keys = [(row["method"], row["seed"], row["session"], row["metric"]) for row in rows]
    assert len(set(keys)) == len(keys)
    last = [float(row["value"]) for row in rows if (row["session"], row["metric"]) == ("0", "last")]
    assert len(last) == 6 and all(0 < value < 1 for value in last)
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["heads"] == ["nearest-mean", "lda"] and settings["peers"] == ["ridge-joint"]
    assert settings["shared"] is None  # nearest mean needs no matrix: no state has two heads


def test_heads_over_one_state_are_timed_together(tmp_path):
    run(data(), "class-incremental:2", "lda,ridge,ridge-gcv", "none", 1, tmp_path)
    shared = json.loads((tmp_path / "settings.json").read_text())["shared"]

    assert shared["heads"] == ["lda", "ridge", "ridge-gcv"]
    assert 0 < shared["one head"] < shared["all heads"] < shared["each by itself"]


def test_finished_runs_are_not_run_again_and_more_can_be_added(tmp_path):
    first = run(data(), "class-incremental:2", "lda", "none", 1, tmp_path)
    before = (tmp_path / "runs" / "lda-0.json").read_bytes()
    both = run(data(), "class-incremental:2", "lda,ridge", "sgd", 2, tmp_path)

    assert (tmp_path / "runs" / "lda-0.json").read_bytes() == before
    assert both[0] == json.loads(before) == json.loads(json.dumps(first[0]))
    assert [(one["method"], one["seed"]) for one in both] == [
        (name, seed) for name in ("lda", "ridge", "sgd") for seed in (0, 1)
    ]
    assert untimed(both) == untimed(run(data(), "class-incremental:2", "lda,ridge", "sgd", 2))


@pytest.mark.parametrize(
    ("given", "text", "tune", "named"),
    [
        (data(), "class-incremental:3", None, "scenario is class-incremental:2, not class-incremental:3"),
        (data(n=290), "class-incremental:2", None, r"features is features \(\w{12}\), not features"),
        (data(), "class-incremental:2", "holdout", "tune is None, not holdout"),
    ],
)
def test_runs_of_another_comparison_are_refused_and_kept(tmp_path, given, text, tune, named):
    run(data(), "class-incremental:2", "lda", "none", 1, tmp_path)
    before = (tmp_path / "runs" / "lda-0.json").read_bytes()

    with pytest.raises(ValueError, match=named):
        run(given, text, "lda", "none", 1, tmp_path, tune=tune)
    assert (tmp_path / "runs" / "lda-0.json").read_bytes() == before


def test_a_damaged_run_file_is_refused_by_name(tmp_path):
    run(data(), "class-incremental:2", "lda", "none", 1, tmp_path)
    path = tmp_path / "runs" / "lda-0.json"
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(ValueError, match=r"lda-0\.json is not a run of a comparison"):
        run(data(), "class-incremental:2", "lda", "none", 1, tmp_path)


def test_runs_of_another_format_are_refused_and_kept(tmp_path):
    (one,) = run(data(), "class-incremental:2", "lda", "none", 1, tmp_path)
    path = tmp_path / "runs" / "lda-0.json"
    path.write_text(json.dumps(one | {"format": 1}))

    with pytest.raises(ValueError, match=r"lda-0\.json: format is 1; .* reads format 2, .*Choose another folder"):
        run(data(), "class-incremental:2", "lda", "none", 1, tmp_path)
    assert json.loads(path.read_text())["format"] == 1


SCRIPT = """
import sys, warnings
import numpy as np
warnings.simplefilter("ignore")
from analytic_cl.comparison import compare
with np.load(sys.argv[1]) as stored:
    given = {key: stored[key] for key in stored.files}
compare(given, "class-incremental:4", "nearest-mean,lda,ridge,key-value", "sgd", 5, sys.argv[2])
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_comparison_that_was_stopped_goes_on_to_the_same_table(tmp_path, how):
    given = data()
    np.savez(tmp_path / "features.npz", **given)
    out = tmp_path / "out"
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "features.npz"), str(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 100
    while process.poll() is None and len(list(out.glob("runs/[!.]*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, how)
    process.wait(30)
    finished = {path: path.read_bytes() for path in out.glob("runs/[!.]*.json")}

    assert len(finished) >= 2
    expected = run(given, "class-incremental:4", "nearest-mean,lda,ridge,key-value", "sgd", 5)
    resumed = run(given, "class-incremental:4", "nearest-mean,lda,ridge,key-value", "sgd", 5, out)
    assert untimed(resumed) == untimed(expected)
    assert all(path.read_bytes() == before for path, before in finished.items())
    assert len(list((out / "runs").iterdir())) - len(list((out / "runs").glob(".*"))) == 25


# ---- tuning


def test_tuning_on_half_of_the_classes_evaluates_on_the_other_half():
    given = data(n_classes=8)
    runs = run(given, "class-incremental:2", "lda,ridge-gcv,neighbors,key-value", "sgd,ridge-joint", 2, tune="holdout")

    evaluated = {tuple(sorted(one["class_order"])) for one in runs}
    assert len(evaluated) == 1 and len(evaluated.pop()) == 4
    for one in runs:
        method = {**head_methods(), **PEERS}[one["method"]]
        assert one["features"]["n_classes"] == 4 and one["tune"] == "holdout"
        assert one["tuned"] is None if not method.grid else one["tuned"] in method.settings()


def test_tuning_on_other_features_takes_what_is_best_there():
    noise = data(n=60)
    settled = run(data(), "class-incremental:2", "lda", "none", 1, tune=noise)[0]
    scores = []
    for parameters in head_methods()["lda"].settings():
        head = head_methods()["lda"].make(0).set_params(**parameters).fit(noise["X_train"], noise["y_train"])
        scores.append(head.score(noise["X_test"], noise["y_test"]))

    assert settled["tuned"] == head_methods()["lda"].settings()[int(np.argmax(scores))]
    assert settled["tune"]["n_train"] == 60
    with pytest.raises(ValueError, match="the same features"):
        run(noise, "class-incremental:2", "lda", "none", 1, tune=noise)


# ---- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": "lda,rigde"}, "unknown head 'rigde': choose from nearest-mean, .*neighbors"),
        ({"peers": ["knn"]}, "unknown peer 'knn': choose from sgd, "),
        ({"heads": "none", "peers": "none"}, "nothing to compare"),
        ({"scenario": "task-incremental:3"}, "unknown scenario 'task-incremental': choose one of class-incremental"),
        ({"scenario": "class-incremental:99"}, "n_sessions=99 needs 99 classes; there are 6"),
        ({"scenario": "domain-incremental"}, "domain-incremental needs domains"),
        ({"seeds": 0}, "seeds must be an integer of at least 1"),
        ({"features": {"X_train": [[1.0]]}}, "features have no y_train, X_test, y_test; there are X_train"),
        ({"features": data() | {"X_test": np.zeros((120, 3))}}, "X_train has 20 features, X_test 3"),
        ({"features": data() | {"y_test": np.array(["a"] * 120)}}, "labels of different kinds"),
        ({"features": data() | {"y_train": np.zeros(300, int)}}, "at least two classes"),
        ({"features": data() | {"y_train": np.arange(299) % 6}}, "X_train has 300 rows, y_train has 299"),
        ({"features": data() | {"classes": np.array(["a", "b"])}}, "classes names 2 classes"),
        ({"features": (1, 2, 3)}, r"\(X_train, y_train, X_test, y_test\); got 3 values"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_what_can(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(**{"features": data(), "scenario": "class-incremental:2", "heads": "lda", "peers": "none"} | arguments)


def test_rows_with_nan_are_named():
    given = data()
    given["X_test"][[3, 7], 2] = np.nan

    with pytest.raises(ValueError, match="X_test contains NaN or infinity in rows 3, 7"):
        compare(given, "class-incremental:2", "lda", "none", 1)


def test_names_choose_methods_once_and_in_order():
    assert [method.name for method in choose("ridge, lda,ridge", head_methods(), "head")] == ["ridge", "lda"]
    assert choose("all", head_methods(), "head") == list(head_methods().values())
    assert {method.name for method in choose("default", PEERS, "peer")} < set(PEERS)


def test_labels_may_be_text_and_classes_may_have_names():
    given = data()
    names = np.array(["ape", "bee", "cat", "dog", "elk", "fox"])
    spelled = given | {"y_train": names[given["y_train"]], "y_test": names[given["y_test"]]}
    numbered, spelt = (run(each, "class-incremental:2", "lda", "sgd", 1) for each in (given, spelled))

    assert as_features(given | {"classes": names}).names == as_features(spelled).names == names.tolist()
    assert spelt[0]["summary"]["last"] == numbered[0]["summary"]["last"]
    assert set(spelt[0]["class_order"]) == set(names.tolist())


def test_all_peers_run():
    needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    runs = run(data(), "class-incremental:2", "none", "all", 1)

    assert [one["method"] for one in runs] == list(PEERS)
    assert all(one["summary"]["last"] > 0.3 and one["summary"]["state_bytes"] > 0 for one in runs)
    assert {one["kind"] for one in runs} == {"peer", "joint"}
