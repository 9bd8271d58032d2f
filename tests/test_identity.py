"""A name is one name however it is typed: with spaces around it, composed or decomposed, in any file or option."""

import json
import unicodedata

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from common import HEADS, blobs, head_name, ignore_quantization, needs

from analytic_cl import ContinualPipeline, ErrorMemory, LDAClassifier, Store, load, metrics
from analytic_cl.cli.main import main
from analytic_cl.ledger import NotLearnedError, as_ids
from analytic_cl.scenarios import class_incremental
from analytic_cl.store import AlreadyErasedError, RefusedError, StoreError

X, Y = blobs(24, 4, 3)
COMPOSED, DECOMPOSED = "Jos\u00e9 \u00c5", unicodedata.normalize("NFD", "Jos\u00e9 \u00c5")
SPELLINGS = [COMPOSED, DECOMPOSED, f" {COMPOSED}", f"{DECOMPOSED}\t", f"\u00a0{DECOMPOSED}\n"]

spelled = pytest.mark.parametrize("other", SPELLINGS, ids=ascii)


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier()) as opened:
        yield opened


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# ---- heads


@ignore_quantization
@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_spellings_of_one_label_are_one_class_of_every_head(head):
    plain = np.array([COMPOSED, "b", "c"])
    odd = np.array([[COMPOSED, " b", "c"], [DECOMPOSED, "b", "c\n"]])[np.arange(24) % 2, Y]
    head.fit(X, odd)

    assert head.classes_.tolist() == sorted(plain.tolist())
    assert head.score(X, odd) == head.score(X, plain[Y]) > 0.9
    assert set(head.predict(X)) == set(plain)
    digest = head.state_digest()
    assert head.fit(X, plain[Y]).state_digest() == digest
    assert head.fit(X, odd.tolist()).state_digest() == digest
    head.forget(X[:6], odd[:6].tolist())
    assert head.partial_fit(X[:6], odd[:6], classes=[*SPELLINGS, "b ", "c"]).state_digest() == digest


def test_labels_that_change_their_place_by_their_spelling_keep_their_rows():
    odd = np.array(["b", " c", "a "])[Y]  # as given, they sort in another order
    head = LDAClassifier(track="rows").fit(X, odd)

    assert head.classes_.tolist() == ["a", "b", "c"]
    assert head.state_digest() == LDAClassifier().fit(X, np.array(["b", "c", "a"])[Y]).state_digest()
    assert head.forget_class("c  ").classes_emptied == ["c"]


@spelled
def test_spellings_of_one_id_are_one_id_of_a_head(other):
    head = LDAClassifier().fit(X, Y, sample_id=[COMPOSED, *range(23)])

    with pytest.raises(ValueError, match="already learned"):
        head.partial_fit(X[:1], Y[:1], sample_id=[other])
    with pytest.raises(ValueError, match="given twice"):
        head.forget(sample_id=[COMPOSED, other])
    head.rectify(X[1:2], Y[1:2], sample_id=np.array([other]))
    assert head.forget(X[1:2], Y[1:2], sample_id=other).removed == 1
    with pytest.raises(NotLearnedError):
        head.forget(sample_id=[COMPOSED])


NO_IDS = {
    "floats of pandas": (pd.Series([1, None, 3]), r"position 0 it is 1.0 .*astype\('int64'\)"),
    "whole floats": (np.array([1.0, 2.0, 3.0]), "leave out the rows without an id"),
    "32-bit floats": ([np.float32(1), np.float32(2), 3], "became floats"),
    "NaN": (["a", float("nan"), "b"], "position 1 it is nan .*every row needs an id"),
    "None": (["a", "b", None], "position 2 it is None .*every row needs an id"),
    "a gap in pandas' integers": (pd.Series([1, pd.NA, 3], dtype="Int64"), "position 1 .*every row needs an id"),
    "no time": ([1, pd.NaT, 3], "every row needs an id"),
    "empty": (["a", "", "b"], "position 1 it is empty"),
    "spaces": (np.array(["a", "b", "\u00a0 "]), "position 2 it is empty"),
    "one float": (7.0, "got float.*became floats"),
    "two spellings": (["a", "b", " a"], "given twice in one call: 'a'"),
}


@pytest.mark.parametrize(("ids", "words"), NO_IDS.values(), ids=NO_IDS)
def test_what_names_no_row_is_refused_with_what_to_do(store, ids, words):
    head = LDAClassifier().fit(X, Y)
    before = head.state_digest()
    for refuse in (
        lambda: head.partial_fit(X[:3], Y[:3], sample_id=ids),
        lambda: store.learn(X[:3], Y[:3], sample_id=ids),
        lambda: store.forget(sample_id=ids),
        lambda: as_ids(ids),
    ):
        with pytest.raises(ValueError, match=words):
            refuse()
    assert (head.state_digest(), store.n_rows, store.requests()) == (before, 0, [])


def test_an_id_asked_for_as_the_other_kind_is_named():
    head = LDAClassifier().fit(X[:4], Y[:4], sample_id=[1, 2, "3", "x"])

    with pytest.raises(NotLearnedError, match=r"'1', 3; learned were 1, '3': integers and text are different ids"):
        head.forget(sample_id=["1", 3])
    with pytest.raises(NotLearnedError, match=r"forgotten: 'y'$"):
        head.forget(sample_id=["y"])


def test_a_saved_head_with_labels_or_ids_in_other_spellings_is_refused(tmp_path, monkeypatch):
    """Nobody would be found under them."""
    from analytic_cl.ledger import ids
    from analytic_cl.statistics import labels

    with monkeypatch.context() as old:
        old.setattr(labels, "plain_text", str)
        LDAClassifier().fit(X, np.array(["a", "a ", "c"])[Y]).save(tmp_path / "labels")
    with pytest.raises(ValueError, match="repeated or out of order"):
        load(tmp_path / "labels")
    with monkeypatch.context() as old:
        old.setattr(ids, "plain_text", str)
        LDAClassifier().fit(X, Y, sample_id=[f"{DECOMPOSED} ", *range(23)]).save(tmp_path / "ids")
    with pytest.raises(ValueError, match="ids are not in their one spelling"):
        load(tmp_path / "ids")


def test_spellings_are_one_label_for_pipelines_memories_metrics_and_scenarios():
    from sklearn.naive_bayes import GaussianNB
    from sklearn.preprocessing import StandardScaler

    odd = np.array([[COMPOSED, " b", "c"], [DECOMPOSED, "b", "c\n"]], dtype=object)[np.arange(24) % 2, Y]
    pipeline = ContinualPipeline(StandardScaler().fit(X), LDAClassifier()).fit(X, odd)
    assert pipeline.score(X, odd) > 0.9
    base = GaussianNB().fit(X, odd.astype(str))  # to which spellings are classes apart
    memory = ErrorMemory(base).fit(X, odd)
    assert memory.classes_.tolist() == sorted([COMPOSED, "b", "c"])
    assert memory.score(X, odd) > 0.9
    assert metrics.macro_accuracy(odd, np.array([COMPOSED, "b", "c"])[Y]) == 1
    assert len(class_incremental(odd, 3)) == 3


# ---- the store


@spelled
def test_spellings_of_one_name_are_one_name_of_a_store(store, other):
    store.learn(X[:4], Y[:4], sample_id=[COMPOSED, "b", "c", "d"], subject=DECOMPOSED, session=f"{DECOMPOSED} ")
    store.learn(X[4:6], Y[4:6], subject=[other, None])
    with pytest.raises(ValueError, match="ids that the store has"):
        store.learn(X[:1], Y[:1], sample_id=other)

    found = store.access(other)
    assert len(found["rows"]) == 5
    assert {row["subject"] for row in found["rows"]} == {COMPOSED}
    assert found["rows"][0]["sample_id"] == found["rows"][0]["session"] == COMPOSED
    store.rectify(X[6:7], Y[6:7], sample_id=[other])
    store.restrict(session=other, request_id=other)
    assert store.receipt(f"{DECOMPOSED} ") == store.restrict(session=COMPOSED, request_id=f" {other}")
    store.unrestrict(sample_id=other, subject=other)
    assert store.forget(subject=other, dry_run=True).removed == 5
    assert store.forget(sample_id=other).removed == 1
    with pytest.raises(AlreadyErasedError):
        store.learn(X[:1], Y[:1], sample_id=other)
    assert store.forget(subject=other).removed == 4
    with pytest.raises(AlreadyErasedError, match="subjects that were erased"):
        store.learn(X[:1], Y[:1], subject=[other])
    with pytest.raises(RefusedError, match="never learned, or erased"):
        store.forget(subject=other)
    store.learn(X[:1], Y[:1], sample_id=other, subject=other, allow_erased=True)
    store.learn(X[1:2], Y[1:2], sample_id=[1], subject=COMPOSED)
    assert store.verify(retrain=True).rows == 3


def test_a_restored_backup_is_erased_again_whatever_the_spelling(tmp_path, store):
    import shutil

    store.learn(X, np.array(["a ", DECOMPOSED, " c"])[Y], subject=DECOMPOSED, sample_id=[f"{i} " for i in range(24)])
    store.close()
    shutil.copytree(store.path, tmp_path / "backup")
    with Store.open(store.path) as opened:
        opened.forget(sample_id=["3"])
        tombstones = opened.export_tombstones()
        opened.forget(label=f" {COMPOSED}")
        opened.forget(subject=f" {COMPOSED}")
        everything = opened.export_tombstones()
    with Store.open(tmp_path / "backup") as backup:
        assert backup.replay_tombstones(tombstones).removed == 1
        assert backup.replay_tombstones(everything).removed == 23


def test_a_merged_store_and_head_bring_names_in_the_same_spelling(tmp_path, store):
    head = LDAClassifier().fit(X[:3], Y[:3], sample_id=[f"{DECOMPOSED} ", "b", "c"])
    store.merge(head)
    assert store.forget(sample_id=COMPOSED).removed == 1
    with Store.create(tmp_path / "other", LDAClassifier()) as other:
        other.learn(X[3:4], Y[3:4], subject=f" {DECOMPOSED}")
        store.merge(other)
    assert len(store.access(COMPOSED)["rows"]) == 1


@pytest.mark.parametrize("column", ["sample", "subject", "session", "label"])
def test_a_store_of_an_earlier_version_with_names_in_other_spellings_is_refused(store, column):
    store.learn(X[:3], ["a", "b", "c"], sample_id=["u", "v", "w"], subject="Ann", session="Monday")
    store.parts.database.run("DELETE FROM about WHERE name = 'spelling'")
    store.close()
    for how in ({"read_only": True}, {}):
        with Store.open(store.path, **how) as opened:  # all names are as they would be now
            assert opened.n_rows == 3
    with Store.open(store.path) as opened:
        assert opened.parts.database.about("spelling") == "NFC"
        opened.parts.database.run("DELETE FROM about WHERE name = 'spelling'")
        if column == "label":
            opened.parts.database.run("UPDATE labels SET label = ? WHERE code = 1", json.dumps("a "))
        else:
            opened.parts.database.run(f"UPDATE rows SET {column} = ? WHERE row = 1", json.dumps(DECOMPOSED))
        opened.parts.models.loaded = None
    for how in ({"read_only": True}, {}):
        with pytest.raises(StoreError, match="learn its rows into a new store"):
            Store.open(store.path, **how)


def test_labels_of_a_store_have_one_spelling_also_behind_forgetting(store):
    store.learn(X, np.array(["a ", DECOMPOSED, " c"])[Y], sample_id=range(24))
    store.learn(X, np.array(["a", COMPOSED, "c"])[Y])

    assert set(store.predict(X)) == {"a", COMPOSED, "c"}
    assert store.status()["classes"] == 3
    assert store.forget(label=f"{DECOMPOSED} ").removed == 16
    assert store.verify(retrain=True).rows == 32


NO_NAMES = {
    "a float": (12.0, "got 12.0 .float."),
    "NaN": (float("nan"), "got nan .float."),
    "NumPy's float": (np.float64(1), "float64"),
    "an integer": (12, "got 12 .int."),
    "spaces": ("  ", "with something in it"),
    "bytes": (b"Ann", "got b'Ann'"),
    "a surrogate": ("\ud800", "not valid Unicode"),
    "pandas' gap": (pd.Series(["Ann", None, "Bob"], dtype="str"), "row 1; None stands for none"),
    "floats": (np.array([1.0, 2.0, 3.0]), "got np.float64.1.0. .*row 0"),
}


@pytest.mark.parametrize("what", ["subject", "session"])
@pytest.mark.parametrize(("value", "words"), NO_NAMES.values(), ids=NO_NAMES)
def test_what_names_nobody_is_refused(store, what, value, words):
    with pytest.raises(ValueError, match=words):
        store.learn(X[:3], Y[:3], **{what: value})
    if not hasattr(value, "shape") or np.ndim(value) == 0:
        with pytest.raises(ValueError, match=words):
            store.forget(**{what: value})
        with pytest.raises(ValueError, match=words.replace("row 1; None stands for none", "")):
            store.access(value)
    assert store.n_rows == 0


def test_asking_about_nobody_is_no_success_and_is_in_the_log(store):
    for _ in range(2):
        with pytest.raises(RefusedError, match="'nobody' are in the store: never learned, or erased"):
            store.access("nobody")
        store.learn(X[:3], Y[:3], subject=["Ann", "Bob", None])
    store.forget(subject="Bob")
    with pytest.raises(RefusedError, match="never learned, or erased"):
        store.access("Bob")
    assert [entry["rows"] for entry in store.audit() if entry["event"] == "access"] == [0, 0, 0]


@pytest.mark.parametrize(
    ("learned", "asked", "words"), [(7, "7", "integers, and these are text"), ("7", 7, "text, and")]
)
@pytest.mark.parametrize("kind", ["forget", "restrict", "rectify"])
def test_ids_asked_for_as_the_other_kind_cost_no_request_id(store, learned, asked, words, kind):
    store.learn(X[:3], Y[:3], sample_id=[learned, "8" if isinstance(learned, str) else 8, "x" if learned == "7" else 9])
    rows = {"X": X[3:4], "y": Y[3:4]} if kind == "rectify" else {}
    request = getattr(store, kind)
    with pytest.raises(RefusedError, match=words):
        request(**rows, sample_id=[asked], request_id="r")

    assert store.requests() == []
    assert request(**rows, sample_id=[learned], request_id="r").removed == 1
    with pytest.raises(RefusedError, match=r"nothing was changed$"):  # nobody's: that is on record
        store.forget(sample_id=["nobody"], request_id="s")
    assert [entry["status"] for entry in store.requests()] == ["applied", "refused"]
    store.verify(retrain=True)


# ---- the command line


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X[:4])
    (tmp_path / "l.txt").write_text("a\nb\na\nb\n")
    (tmp_path / "people.txt").write_text(f"{DECOMPOSED}\n {DECOMPOSED}\nAnn \nAnn\n")
    assert run("init", "s").exit_code == 0
    return tmp_path


def rows_of(name):
    result = run("access", "s", "--subject", name, "--json")
    return len(json.loads(result.stdout)["rows"]) if result.exit_code == 0 else result.exit_code


def test_access_finds_a_person_however_they_are_spelled_and_ends_with_3_for_nobody(folder):
    assert run("learn", "s", "x.npy", "l.txt", "--subjects", "people.txt").exit_code == 0

    assert [rows_of(name) for name in (*SPELLINGS, "Ann", " Ann", "nobody", "ann")] == [2, 2, 2, 2, 2, 2, 2, 3, 3]
    assert "never learned, or erased" in run("access", "s", "--subject", "nobody").stderr


def test_a_person_who_was_learned_with_spaces_is_forgotten_by_batch_and_stays_away(folder):
    assert run("learn", "s", "x.npy", "l.txt", "--subject", f"{DECOMPOSED} ").exit_code == 0
    (folder / "b.csv").write_text(f"request_id,subject\nr1,{COMPOSED} \n")

    assert json.loads(run("forget", "s", "--batch", "b.csv", "--json").stdout)["removed"] == 4
    for name in SPELLINGS:
        assert run("learn", "s", "x.npy", "l.txt", "--subject", name).exit_code == 3
    lines = [{"request_id": "r1\t", "subject": f" {DECOMPOSED}"}]
    (folder / "again.jsonl").write_text("\n".join(map(json.dumps, lines)))
    again = json.loads(run("forget", "s", "--batch", "again.jsonl", "--json").stdout)
    assert (again["applied_before"], again["removed"]) == (1, 0)
    assert run("export", "s", "report", "--request", " r1", "--out", "-").exit_code == 0


def test_a_batch_joins_lines_of_one_request_and_refuses_one_id_in_two_spellings(folder):
    assert run("learn", "s", "x.npy", "l.txt", "--ids", "l4.txt").exit_code == 2
    (folder / "ids.txt").write_text("u \nv\nw\nx\n")
    assert run("learn", "s", "x.npy", "l.txt", "--ids", "ids.txt").exit_code == 0
    (folder / "twice.csv").write_text("request_id,sample_id\nr1,u\nr1,u \n")
    refused = run("forget", "s", "--batch", "twice.csv")
    assert (refused.exit_code, "given twice" in refused.stderr) == (2, True)
    lines = [{"request_id": "r1", "sample_id": " u"}, {"request_id": "r1 ", "sample_id": ["v"]}]
    (folder / "joined.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert json.loads(run("forget", "s", "--batch", "joined.jsonl", "--json").stdout)["removed"] == 2
    (folder / "numbers.jsonl").write_text(json.dumps({"request_id": "r2", "subject": 12.0}))
    assert run("forget", "s", "--batch", "numbers.jsonl").exit_code == 2


def test_parquet_columns_are_spelled_like_everything_else(folder):
    needs("pyarrow", "ANALYTIC_CL_PARQUET")
    frame = pd.DataFrame({"id": [f"{i} " for i in "abcd"], "who": ["Ann ", f" {DECOMPOSED}", "Ann", COMPOSED]})
    frame["label"], frame["number"] = ["x ", "y", "x", " y"], [1.0, 2.0, np.nan, 4.0]
    frame.to_parquet("t.parquet")
    learn = ("learn", "s", "x.npy", "t.parquet:label")
    for options in (("--ids", "t.parquet:number"), ("--subjects", "t.parquet:number")):
        assert run(*learn, *options).exit_code == 2
    frame["number"] = [1.0, 2.0, 3.0, 4.0]
    frame.to_parquet("t.parquet")
    for options in (("--ids", "t.parquet:number"), ("--subjects", "t.parquet:number")):
        refused = run(*learn, *options)
        assert (refused.exit_code, "floats" in refused.stderr) == (2, True)
    assert run(*learn, "--ids", "t.parquet:id", "--subjects", "t.parquet:who").exit_code == 0
    assert [rows_of(name) for name in ("Ann", COMPOSED)] == [2, 2]
    assert run("forget", "s", "--id", " a").exit_code == 0
    assert json.loads(run("status", "s", "--json").stdout)["classes"] == 2
    assert run("forget", "s", "--label", "y ").exit_code == 0


def test_integer_ids_asked_for_as_text_are_named_and_the_second_try_works(folder):
    np.save("ids.npy", np.arange(4))
    assert run("learn", "s", "x.npy", "l.txt", "--ids", "ids.npy").exit_code == 0
    (folder / "b.csv").write_text("request_id,sample_id\nr1,1\nr2,2\nr3,99\n")

    refused = run("forget", "s", "--batch", "b.csv")
    assert refused.exit_code == 3
    assert refused.stderr.count("--integer-ids") == 3
    done = json.loads(run("forget", "s", "--batch", "b.csv", "--integer-ids", "--json").stdout)
    assert (done["applied"], done["removed"], done["refused"]) == (2, 2, 1)
    assert "--integer-ids" not in done["results"][2]["reason"]
    assert run("forget", "s", "--id", "3", "--request-id", "r4").exit_code == 3
    assert run("forget", "s", "--id", "3", "--request-id", "r4", "--integer-ids").exit_code == 0


def test_access_works_where_the_store_can_not_be_written_to(folder, monkeypatch):
    from analytic_cl.store import files

    assert run("learn", "s", "x.npy", "l.txt", "--subject", "Ann").exit_code == 0
    entries = len(json.loads(run("audit", "s", "--json").stdout))
    with Store.open("s"):  # somebody who writes is not a volume that is read-only
        assert run("access", "s", "--subject", "Ann").exit_code == 5

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(files.os, "open", refuse)
    found = run("access", "s", "--subject", "Ann ")
    assert (found.exit_code, found.stdout.splitlines()[0]) == (0, "4 rows")
    assert "log does not note" in found.stderr
    assert run("access", "s", "--subject", "nobody").exit_code == 3
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert len(json.loads(run("audit", "s", "--json").stdout)) == entries
    assert run("access", "nowhere", "--subject", "Ann").exit_code == 5
