"""The commands of the store: what they do, what they answer, and how they end."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from analytic_cl import (
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RandomProjection,
    RLSClassifier,
    Store,
)
from analytic_cl.cli import learning_commands
from analytic_cl.cli.main import main
from analytic_cl.datasets import load_clinc150
from analytic_cl.reading import read_features
from analytic_cl.store.report import report

README = Path(__file__).parents[1] / "README.md"
N = 600


def call(*arguments, code=0):
    """Run a command in this process; its result, after a look at how it ended."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if code:
        assert re.search(r"^(Error|Refused): .", result.stderr, re.MULTILINE)
        assert "Traceback" not in result.stderr
    return result


def asked(*arguments, code=0):
    """The result as a program reads it."""
    return json.loads(call(*arguments, "--json", code=code).stdout)


def write_lines(path, values):
    path.write_text("".join(f"{value}\n" for value in values), encoding="utf-8")


@pytest.fixture(scope="session")
def data():
    clinc = load_clinc150()
    keep = np.flatnonzero(clinc.y_train < 6)[:N]
    return clinc.X_train[keep], clinc.classes[clinc.y_train[keep]].astype(str), clinc.y_train[keep]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, data):
    X, names, _ = data
    monkeypatch.chdir(tmp_path)
    np.save("features.npy", X)
    write_lines(Path("labels.txt"), names)
    write_lines(Path("ids.txt"), range(N))
    write_lines(Path("people.txt"), (f"patient {i // 20}" for i in range(N)))
    return tmp_path


@pytest.fixture
def clinic(folder):
    """A store that learned all rows, 20 of each of 30 people."""
    call("init", "clinic")
    call("learn", "clinic", "features.npy", "labels.txt", "--ids", "ids.txt", "--subjects", "people.txt")
    return folder / "clinic"


def digest(path):
    with Store.open(path, read_only=True) as store:
        return store.state_digest()


def retrained(data, keep):
    X, names, _ = data
    return LDAClassifier().fit(X[keep], names[keep]).state_digest()


def people(*numbers):
    return np.isin(np.arange(N) // 20, numbers)


# ---- init


@pytest.mark.parametrize(
    ("options", "head"),
    [
        ([], LDAClassifier()),
        (["--head", "lda", "--shrinkage", "0.2", "--door", "wide"], LDAClassifier(0.2, door="wide")),
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
    assert learning_commands.rows_at_a_time(X) * X[0].nbytes == pytest.approx(2**26, rel=0.001)


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


# ---- evidence


@pytest.fixture
def certified(clinic, data):
    """A certificate, the auditor's keys, and the remaining rows in another order and precision."""
    X, labels, _ = data
    call("forget", "clinic", "--subject", "patient 17", "--request-id", "r17", "--certificate", "r17.json")
    call("export", "clinic", "keys", "--out", "auditor.json")
    rest = np.flatnonzero(~people(17))[::-1]
    np.save("remaining.npy", X[rest].astype(np.float64))
    write_lines(Path("remaining.txt"), labels[rest])
    return Path("r17.json")


def test_a_store_verifies_itself_and_against_a_published_head(clinic):
    head = call("audit", "clinic", "--head").stdout.strip()
    call("forget", "clinic", "--subject", "patient 1")

    assert asked("verify", "clinic", "--head", head, "--full")["retrained"] is True
    call("verify", "clinic", "--head", "1:" + 64 * "0", code=4)


def test_a_certificate_is_proved_by_retraining_without_the_store(certified, clinic):
    clinic.rename("elsewhere")
    arguments = ("verify", certified, "--keys", "auditor.json")

    assert "bit for bit" in call(*arguments, "--retrain", "remaining.npy", "remaining.txt").stdout
    assert asked(*arguments, "--retrain", "remaining.npy", "remaining.txt")["retrained_rows"] == N - 20
    call(*arguments, "--retrain", "features.npy", "labels.txt", code=4)


def test_one_label_or_one_integer_more_is_another_state(certified, data):
    X, labels = np.load("remaining.npy"), Path("remaining.txt").read_text().split()
    arguments = ("verify", certified, "--keys", "auditor.json", "--retrain")
    labels[0] = next(name for name in data[1] if name != labels[0])
    write_lines(Path("other.txt"), labels)
    call(*arguments, "remaining.npy", "other.txt", code=4)
    X[0, 0] += 0.01
    np.save("other.npy", X)
    call(*arguments, "other.npy", "remaining.txt", code=4)


def test_a_certificate_of_nearest_means_behind_a_projection_is_retrained_at_its_door_and_order(data):
    call("init", "means", "--head", "nearest-mean", "--projection", 40)
    call("learn", "means", "features.npy", "labels.txt", "--subjects", "people.txt")
    call("forget", "means", "--subject", "patient 5", "--request-id", "r5", "--certificate", "r5.json")
    call("export", "means", "keys", "--out", "keys.json")
    np.save("remaining.npy", data[0][~people(5)])
    write_lines(Path("remaining.txt"), data[1][~people(5)])

    call("verify", "r5.json", "--keys", "keys.json", "--retrain", "remaining.npy", "remaining.txt")


def test_when_everything_was_erased_the_proof_takes_no_rows(clinic, data):
    for number, label in enumerate(np.unique(data[1])):
        call("forget", "clinic", "--label", label, "--request-id", number, "--certificate", "last.json")
    call("export", "clinic", "keys", "--out", "keys.json")
    np.save("none.npy", data[0][:0])
    Path("none.txt").write_text("")

    assert asked("status", "clinic")["rows"] == 0
    assert call("verify", "last.json", "--keys", "keys.json", "--retrain", "none.npy", "none.txt")
    call("predict", "clinic", "features.npy", code=2)


def test_a_certificate_with_any_byte_of_its_content_changed_is_refused(certified):
    text = certified.read_text()
    end = text.index('"signature"')
    for place in [*range(0, end, 29), text.index("r17"), text.index('"removed": 2') + 11]:
        if text[place].isspace():
            continue
        other = "x" if text[place] != "x" else "y"
        Path("changed.json").write_text(text[:place] + other + text[place + 1 :])
        call("verify", "changed.json", "--keys", "auditor.json", code=4)
    value = text.index('"value": "') + 10
    Path("changed.json").write_text(text[:value] + ("0" if text[value] != "0" else "1") + text[value + 1 :])
    call("verify", "changed.json", "--keys", "auditor.json", code=4)


def test_a_certificate_in_which_a_name_occurs_twice_is_refused(certified):
    certified.write_text(certified.read_text().replace('"removed": 20', '"removed": 19,\n  "removed": 20'))
    assert "twice" in call("verify", certified, "--keys", "auditor.json", code=4).stderr


def test_the_keys_of_another_store_do_not_verify_a_certificate(certified):
    call("init", "other")
    call("export", "other", "keys", "--out", "other.json")

    call("verify", certified, "--keys", "other.json", code=4)
    call("verify", certified, "--store", "other", code=4)


def test_with_public_keys_the_signature_is_checked_and_retraining_asks_for_more(certified):
    call("export", "clinic", "keys", "--public-only", "--out", "public.json")

    assert "certificate_keys" not in json.loads(Path("public.json").read_text())
    call("verify", certified, "--keys", "public.json")
    message = call("verify", certified, "--keys", "public.json", "--retrain", "remaining.npy", "remaining.txt", code=2)
    assert "auditor" in message.stderr


def test_a_store_says_whether_a_certificate_describes_its_present_state(certified):
    assert asked("verify", certified, "--store", "clinic")["store"]["certificate_is_current"] is True
    call("forget", "clinic", "--id", "1")
    assert asked("verify", certified, "--store", "clinic")["store"]["certificate_is_current"] is False


@pytest.mark.parametrize(
    "options",
    [[], ["--full"], ["--keys", "features.npy"], ["--keys", "r17.json"], ["--keys", "no.json"]],
)
def test_verifying_a_certificate_without_usable_keys_is_a_usage_error(certified, options):
    call("verify", certified, *options, code=5 if options == ["--full"] else 2)


def test_keys_are_readable_by_their_owner_only(certified):
    assert Path("auditor.json").stat().st_mode & 0o777 == 0o600
    assert set(json.loads(Path("auditor.json").read_text())) == {"public_keys", "certificate_keys"}


def test_an_exported_certificate_is_the_one_of_the_request(certified):
    call("export", "clinic", "certificate", "--request", "r17", "--out", "again.json")
    assert Path("again.json").read_text() == certified.read_text()
    call("export", "clinic", "certificate", "--request", "unheard of", "--out", "x.json", code=2)
    call("export", "clinic", "certificate", "--out", "x.json", code=2)


def test_a_report_explains_every_field_and_says_what_is_not_covered(certified):
    call("export", "clinic", "report", "--request", "r17", "--out", "r17.md")
    text, certificate = Path("r17.md").read_text(), json.loads(certified.read_text())

    for name in certificate.keys() - {"format", "format_version", "not_covered"}:
        assert f"| {name} |" in text
    for item in certificate["not_covered"]:
        assert item in text
    assert "20 of 20 requested rows were erased" in text
    assert "--retrain" in text
    assert call("export", "clinic", "report", "--request", "r17", "--out", "-").stdout == text


def test_nothing_in_a_certificate_changes_the_shape_of_its_report(certified):
    certificate = json.loads(certified.read_text())
    nasty = {**certificate, "request": "`|\n# Erased all rows |<b>", "versions": {"<script>|": "`x`|"}}

    shape = [[line[:2], line.count("|")] for line in report(certificate).splitlines()]
    assert [[line[:2], line.count("|") - line.count("\\|")] for line in report(nasty).splitlines()] == shape


def test_tombstones_erase_again_what_a_backup_brings_back(clinic, data):
    shutil.copytree(clinic, "backup")
    call("forget", "clinic", "--subject", "patient 9")
    call("export", "clinic", "tombstones", "--out", "tombstones.json")

    assert asked("replay", "backup", "tombstones.json")["removed"] == 20
    assert digest("backup") == retrained(data, ~people(9))
    assert "Nothing" in call("replay", "backup", "tombstones.json").stdout
    call("replay", "backup", "clinic/keys.json", code=2)


# ---- trouble


def test_a_store_in_use_or_unusable_ends_with_5_and_readers_are_not_in_the_way(clinic):
    with Store.open(clinic):
        assert "process" in call("forget", "clinic", "--id", "1", code=5).stderr
        call("predict", "clinic", "features.npy")
        call("verify", "clinic")
    call("status", "nowhere", code=5)
    (clinic / "keys.json").write_text("{")
    call("status", "clinic", code=5)


def test_a_damaged_log_does_not_verify(clinic):
    import sqlite3

    database = sqlite3.connect(clinic / "store.sqlite")
    with database:
        database.execute("UPDATE audit SET entry = replace(entry, '600', '599')")
    database.close()
    assert "altered" in call("verify", "clinic", code=4).stderr


def test_exit_codes_are_in_the_help_and_in_the_readme():
    text, readme = call("--help").stdout, re.search(r"Exit codes: (.*)\.", README.read_text())[1]

    assert [line.split()[0] for line in text.split("Exit codes")[1].splitlines()[1:]] == list("02345")
    assert [part.split()[0] for part in readme.split(", ")] == list("02345")


# ---- the README


def readme_commands():
    section = README.read_text().split("## Deletion requests")[1].split("\n## ")[0]
    return [shlex.split(line, comments=True) for line in re.findall(r"^    (analytic-cl .*)$", section, re.MULTILINE)]


def test_the_commands_of_the_readme_run_and_end_with_a_certificate_proved_by_retraining(folder, data):
    X, labels, _ = data
    commands = readme_commands()
    rest = np.random.RandomState(0).permutation(np.flatnonzero(~people(17)))
    np.save("remaining.npy", X[rest].astype(np.float64))
    write_lines(Path("remaining-labels.txt"), labels[rest])
    write_lines(Path("ids.txt"), (f"visit {i}" for i in range(N)))

    assert len(commands) < 10
    for program, *arguments in commands:
        assert program == "analytic-cl"
        last = call(*arguments)
    assert commands[-1][1] == "verify"
    assert "--retrain" in commands[-1]
    assert "580 rows give, bit for bit, the certified state" in last.stdout
