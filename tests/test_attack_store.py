"""Damaged, exchanged and rolled back files of a store, and links and pipes in the place of them."""

import os
import shutil
import sqlite3

import numpy as np
import pytest
from attacks import harmed
from click.testing import CliRunner
from common import blobs

from analytic_cl import LDAClassifier, Store
from analytic_cl.cli.main import main
from analytic_cl.store import StoreError, VerificationError, check_certificate

X, Y = blobs(60, 5, 3)


def make(path, seed=0):
    """A store with a request and rows that came after the last snapshot."""
    with Store.create(path, LDAClassifier()) as store:
        store.learn(X[:40] + seed, Y[:40], sample_id=range(40), subject=[f"patient {i // 5}" for i in range(40)])
        store.forget(subject="patient 3", request_id="first")
        store.restrict(subject="patient 4", request_id="second")
        store.learn(X[40:50] + seed, Y[40:50], subject="patient 8")
        copy = shutil.copytree(path, path.with_name(f"{path.name} in use"))  # as after a kill: no snapshot of the last
        digest, predictions = store.state_digest(), store.predict(X)
    shutil.rmtree(path)
    shutil.move(copy, path)
    return digest, predictions


def cli_verify(path, *options):
    return CliRunner().invoke(main, ["verify", str(path), *options])


@pytest.mark.parametrize("name", ["store.sqlite", "store.sqlite-wal", "keys.json", "snapshots"])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_damaged_file_of_a_store_is_refused_or_the_model_is_the_same(tmp_path, name, read_only):
    digest, predictions = make(tmp_path / "whole")
    if name == "store.sqlite":
        sqlite3.connect(tmp_path / "whole" / name).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    path = tmp_path / "harmed"
    whole = tmp_path / "whole" / name
    whole = next(whole.iterdir()) if name == "snapshots" else whole
    for what, content in harmed(whole.read_bytes(), len(name)):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(tmp_path / "whole", path)
        (path / whole.relative_to(tmp_path / "whole")).write_bytes(content)
        try:
            with Store.open(path, read_only=read_only) as store:
                same = store.state_digest() == digest and (store.predict(X) == predictions).all()
                assert same or name.endswith("-wal"), what
                checked = store.verify(retrain=True)
                assert checked.rows == (40 if same else checked.rows), what
        except (StoreError, ValueError, VerificationError):
            assert cli_verify(path, "--full").exit_code in (0, 4, 5), what  # 0: what was mended in passing


def test_a_store_is_made_for_its_owner_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        make(tmp_path / "store")
        with Store.open(tmp_path / "store") as store:
            store.forget(subject="patient 1")
            modes = {path.name: path.stat().st_mode & 0o777 for path in store.path.rglob("*")}
    finally:
        os.umask(before)
    assert {mode for name, mode in modes.items() if name != "snapshots"} == {0o600}
    assert modes["snapshots"] == (tmp_path / "store").stat().st_mode & 0o777 == 0o700


# ---- rolled back and exchanged


@pytest.fixture
def two(tmp_path):
    make(tmp_path / "one")
    make(tmp_path / "two", seed=1)
    for name in ("one", "two"):
        Store.open(tmp_path / name).close()
    return tmp_path / "one", tmp_path / "two"


def refused(path, words, *, code=4):
    result = cli_verify(path, "--full")
    assert result.exit_code == code, result.output
    assert words in result.output
    with Store.open(path, read_only=True) as store, pytest.raises(VerificationError):
        store.verify()


def test_an_older_database_under_newer_snapshots_does_not_verify(two):
    path, _ = two
    older = (path / "store.sqlite").read_bytes()
    with Store.open(path) as store:
        store.forget(subject="patient 1")
    (path / "store.sqlite").write_bytes(older)
    refused(path, "snapshot")


def test_an_older_snapshot_under_a_newer_log_does_not_verify(two):
    path, _ = two
    (older,) = (path / "snapshots").iterdir()
    content = older.read_bytes()
    with Store.open(path) as store:
        store.forget(subject="patient 1")
    (newer,) = (path / "snapshots").iterdir()
    newer.write_bytes(content)
    refused(path, "another state")


@pytest.mark.parametrize("table", ["rows", "audit"])
def test_older_rows_or_an_older_log_in_a_newer_database_do_not_verify(two, table):
    path, _ = two
    older = path.with_name("older.sqlite")
    shutil.copy(path / "store.sqlite", older)
    with Store.open(path) as store:
        store.learn(X[50:], Y[50:])
        store.snapshot()
    with sqlite3.connect(path / "store.sqlite") as database:
        database.execute("ATTACH ? AS older", (str(older),))
        database.execute(f"DELETE FROM {table}")
        database.execute(f"INSERT INTO {table} SELECT * FROM older.{table}")
    database.close()
    refused(path, {"rows": "rows", "audit": "ends before the snapshot"}[table])


def test_keys_of_another_store_do_not_verify_and_nothing_is_written_with_them(two):
    path, other = two
    shutil.copy(other / "keys.json", path / "keys.json")
    refused(path, "of two stores")
    content = (path / "store.sqlite").read_bytes()
    with pytest.raises(StoreError, match=r"keys\.json holds the keys of another store"):
        Store.open(path)
    assert (path / "store.sqlite").read_bytes() == content


def test_the_log_of_another_store_does_not_verify(two):
    path, other = two
    with sqlite3.connect(path / "store.sqlite") as database:
        database.execute("ATTACH ? AS other", (str(other / "store.sqlite"),))
        database.execute("DELETE FROM audit")
        database.execute("INSERT INTO audit SELECT * FROM other.audit")
    database.close()
    refused(path, "of two stores")


def test_a_certificate_of_another_store_does_not_verify(two, tmp_path):
    path, other = two
    with Store.open(path) as mine, Store.open(other) as theirs:
        certificate = theirs.receipt("first").certificate
        with pytest.raises(VerificationError, match="trusted public keys"):
            mine.verify(certificate=certificate)
        for key in ("key", "public_key", "value"):
            for odd in (None, [], {}, 7):
                forged = {**certificate, "signature": {**certificate["signature"], key: odd}}
                with pytest.raises(VerificationError):
                    check_certificate(forged, theirs.public_keys())
    with sqlite3.connect(path / "store.sqlite") as database:
        database.execute("ATTACH ? AS other", (str(other / "store.sqlite"),))
        database.execute("UPDATE requests SET receipt = (SELECT receipt FROM other.requests WHERE request = 'first')")
    database.close()
    refused(path, "trusted public keys")


# ---- links, pipes, and what runs by itself

FILES = ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "store.sqlite-journal", "keys.json", "writer.lock"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_link_or_a_pipe_in_the_place_of_a_file_is_refused(two, tmp_path, name, read_only):
    path, _ = two
    target = tmp_path / "of somebody else"
    target.write_text("precious")
    for put in (lambda place: place.symlink_to(target), os.mkfifo, lambda place: place.symlink_to(tmp_path / "new")):
        (path / name).unlink(missing_ok=True)
        put(path / name)
        with pytest.raises(StoreError, match=f"{name} is (a symbolic link|not a file)"):
            Store.open(path, read_only=read_only)
        assert cli_verify(path).exit_code == 5
    assert target.read_text() == "precious"
    assert not (tmp_path / "new").exists()


def test_nothing_is_removed_through_a_linked_folder_of_snapshots(two, tmp_path):
    path, _ = two
    shutil.move(path / "snapshots", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "letter.txt").write_text("precious")
    (path / "snapshots").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError, match="snapshots is a symbolic link"):
        Store.open(path)
    assert (tmp_path / "elsewhere" / "letter.txt").read_text() == "precious"


def test_pipes_links_and_folders_among_the_snapshots_are_not_followed(two, tmp_path):
    path, _ = two
    with Store.open(path) as store:
        digest = store.state_digest()
    (snapshot,) = (path / "snapshots").iterdir()
    snapshot.unlink()
    os.mkfifo(snapshot)
    (tmp_path / "letter.txt").write_text("precious")
    (path / "snapshots" / "link").symlink_to(tmp_path / "letter.txt")
    (path / "snapshots" / "folder").mkdir()
    (path / ".folder.tmp").mkdir()
    (path / ".link.tmp").symlink_to(tmp_path / "letter.txt")

    with Store.open(path) as store:
        assert store.state_digest() == digest
        store.verify(retrain=True)
    assert (tmp_path / "letter.txt").read_text() == "precious"
    assert not (path / ".link.tmp").is_symlink()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER a AFTER INSERT ON audit BEGIN DELETE FROM tombstones; END",
        "CREATE VIEW a AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    ],
)
def test_a_database_with_programs_in_it_is_refused(two, statement):
    path, _ = two
    sqlite3.connect(path / "store.sqlite").execute(statement).connection.close()
    for read_only in (True, False):
        with pytest.raises(StoreError, match="which no store has"):
            Store.open(path, read_only=read_only)


@pytest.mark.parametrize("field", ["integers", "label", "subject", "session", "learned"])
def test_a_row_that_was_damaged_on_disk_is_never_taken_out_of_the_state(two, field):
    path, _ = two
    value = {"integers": "zeroblob(20)", "label": "(SELECT max(code) FROM labels)"}.get(field, "'\"x\"'")
    with sqlite3.connect(path / "store.sqlite") as database:
        database.execute(f"UPDATE rows SET {field} = {value} WHERE sample = '#0;'")
    database.close()
    with Store.open(path) as store:
        digest = store.state_digest()
        with pytest.raises(StoreError, match="does not have its checksum"):
            store.forget(sample_id=[0])
        assert store.state_digest() == digest
        np.testing.assert_array_equal(store.n_rows, 40)
