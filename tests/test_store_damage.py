"""What is damaged, moved or used by several processes is read right, mended, or named."""

import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from common import blobs

from analytic_cl import LDAClassifier, Store
from analytic_cl.store import StoreError, StoreLockedError
from analytic_cl.store.database import FORMAT_VERSION

X, Y = blobs(60, 5, 3)
IDS = list(range(60))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


# ---- damage


@pytest.fixture
def closed(tmp_path):
    """The directory and the digest of a store with rows learned, erased, restricted and learned again."""
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X[:50], Y[:50], sample_id=IDS[:50])
        store.forget(sample_id=[3, 4])
        store.restrict(sample_id=[5, 6])
        store.learn(X[50:], Y[50:], sample_id=IDS[50:])
        digest = store.state_digest()
    kept = [i for i in IDS if i not in (3, 4, 5, 6)]
    assert digest == LDAClassifier().fit(X[kept], Y[kept]).state_digest()
    return store.path, digest


def damages():
    def flip(place):
        def damage(file):
            content = bytearray(file.read_bytes())
            at, versions = int(place * (len(content) - 1)), content.index(b'"versions":')  # on record, and never read
            end = content.index(b'}"', versions) + 4
            content[end if versions <= at < end else at] ^= 4
            file.write_bytes(content)

        return damage

    yield "missing", lambda file: file.unlink()
    yield "empty", lambda file: file.write_bytes(b"")
    yield "half", lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    yield "one byte short", lambda file: file.write_bytes(file.read_bytes()[:-1])
    for place in (0, 0.01, 0.3, 0.7, 1):
        yield f"flipped at {place}", flip(place)
    yield "another head's", lambda file: LDAClassifier().fit(X[:9], Y[:9]).save(file)


@pytest.mark.parametrize("damage", [pytest.param(damage, id=name) for name, damage in damages()])
def test_a_damaged_snapshot_is_mended_from_the_rows(closed, damage):
    path, digest = closed
    (snapshot,) = (path / "snapshots").iterdir()
    damage(snapshot)

    with Store.open(path, read_only=True) as reader:
        assert reader.state_digest() == digest
    with Store.open(path) as store:
        assert store.state_digest() == digest
        assert store.verify(retrain=True).rows == 56
        assert [entry["event"] for entry in store.audit()].count("mended") == 1
        store.unrestrict(sample_id=[5, 6])
    with Store.open(path) as store:
        assert store.verify(retrain=True).rows == 58
        assert [entry["event"] for entry in store.audit()].count("mended") == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"ledger": [], "certificate": [], "signing": []}', None])
def test_keys_that_are_damaged_are_named(closed, damage):
    path, _ = closed
    content = (path / "keys.json").read_text()
    (path / "keys.json").unlink() if damage is None else (path / "keys.json").write_text(damage)
    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"keys\.json"):
            Store.open(path, read_only=read_only)
    (path / "keys.json").write_text(content)
    with Store.open(path) as store:
        store.verify(retrain=True)


def test_keys_stay_their_owners(closed):
    path, _ = closed
    assert (path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o700
    with Store.open(path) as store:
        store.rotate_key("ledger")
    assert (path / "keys.json").stat().st_mode & 0o777 == 0o600


def edited(path, *statements):
    database = sqlite3.connect(path / "store.sqlite")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_not_a_store_of_this_version_is_named_and_left_alone(closed, tmp_path, read_only):
    path, digest = closed
    edited(path, "PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="store of format 9"):
        Store.open(path, read_only=read_only)
    edited(path, f"PRAGMA user_version = {FORMAT_VERSION}", "PRAGMA application_id = 5")
    with pytest.raises(StoreError, match="not of a store"):
        Store.open(path, read_only=read_only)
    edited(path, "PRAGMA application_id = 0x414E434C")
    with Store.open(path) as store:
        assert store.state_digest() == digest

    garbage = tmp_path / "garbage"
    garbage.mkdir()
    with pytest.raises(StoreError, match="is not a store"):
        Store.open(garbage, read_only=read_only)
    with pytest.raises(StoreError, match="is not a store"):
        Store.open(tmp_path / "nothing", read_only=read_only)
    assert list(garbage.iterdir()) == []
    for content in (b"", b"garbage" * 1000, (path / "store.sqlite").read_bytes()[:5000]):
        (garbage / "store.sqlite").write_bytes(content)
        with pytest.raises(StoreError):
            Store.open(garbage, read_only=read_only)
        assert (garbage / "store.sqlite").read_bytes() == content
    with pytest.raises(StoreError, match="not an empty directory"):
        Store.create(garbage, LDAClassifier())


def test_a_store_can_be_moved_and_copied(closed, tmp_path):
    path, digest = closed
    shutil.copytree(path, tmp_path / "copy")
    path.rename(tmp_path / "moved")
    for place in ("copy", "moved"):
        with Store.open(tmp_path / place) as store:
            assert store.state_digest() == digest
            assert store.verify(retrain=True).rows == 56


# ---- several processes

HOLDER = """
import sys
from analytic_cl import Store
store = Store.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_told_who_writes_and_gets_in_when_that_one_is_killed(closed):
    path, digest = closed
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreLockedError, match=f"process {holder.pid} "):
            Store.open(path)
        with Store.open(path, read_only=True) as reader:
            assert reader.state_digest() == digest
        holder.kill()
        holder.wait()
        with Store.open(path) as store:
            assert store.state_digest() == digest
            with pytest.raises(StoreLockedError, match=f"process {os.getpid()} "):
                Store.open(path)
            store.forget(sample_id=[7])


READER = """
import os, sys
import numpy as np
from analytic_cl import Store
store = Store.open(sys.argv[1], read_only=True)
X, last = np.load(sys.argv[2]), None
print("open", flush=True)
while not os.path.exists(sys.argv[3]):
    digest = store.state_digest()
    store.predict(X)
    if digest != last:
        print(digest, flush=True)
        last = digest
print(store.state_digest())
store.verify(retrain=True)
"""


def test_readers_see_whole_states_in_their_order(tmp_path):
    random_ = np.random.RandomState(0)
    rows, labels = random_.normal(size=(600, 40)), np.arange(600) % 4
    np.save(tmp_path / "X.npy", rows[:20])
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(rows, labels, sample_id=range(600), subject=[f"s{i // 3}" for i in range(600)])
        digests = [store.state_digest()]
        arguments = [sys.executable, "-c", READER, store.path, tmp_path / "X.npy", tmp_path / "stop"]
        readers = [
            subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
        ]
        assert [reader.stdout.readline() for reader in readers] == ["open\n"] * 2
        with Store.open(store.path, read_only=True) as here:
            for k in range(40):
                if k % 8 == 7:
                    store.learn(rows[k : k + 1], labels[k : k + 1])
                    store.snapshot()
                    digests.append(store.state_digest())
                store.forget(subject=f"s{k}")
                digests.append(store.state_digest())
                assert here.state_digest() == digests[-1]
            kept = [*range(120, 600), *range(7, 40, 8)]
            plain = LDAClassifier().fit(rows[kept], labels[kept])
            assert here.state_digest() == plain.state_digest()
            np.testing.assert_array_equal(here.decision_function(rows), plain.decision_function(rows))
        (tmp_path / "stop").touch()
        for reader in readers:
            out, error = reader.communicate(timeout=60)
            assert reader.returncode == 0, error
            seen = out.split()
            assert set(seen) <= set(digests)
            places = [digests.index(digest) for digest in seen]
            assert places == sorted(places)
            assert len(set(seen)) > 3
            assert seen[-1] == digests[-1]
