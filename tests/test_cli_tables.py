"""Tables on the command line: labels and ids are no features, columns go by their names, headers are said."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from store_commands import call

from analytic_cl import LDAClassifier, Store
from analytic_cl.report.command import command_of

N = 300


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(classes=3):
    """Noise, with its labels in order."""
    random.seed(0)
    rows = [(random.gauss(0, 1), random.gauss(0, 1), i * classes // N, i) for i in range(N)]
    return pd.DataFrame(rows, columns=["p", "q", "label", "id"])


def same_state(store, head):
    with Store.open(store, read_only=True) as opened:
        return opened.state_digest() == head.state_digest()


def labels(*arguments):
    return json.loads(call("predict", *arguments, "--json").stdout)["labels"]


# ---- one file for all


@pytest.mark.parametrize("name", ["one.csv", "one.parquet"])
def test_labels_and_ids_of_the_same_file_are_no_features(name):
    frame = table()
    frame.to_csv("one.csv", index=False)
    frame.to_parquet("one.parquet")
    call("init", "s")
    learned = call("learn", "s", name, f"{name}:label", "--ids", f"{name}:id")

    assert learned.stderr == f"{name}: left out, as no features: label, id\n"
    X, y = frame[["p", "q"]].to_numpy(), frame["label"].to_numpy()
    head = LDAClassifier().fit(X, y)
    assert same_state("s", head)
    assert labels("s", name) == head.predict(X).tolist()  # which is chance: the labels stand beside it
    assert np.mean(np.array(labels("s", name)) == y) < 0.5


def test_labels_and_subjects_of_the_same_file_are_left_out_of_what_is_predicted_from_and_rectified():
    frame = table().rename(columns={"label": "intent", "id": "who"}).assign(more="text")
    frame.drop(columns="more").to_csv("one.csv", index=False)
    frame[["p", "q"]].to_csv("plain.csv", index=False)
    call("init", "s")
    call("learn", "s", "one.csv", "one.csv:intent", "--subjects", "one.csv:who", "--ids", "one.csv:who")

    assert labels("s", "one.csv") == labels("s", "plain.csv")
    frame[["q", "intent", "who", "p"]].iloc[:1].to_csv("new.csv", index=False)
    rectified = call("rectify", "s", "new.csv", "new.csv:intent", "--ids", "new.csv:who")
    assert "taken by their names" in rectified.stderr
    assert same_state("s", LDAClassifier().fit(frame[["p", "q"]].to_numpy(), frame["intent"].to_numpy()))
    frame.to_csv("more.csv", index=False)
    refused = call("predict", "s", "more.csv", code=2).stderr
    assert "more.csv: the model learned from the columns 'p', 'q'; it has 'more' besides" in refused


def test_a_column_that_is_hardly_a_feature_is_said():
    table().to_csv("one.csv", index=False)
    call("init", "s")

    assert "one.csv: learned as features: id. If" in call("learn", "s", "one.csv", "one.csv:label").stderr


def test_an_auditor_may_read_features_and_labels_from_one_file():
    frame = table()
    frame.to_csv("one.csv", index=False)
    call("init", "s")
    call("learn", "s", "one.csv", "one.csv:label", "--ids", "one.csv:id")
    call("forget", "s", "--id", "7", "--request-id", "r7", "--certificate", "r7.json")
    call("export", "s", "keys", "--out", "keys.json")
    frame.drop(index=7).drop(columns="id").to_csv("rest.csv", index=False)

    call("verify", "r7.json", "--keys", "keys.json", "--retrain", "rest.csv", "rest.csv:label")


def test_an_index_of_pandas_is_neither_learned_nor_asked_for():
    frame = table(2).sample(frac=1, random_state=0)
    frame[["p", "q"]].to_parquet("i.parquet")
    frame[["p", "q"]].reset_index(drop=True).to_parquet("plain.parquet")
    Path("y.txt").write_text("".join(f"{label}\n" for label in frame["label"]))
    call("init", "s")
    learned = call("learn", "s", "i.parquet", "y.txt")

    assert "left out, as no features: __index_level_0__ (an index of pandas)" in learned.stderr
    assert same_state("s", LDAClassifier().fit(frame[["p", "q"]].to_numpy(), frame["label"].to_numpy()))
    assert labels("s", "i.parquet") == labels("s", "plain.parquet")


def test_the_index_of_a_csv_is_refused():
    table()[["p", "q"]].to_csv("foo.csv")
    Path("y.txt").write_text("a\n" * N)
    call("init", "s")

    assert "foo.csv: column 1 has no name" in call("learn", "s", "foo.csv", "y.txt", code=2).stderr


# ---- names of columns


def write_xy(frame, name="x.csv"):
    frame.to_csv(name, index=False)
    Path("y.txt").write_text("".join("ab"[i % 2] + "\n" for i in range(len(frame))))


FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "c"])


def test_names_of_columns_are_kept_and_compared_over_learning_forgetting_and_reopening():
    write_xy(FRAME)
    FRAME[["c", "a", "b"]].to_csv("moved.csv", index=False)
    FRAME[["a", "b"]].to_csv("few.csv", index=False)
    FRAME.rename(columns={"c": "d"}).to_csv("other.csv", index=False)
    call("init", "s")
    call("learn", "s", "x.csv", "y.txt", "--session", "one", "--chunk", 7)
    expected = labels("s", "x.csv")

    assert "taken by their names" in call("predict", "s", "moved.csv").stderr
    assert labels("s", "moved.csv") == expected
    assert "it lacks 'c'" in call("predict", "s", "few.csv", code=2).stderr
    for command in (["predict", "s", "other.csv"], ["learn", "s", "other.csv", "y.txt"]):
        assert "it lacks 'c', and it has 'd' besides" in call(*command, code=2).stderr
    call("learn", "s", "moved.csv", "y.txt", "--session", "two")
    call("forget", "s", "--session", "one")
    assert same_state("s", LDAClassifier().fit(FRAME.to_numpy(), ["a", "b"] * 20))
    with Store.open("s", read_only=True) as store:
        assert store.head.feature_names_in_.tolist() == store.feature_names == ["a", "b", "c"]
        assert store.predict(FRAME).tolist() == expected
        store.head.save("head.safetensors")
    assert LDAClassifier.load("head.safetensors").feature_names_in_.tolist() == ["a", "b", "c"]
    call("forget", "s", "--session", "two")
    call("learn", "s", "few.csv", "y.txt")  # an emptied store may learn from anything
    assert "it has 'c' besides" in call("predict", "s", "x.csv", code=2).stderr


def test_rows_without_names_are_taken_in_the_order_of_the_model_and_that_is_said():
    write_xy(FRAME)
    np.save("x.npy", FRAME.to_numpy())
    call("init", "s")
    call("learn", "s", "x.npy", "y.txt")
    assert "the rows learned before had no names" in call("learn", "s", "x.csv", "y.txt").stderr
    result = call("predict", "s", "x.npy")

    assert result.stderr == "x.npy: its columns have no names, and are taken to be 'a', 'b', 'c', in this order\n"
    assert result.stdout.split() == labels("s", "x.csv")
    call("learn", "s", "x.npy", "y.txt")
    with Store.open("s", read_only=True) as store:
        assert store.head.feature_names_in_.tolist() == ["a", "b", "c"]


def test_the_store_compares_names_that_are_given_with_arrays(tmp_path):
    X, y = FRAME.to_numpy(), [0, 1] * 20
    with Store.create(tmp_path / "s", LDAClassifier()) as store:
        store.learn(X, y, feature_names=["a", "b", "c"], other_columns=["label"])
        before = store.state_digest()
        for names in (["a", "c", "b"], ["a", "b"], ["a", "b", "b"], "abc", [1, 2, 3]):
            with pytest.raises(ValueError, match=r"feature_names|other columns"):
                store.learn(X, y, feature_names=names)
        assert store.state_digest() == before
        store.learn(X, y, feature_names=["a", "b", "c"], other_columns=["id"])
        store.learn(FRAME, y)
        with pytest.raises(ValueError, match="feature names"):
            store.learn(FRAME[["c", "b", "a"]], y)
        assert (store.feature_names, store.other_columns, store.n_rows) == (["a", "b", "c"], ["id", "label"], 120)
    with Store.create(tmp_path / "t", LDAClassifier()) as other:
        with pytest.raises(ValueError, match="X has 3 columns, but feature_names names 2"):
            other.learn(X, y, feature_names=["a", "b"])
        assert other.feature_names is None and other.other_columns == []
        with Store.open(tmp_path / "s", read_only=True) as store:
            other.merge(store)
        assert other.feature_names == ["a", "b", "c"]


# ---- headers and rows


def test_a_header_of_numbers_is_no_row():
    D = np.random.default_rng(0).random((10, 4))
    np.save("d.npy", D)
    pd.DataFrame(D).to_csv("d.csv", index=False)
    pd.DataFrame(D).to_csv("bare.csv", index=False, header=False)
    Path("l.txt").write_text("a\nb\n" * 5)
    call("init", "s")
    call("learn", "s", "d.npy", "l.txt")

    message = call("predict", "s", "d.csv", code=2).stderr
    assert "d.csv: the first line is numbers (0, 1, 2, 3)" in message
    assert "--header" in message and "--no-header" in message
    assert labels("s", "d.csv", "--header") == labels("s", "d.npy") == labels("s", "bare.csv", "--no-header")
    assert "the first line is numbers" in call("learn", "s", "bare.csv", "l.txt", code=2).stderr
    assert "Nothing was learned" not in call("learn", "s", "bare.csv", "l.txt", "--no-header").stderr


def test_ids_of_a_csv_have_a_header_by_the_same_rule():
    write_xy(FRAME)
    Path("ids.csv").write_text("".join(f"{i}\n" for i in range(40)))
    Path("named.csv").write_text("u\n" + "".join(f"{i}\n" for i in range(40, 80)))
    call("init", "s")
    call("learn", "s", "x.csv", "y.txt", "--ids", "named.csv")

    assert "ids.csv: the first line is numbers" in call("forget", "s", "--ids", "ids.csv", code=2).stderr
    Path("some.csv").write_text("40\n41\n")
    assert "'40'" in call("forget", "s", "--ids", "some.csv", "--header", "--dry-run").stderr  # said: it is no id
    assert "2 erased" in call("forget", "s", "--ids", "some.csv", "--no-header").stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,c\n1,2,3\n#N/A,5,6\n7,8,9\n", "x.csv: row 2, column 'a': '#N/A'"),
        ("a,b,c\n1,2,3#kg\n4,5,6\n7,8,9\n", "x.csv: row 1, column 'c': '3#kg'"),
        ("\na,b,c\n1,2,3\n", "x.csv: line 1 is empty"),
        ("a,b,c\nx,y,z\n1,2,3\n", "x.csv: row 1, column 'a': 'x'"),
        ("a,b,c\n", "x.csv has no rows"),
        ("a,b,c\n1,2,3\n".encode("utf-16"), "x.csv is not UTF-8 text"),
        ("a,b,c\n1,2,3\n4,5,\u00e6\n".encode("latin-1"), "x.csv is not UTF-8 text: line 3"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_by_its_name_and_changes_nothing(content, message):
    write_xy(FRAME)
    call("init", "s")
    call("learn", "s", "x.csv", "y.txt")
    Path("x.csv").write_bytes(content if isinstance(content, bytes) else content.encode())

    for command in (["learn", "s", "x.csv", "y.txt"], ["predict", "s", "x.csv"]):
        refused = call(*command, code=2)
        assert message in refused.stderr and refused.stdout == ""
        assert "y.txt" not in refused.stderr
    assert json.loads(call("status", "s", "--json").stdout)["rows"] == 40


# ---- compare


def compare(name, *options, code=0):
    arguments = ("--scenario", "class-incremental:3", "--heads", "lda,neighbors", "--peers", "none", "--seeds", "1")
    return call("compare", "--features", name, *arguments, *options, code=code)


def accuracies(result):
    return [line["last"] for line in json.loads(result.stdout)["methods"]]


def test_an_index_of_pandas_is_no_feature_in_a_comparison():
    random, n = np.random.default_rng(0), 900
    frame = pd.DataFrame(random.normal(size=(n, 6)), columns=list("abcdef"))
    frame["label"], frame["split"] = np.repeat(np.arange(9), 100), "train"
    frame.loc[frame.sample(frac=0.3, random_state=0).index, "split"] = "test"
    frame.sample(frac=1, random_state=1).to_parquet("noise.parquet")
    result = compare("noise.parquet", "--json")

    assert max(accuracies(result)) < 0.2  # nine classes of noise
    assert "left out, as no features: label, split, __index_level_0__ (an index of pandas)" in result.stderr


@pytest.mark.parametrize("split", [False, True])
def test_a_table_with_a_column_of_labels_is_compared_with_and_without_a_split(split):
    frame = (
        table()
        .rename(columns={"label": "kind"})
        .assign(label=lambda t: t["kind"], kind=lambda t: "k" + t["kind"].astype(str))
    )
    if split:
        frame["split"] = np.where(np.arange(N) % 4 == 0, "test", "train")
    frame.to_csv("points.csv", index=False)
    result = compare("points.csv:kind", "--json")

    assert max(accuracies(result)) < 0.6  # noise: neither ids nor other labels were learned from
    left = ["kind", *(["split"] if split else []), "id", "label"]
    (note,) = [line for line in result.stderr.splitlines() if "left out" in line]
    assert sorted(note.removeprefix("points.csv: left out, as no features: ").split(", ")) == sorted(left)
    said = "no split: 60 of 300 rows, a fifth of each class" in result.stderr
    assert said is not split
    again = compare("points.csv:kind", "--json")
    assert accuracies(again) == accuracies(result)


def test_x_and_y_of_an_npz_are_split_by_class_and_a_bare_npz_says_what_is_there():
    X, y = np.random.default_rng(0).normal(size=(50, 4)), np.repeat([0, 1, 2, 3, 4], [1, 2, 7, 20, 20])
    np.savez("points.npz", X=X + y[:, None], y=y)
    assert "points.npz: no split: 10 of 50 rows" in compare("points.npz").stderr
    np.savez("bare.npz", data=X, target=y)
    assert "there are data (50, 4), target (50,)" in compare("bare.npz", code=2).stderr


def test_the_command_of_a_report_names_the_column_and_the_header():
    table().to_csv("points.csv", index=False, header=False)
    assert "first line is numbers" in compare("points.csv:3", code=2).stderr
    compare("points.csv:3", "--no-header", "--out", "out")
    command = command_of(json.loads(Path("out/settings.json").read_text()))
    assert command.startswith("analytic-cl compare --features points.csv:3 --no-header --scenario")


def test_test_rows_with_their_columns_in_another_order_are_taken_by_name():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(120, 3)), columns=list("abc"))
    frame["label"] = np.arange(120) % 3
    frame["a"] += 10 * frame["label"]
    Path("both").mkdir()
    frame.to_parquet("both/train.parquet")
    frame[["c", "label", "b", "a"]].to_parquet("both/test.parquet")
    result = compare("both", "--json")

    assert min(accuracies(result)) == 1
    assert "test.parquet are in another order" in result.stderr
    frame.rename(columns={"c": "d"}).to_parquet("both/test.parquet")
    assert "only one of train.parquet and test.parquet has the columns c, d" in compare("both", code=2).stderr
