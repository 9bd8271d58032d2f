"""The commands of the store: what they do, what they answer, and how they end."""

import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from store_commands import N, asked, call, digest, people, retrained, write_lines

from analytic_cl import (
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    RLSClassifier,
)
from analytic_cl.reading import open_features, read_features

pytestmark = pytest.mark.usefixtures("folder")

# ---- init


@pytest.mark.parametrize(
    ("options", "head"),
    [
        ([], LDAClassifier()),
        (["--head", "lda", "--shrinkage", "0.2", "--quantizer", "tabular"], LDAClassifier(0.2, quantizer="tabular")),
        (["--head", "ridge", "--alpha", "gcv"], RLSClassifier("gcv")),
        (["--head", "ridge", "--projection", 30, "--seed", 7], RLSClassifier(projection=RandomProjection(30, 7))),
        (["--head", "nearest-mean"], NearestMeanClassifier()),
        (["--head", "key-value", "--seed", 3], KeyValueBottleneckClassifier(random_state=3)),
        (["--head", "neighbors"], NearestNeighborsClassifier()),
    ],
)
def test_init_makes_the_head_that_was_asked_for(options, head):
    assert asked("init", "new", *options)["head"] == repr(head)
    call("learn", "new", "features.npy", "labels.txt")
    assert asked("status", "new")["rows"] == N


@pytest.mark.parametrize(
    "options",
    [
        ["--head", "lda", "--alpha", "1"],
        ["--head", "ridge", "--shrinkage", "0.1"],
        ["--head", "ridge", "--alpha", "much"],
        ["--shrinkage", "7"],
        ["--head", "svm"],
    ],
)
def test_init_refuses_parameters_that_a_head_does_not_have(options):
    call("init", "new", *options, code=2)
    assert not Path("new").exists()


def test_init_leaves_a_folder_that_holds_something_alone(clinic):
    before = digest(clinic)
    call("init", "clinic", code=5)
    assert digest(clinic) == before


# ---- learn


def test_learning_in_chunks_gives_the_state_of_learning_at_once(data):
    call("init", "new")
    result = call("learn", "new", "features.npy", "labels.txt", "--chunk", 77)

    assert "600 rows learned" in result.stdout
    assert digest("new") == retrained(data, np.arange(N))


def test_an_npy_file_stays_on_disk_and_a_chunk_is_about_64_megabytes(data):
    X = read_features("features.npy").values

    assert isinstance(X, np.memmap)
    assert open_features("features.npy").chunk() * X[0].nbytes == pytest.approx(2**26, rel=0.001)


def write_features(X, labels):
    np.savez("data.npz", X_train=X, X_test=X[:5], y=labels)
    np.savez("one.npz", X=X, y=labels)
    np.savetxt("plain.csv", X, delimiter=",", fmt="%.17g")
    Path("plain-labels.csv").write_text("".join(f"{name}\n" for name in labels))
    header = ",".join(f"f{j}" for j in range(X.shape[1]))
    np.savetxt("named.csv", X, delimiter=",", fmt="%.17g", header=header, comments="")
    columns = {f"f{j}": X[:, j] for j in range(X.shape[1])}
    pyarrow.parquet.write_table(pyarrow.table(columns), "wide.parquet")
    rows = pyarrow.table({"embedding": X.tolist(), "intent": labels.tolist(), "number": np.arange(len(X))})
    pyarrow.parquet.write_table(rows, "rows.parquet")
    np.save("labels.npy", labels)
    Path("rows.csv").write_text("id,intent\n" + "".join(f"{i},{name}\n" for i, name in enumerate(labels)))


def test_every_kind_of_file_gives_the_same_state(data):
    X, labels, _ = data
    write_features(X, labels)
    pairs = [
        ("features.npy", "labels.npy"),
        ("data.npz:X_train", "data.npz:y"),
        ("one.npz", "one.npz"),
        ("plain.csv", "plain-labels.csv", "--no-header"),
        ("named.csv", "rows.csv:intent"),
        ("wide.parquet", "rows.parquet:intent"),
        ("rows.parquet:embedding", "labels.txt"),
    ]
    for number, files in enumerate(pairs):
        call("init", f"store{number}")
        call("learn", f"store{number}", *files)

    assert {digest(f"store{number}") for number in range(len(pairs))} == {retrained(data, np.arange(N))}


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def test_python_objects_are_refused_and_never_unpickled():
    bomb = np.full((N, 2), Bomb(), dtype=object)
    np.save("bomb.npy", bomb)
    np.savez("bomb.npz", X=bomb, y=bomb[:, 0])
    call("init", "new")

    for features, names in (
        ("bomb.npy", "labels.txt"),
        ("bomb.npz:X", "labels.txt"),
        ("features.npy", "bomb.npz:y"),
        ("features.npy", "bomb.npy"),
    ):
        assert "a pickle can run code" in call("learn", "new", features, names, code=2).stderr
    assert not Path("exploded").exists()
    assert asked("status", "new")["rows"] == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.npy", b"not an array"),
        ("x.npy", b""),
        ("x.npz", b"PK not a zip file"),
        ("x.csv", b"a,b\n1,2\n3,four\n"),
        ("x.parquet", b"PAR1"),
        ("x.doc", b"1,2"),
    ],
)
def test_files_that_are_not_features_are_refused_in_one_line(name, content):
    Path(name).write_bytes(content)
    call("init", "new")

    assert "\n" not in call("learn", "new", name, "labels.txt", code=2).stderr.strip()


def test_without_pyarrow_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    call("init", "new")

    assert "analytic-cl[parquet]" in call("learn", "new", "x.parquet", "labels.txt", code=2).stderr


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("labels.txt", ["a"] * (N - 1), "600 rows but 599 labels"),
        ("labels.txt", ["a"] * (N - 1) + [""], "value 600 is empty"),
        ("ids.txt", range(N + 1), "600 rows but 601 sample ids"),
        ("ids.txt", [0, *range(N - 1)], "given twice"),
        ("people.txt", ["somebody"] * 7, "600 rows but 7 names"),
    ],
)
def test_files_that_do_not_fit_together_are_refused_before_anything_is_learned(file, values, message):
    write_lines(Path(file), values)
    call("init", "new")
    arguments = ("learn", "new", "features.npy", "labels.txt", "--ids", "ids.txt", "--subjects", "people.txt")

    assert message in call(*arguments, "--chunk", 10, code=2).stderr
    assert asked("status", "new")["rows"] == 0


def test_after_an_error_the_message_says_which_rows_are_in_and_start_continues(data):
    X = data[0].copy()
    X[250, 3] = np.nan
    np.save("broken.npy", X)
    call("init", "new")
    arguments = ("learn", "new", "broken.npy", "labels.txt", "--ids", "ids.txt", "--chunk", 100)

    message = call(*arguments, code=2).stderr
    assert "Rows 1 to 200 are in the store; continue with --start 200." in message
    assert asked("status", "new")["rows"] == 200

    call("learn", "new", "features.npy", "labels.txt", "--ids", "ids.txt", "--start", 200)
    assert digest("new") == retrained(data, np.arange(N))
    assert "Nothing was learned" in call(*arguments, code=2).stderr


def test_ids_in_text_are_text_for_learning_and_forgetting_alike(clinic):
    call("forget", "clinic", "--id", "7", "--integer-ids", code=3)
    assert asked("forget", "clinic", "--id", "7", "--id", "8")["removed"] == 2
    write_lines(Path("some.txt"), [9, 10])
    assert asked("forget", "clinic", "--ids", "some.txt")["removed"] == 2


def test_ids_from_a_typed_file_and_with_integer_ids_are_integers():
    np.save("ids.npy", np.arange(N))
    call("init", "new")
    call("learn", "new", "features.npy", "labels.txt", "--ids", "ids.npy")

    call("forget", "new", "--id", "7", code=3)
    assert asked("forget", "new", "--id", "7", "--integer-ids")["removed"] == 1
    np.save("some.npy", np.array([8, 9]))
    assert asked("forget", "new", "--ids", "some.npy")["removed"] == 2
    write_lines(Path("ids.txt"), ["x7"])
    call("forget", "new", "--ids", "ids.txt", "--integer-ids", code=2)


def test_labels_in_text_are_what_the_labels_of_the_store_are(data):
    numbers = data[2]
    write_lines(Path("numbers.txt"), numbers)
    for name, options in (("integers", []), ("strings", ["--string-labels"])):
        call("init", name)
        call("learn", name, "features.npy", "numbers.txt", *options)
        call("learn", name, "features.npy", "numbers.txt")  # as those that are there
        assert asked("forget", name, "--label", numbers[0])["removed"] == 2 * (numbers == numbers[0]).sum()
    assert asked("predict", "integers", "features.npy")["labels"][-1] in range(6)
    assert asked("predict", "strings", "features.npy")["labels"][-1] in set("012345")
    call("learn", "integers", "features.npy", "labels.txt", code=2)


# ---- requests


@pytest.mark.parametrize(
    ("selector", "n"),
    [(["--id", "3"], 1), (["--subject", "patient 4"], 20), (["--session", "monday"], 40), (["--id", "5"], 1)],
)
def test_rows_are_forgotten_by_each_selector(data, selector, n):
    write_lines(Path("ids.txt"), range(40))
    np.save("features.npy", data[0][:40])
    write_lines(Path("labels.txt"), ["a", "b"] * 20)
    write_lines(Path("people.txt"), ["patient 4"] * 20 + [""] * 20)
    call("init", "new")
    arguments = ("features.npy", "labels.txt", "--ids", "ids.txt", "--subjects", "people.txt", "--session", "monday")
    call("learn", "new", *arguments)

    assert asked("forget", "new", *selector)["removed"] == n
    assert asked("status", "new")["rows"] == 40 - n


def test_forgetting_gives_the_state_of_the_other_rows_and_a_certificate(clinic, data):
    call("forget", "clinic", "--subject", "patient 3", "--request-id", "r1", "--certificate", "r1.json")

    assert digest(clinic) == retrained(data, ~people(3))
    assert json.loads(Path("r1.json").read_text())["removed"] == 20


def test_a_dry_run_changes_nothing(clinic):
    before, log = digest(clinic), asked("audit", "clinic")
    result = asked("forget", "clinic", "--subject", "patient 3", "--dry-run")

    assert (result["removed"], result["dry_run"]) == (20, True)
    assert (digest(clinic), asked("audit", "clinic"), asked("requests", "clinic")) == (before, log, [])


def test_unknown_ids_are_refused_or_skipped(clinic):
    assert "9999" in call("forget", "clinic", "--id", "1", "--id", "9999", code=3).stderr
    assert asked("status", "clinic")["rows"] == N
    receipt = asked("forget", "clinic", "--id", "1", "--id", "9999", "--skip-unknown")
    assert (receipt["removed"], receipt["unknown"]) == (1, 1)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--subject", "a", "--session", "b"],
        ["--id", "1", "--ids", "ids.txt"],
        ["--batch", "b.csv", "--subject", "a"],
        ["--subject", "a", "--dry-run", "--certificate", "c.json"],
        ["--subject", "patient 1", "--certificate", "nowhere/c.json"],
    ],
)
def test_unclear_requests_are_usage_errors_and_change_nothing(clinic, options):
    call("forget", "clinic", *options, code=2)
    assert asked("requests", "clinic") == []


def test_a_request_sent_again_changes_nothing_and_another_one_under_its_id_is_refused(clinic):
    first = asked("forget", "clinic", "--subject", "patient 3", "--request-id", "r1")
    assert asked("forget", "clinic", "--subject", "patient 3", "--request-id", "r1") == first
    call("forget", "clinic", "--subject", "patient 4", "--request-id", "r1", code=3)
    assert asked("status", "clinic")["rows"] == N - 20


def test_what_was_erased_is_not_learned_again_unless_allowed(clinic, data):
    np.save("few.npy", data[0][:20])
    write_lines(Path("few.txt"), data[1][:20])
    call("forget", "clinic", "--subject", "patient 0")
    arguments = ("learn", "clinic", "few.npy", "few.txt", "--subject", "patient 0")

    assert "--allow-erased" in call(*arguments, code=3).stderr
    call(*arguments, "--allow-erased")
    assert asked("status", "clinic")["rows"] == N


def test_restricting_takes_rows_out_and_unrestricting_brings_them_back(clinic, data):
    before = digest(clinic)
    call("restrict", "clinic", "--subject", "patient 3", "--certificate", "c.json")
    assert digest(clinic) == retrained(data, ~people(3))
    assert asked("status", "clinic")["restricted"] == 20
    assert asked("unrestrict", "clinic", "--subject", "patient 3")["kind"] == "unrestrict"
    assert digest(clinic) == before


def test_rectifying_gives_the_state_of_the_corrected_rows(clinic, data):
    X, labels, _ = data
    np.save("right.npy", X[20:22])
    write_lines(Path("right.txt"), labels[20:22])
    write_lines(Path("which.txt"), [0, 1])
    receipt = asked("rectify", "clinic", "right.npy", "right.txt", "--ids", "which.txt", "--request-id", "r1")

    assert receipt["removed"] == 2
    assert digest(clinic) == retrained(data, np.r_[20, 21, 2:N])


# ---- batches


def write_batch():
    rows = [f"p{i},,patient {i}," for i in range(4)] + ["ids,100,,", "ids,101,,", "gone,9999,,", "kind,,,no such label"]
    Path("batch.csv").write_text("request_id,sample_id,subject,label\n" + "\n".join(rows) + "\n")


def test_a_batch_is_carried_out_in_groups_and_refusals_do_not_stop_it(clinic, data):
    write_batch()
    Path("out").mkdir()
    result = asked("forget", "clinic", "--batch", "batch.csv", "--group", 3, "--certificate", "out", code=3)

    assert (result["applied"], result["refused"], result["removed"]) == (5, 2, 82)
    assert [outcome["status"] for outcome in result["results"]] == ["applied"] * 5 + ["refused"] * 2
    assert digest(clinic) == retrained(data, ~(people(0, 1, 2, 3) | np.isin(np.arange(N), [100, 101])))
    certificates = [json.loads(path.read_text()) for path in sorted(Path("out").iterdir())]
    assert [c["request"] for c in certificates] == ["ids", "p0", "p1", "p2", "p3"]
    assert [c["requests_together"] for c in certificates] == [2, 3, 3, 3, 2]


def test_a_batch_that_was_broken_off_is_finished_by_running_it_again(clinic):
    write_batch()
    first = asked("forget", "clinic", "--subject", "patient 0", "--request-id", "p0")
    again = asked("forget", "clinic", "--batch", "batch.csv", code=3)
    once_more = asked("forget", "clinic", "--batch", "batch.csv", code=3)

    assert (again["applied_before"], again["removed"]) == (1, 62)
    assert (once_more["applied_before"], once_more["removed"]) == (5, 0)
    assert once_more["results"][0] == again["results"][0]
    assert again["results"][0]["time"] == first["time"]
    assert asked("status", "clinic")["rows"] == N - 82


def test_a_batch_of_json_lines_keeps_types(clinic):
    lines = [{"request_id": "a", "sample_id": ["1", "2"]}, {"request_id": "b", "label": "alarm"}]
    Path("batch.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    assert asked("forget", "clinic", "--batch", "batch.jsonl")["applied"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "request_id,sample_id,subject\na,1,b\n",
        "request_id,subject\na,\n",
        "request_id,subjekt\na,b\n",
        "subject\nb\n",
        "request_id,subject\na,patient 1\na,patient 2\n",
        "request_id,subject\na,patient 1,c\n",
        "",
    ],
)
def test_a_batch_with_an_unclear_line_is_refused_as_a_whole(clinic, text):
    Path("batch.csv").write_text(text)
    call("forget", "clinic", "--batch", "batch.csv", code=2)
    assert asked("requests", "clinic") == []


# ---- predict and look


def test_predictions_are_those_of_the_head(clinic, data):
    X, labels, _ = data
    expected = LDAClassifier().fit(X, labels).predict(X).tolist()
    call("predict", "clinic", "features.npy", "--out", "out.txt")
    call("predict", "clinic", "features.npy", "--out", "out.npy")

    assert asked("predict", "clinic", "features.npy")["labels"] == expected
    assert call("predict", "clinic", "features.npy").stdout.split() == expected
    assert Path("out.txt").read_text().split() == expected
    assert np.load("out.npy", allow_pickle=False).tolist() == expected


def test_json_is_all_that_stands_on_standard_output(clinic):
    call("forget", "clinic", "--subject", "patient 1", "--request-id", "r1", "--certificate", "c.json")
    for arguments in (
        ["status", "clinic"],
        ["requests", "clinic"],
        ["audit", "clinic"],
        ["audit", "clinic", "--head"],
        ["access", "clinic", "--subject", "patient 2"],
        ["access", "clinic", "--subject", "patient 2", "--out", "a.json"],
        ["verify", "clinic"],
        ["verify", "c.json", "--store", "clinic"],
        ["export", "clinic", "keys", "--out", "k.json"],
        ["predict", "clinic", "features.npy", "--out", "p.txt"],
        ["restrict", "clinic", "--id", "400"],
        ["forget", "clinic", "--id", "401"],
    ):
        assert asked(*arguments)
        assert call(*arguments[:1], "--help").stdout


def test_access_shows_the_rows_of_one_person_and_the_log_notes_it_without_the_name(clinic):
    found = asked("access", "clinic", "--subject", "patient 2")
    call("access", "clinic", "--subject", "patient 2", "--out", "a.json")

    assert [row["sample_id"] for row in found["rows"]] == [str(i) for i in range(40, 60)]
    assert json.loads(Path("a.json").read_text()) == found
    assert call("access", "clinic", "--subject", "patient 2").stdout.startswith("20 rows\n")
    log = call("audit", "clinic", "--json").stdout
    assert log.count('"access"') == 3
    assert "patient" not in log


def test_requests_and_status_count_what_was_applied_and_refused(clinic):
    call("forget", "clinic", "--id", "1", "--request-id", "good")
    call("forget", "clinic", "--id", "1", "--request-id", "bad", code=3)

    assert {r["request"]: r["status"] for r in asked("requests", "clinic")} == {"good": "applied", "bad": "refused"}
    assert asked("status", "clinic")["requests"] == {"received": 0, "applied": 1, "refused": 1}
    assert "1 of 1 ids unknown" in call("requests", "clinic").stdout
