"""A saved head comes back as it was, or the file is refused with what is wrong with it."""

import json
import os
import pickle
import resource
import signal
import stat
import subprocess
import sys
import time
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from common import HEADS, blobs, head_name, ignore_quantization
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn.base import clone

import analytic_cl
from analytic_cl import FixedPoint, LDAClassifier, NearestMeanClassifier, NotLearnedError, RLSClassifier
from analytic_cl.heads import persistence, tensor_file
from analytic_cl.heads.base import Head

X, Y = blobs(40, 5, 4)


@pytest.fixture
def file(tmp_path):
    LDAClassifier().fit(X, Y, sample_id=[f"id-{i}" for i in range(40)]).save(tmp_path / "head")
    return tmp_path / "head"


@ignore_quantization
@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_everything_comes_back(tmp_path, head):
    head = analytic_cl.load(_saved(tmp_path, clone(head).fit(X, Y)))
    again = type(head).load(_saved(tmp_path, head))

    assert again.get_params() == head.get_params()
    assert repr(again) == repr(head)
    np.testing.assert_array_equal(again.decision_function(X), head.decision_function(X))
    again.partial_fit(X[:3], Y[:3]).forget(X[:10], Y[:10])
    left = [*range(10, 40), 0, 1, 2]
    assert again.state_digest() == clone(head).fit(X[left], Y[left]).state_digest()
    assert again.learner_.ledger.n_rows == 33


def _saved(folder, head):
    head.save(folder / "head")
    return folder / "head"


def test_ids_rows_and_digests_come_back(tmp_path):
    head = LDAClassifier().fit(X[:10], Y[:10], sample_id=["a", 1, "1", *range(10, 17)]).partial_fit(X[10:], Y[10:])
    head.forget(sample_id=[10])
    other = LDAClassifier().fit(X[:5], Y[:5])
    loaded = analytic_cl.load(_saved(tmp_path, head.merge(other)))

    with pytest.raises(NotLearnedError, match="10"):
        loaded.forget(sample_id=[10])
    loaded.forget(sample_id=[1, "1"])
    loaded.forget(X[10:], Y[10:])
    loaded.forget(X[:5], Y[:5])
    rest = [0, 4, 5, 6, 7, 8, 9]
    assert loaded.state_digest() == LDAClassifier().fit(X[rest], Y[rest]).state_digest()


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_byte_order_of_arrays_makes_no_difference(order):
    """A big-endian machine holds what it reads in its own order: `make other-processors` does it on one."""
    head = LDAClassifier().fit(X, Y, sample_id=range(40))
    arrays, metadata = persistence.content(head)

    ordered = {name: array.astype(array.dtype.newbyteorder(order)) for name, array in arrays.items()}
    back, _ = persistence.from_content(ordered, metadata, "it", {"LDAClassifier": LDAClassifier})

    assert back.forget(sample_id=[3]).removed == 1
    assert back.state_digest() == LDAClassifier().fit(np.delete(X, 3, 0), np.delete(Y, 3)).state_digest()


@pytest.mark.parametrize(
    "labels", [Y, Y == 1, np.array(list("wxyz"))[Y], Y - 2**60], ids=["int", "bool", "str", "large"]
)
def test_labels_keep_their_type(tmp_path, labels):
    loaded = analytic_cl.load(_saved(tmp_path, LDAClassifier(track="rows").fit(X, labels)))

    assert loaded.classes_.dtype.kind == np.asarray(labels).dtype.kind
    loaded.forget(X[:7], labels[:7])
    assert loaded.state_digest() == LDAClassifier().fit(X[7:], labels[7:]).state_digest()


def test_unfitted_heads_column_names_and_odd_parameters_come_back(tmp_path):
    unfitted = analytic_cl.load(
        _saved(tmp_path, RLSClassifier(alpha=0.25, quantizer=FixedPoint(16, bounds=([0.1, 0], 3))))
    )
    named = analytic_cl.load(
        _saved(tmp_path, LDAClassifier(priors=np.full(4, 0.25)).fit(pd.DataFrame(X, columns=list("abcde")), Y))
    )

    assert repr(unfitted) == repr(RLSClassifier(alpha=0.25, quantizer=FixedPoint(16, bounds=([0.1, 0], 3))))
    assert not unfitted.__sklearn_is_fitted__()
    assert named.feature_names_in_.tolist() == list("abcde")
    assert named.priors == [0.25] * 4


SAVED_TWICE = """
import sys
import analytic_cl
analytic_cl.load(sys.argv[1]).save(sys.argv[2])
"""


@ignore_quantization
@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_a_head_saved_twice_gives_the_same_bytes(tmp_path, head):
    head = clone(head).fit(X, np.array(list("wxyz"))[Y])
    head.forget(X[:3], np.array(list("wxyz"))[Y[:3]])
    files = [tmp_path / name for name in ("first", "second", "copy", "again")]
    head.save(files[0])
    head.predict(X)
    head.save(files[1])
    pickle.loads(pickle.dumps(head)).save(files[2])
    analytic_cl.load(files[0]).save(files[3])

    assert len({file.read_bytes() for file in files}) == 1


def test_another_process_saves_the_same_bytes(tmp_path, file):
    for seed in "123":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", SAVED_TWICE, file, tmp_path / "other"], check=True, env=environment)

        assert (tmp_path / "other").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("dtype", [*"bhilBHILfd", ">i8", ">f4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (4, 5)], ids=str)
def test_the_writer_is_read_by_the_library_as_it_was_written(tmp_path, dtype, shape):
    array = np.random.RandomState(0).randint(0, 100, size=shape).astype(dtype)
    others = {"z": np.arange(3, dtype=np.int8), "a": np.asfortranarray(np.arange(6.0).reshape(2, 3))[:, ::2]}
    with (tmp_path / "mine").open("wb") as opened:
        tensor_file.write(opened, {"b": array, **others}, {"words": "\u00e9\n", "k": ""})
    found = load_file(tmp_path / "mine")

    assert found.keys() == {"a", "b", "z"}
    for name, expected in {"b": array, **others}.items():
        np.testing.assert_array_equal(found[name], expected)
        assert (found[name].dtype.kind, found[name].itemsize) == (expected.dtype.kind, expected.itemsize)
    with safe_open(tmp_path / "mine", "np") as opened:
        assert opened.metadata() == {"words": "\u00e9\n", "k": ""}


class HasLists(NearestMeanClassifier):
    """With a parameter of its own."""

    def __init__(self, mine=None):
        super().__init__()
        self.mine = mine


@pytest.mark.parametrize(
    ("given", "back"),
    [
        (("a", 1, None, True), ["a", 1, None, True]),
        ([["1", 2], [0.5]], [["1", 2], [0.5]]),
        (np.arange(3), [0, 1, 2]),
        (np.array([0.5], dtype=np.float32), [0.5]),
        (pd.Series([0.25, 0.75]), [0.25, 0.75]),
        (np.int64(2**62 + 1), 2**62 + 1),
    ],
    ids=str,
)
def test_values_within_lists_come_back_as_they_were(tmp_path, given, back):
    HasLists(given).save(tmp_path / "head")
    found = HasLists.load(tmp_path / "head").mine

    assert found == back
    assert repr(found) == repr(back)


@pytest.mark.parametrize(
    "value", [{"a": 1}, {"FixedPoint": [8]}, len, [{}], Decimal("0.1"), np.array(["1"]), 1j, b"1", range(3)], ids=repr
)
def test_values_that_would_not_come_back_are_refused_before_anything_is_written(tmp_path, value):
    with pytest.raises(ValueError, match=r"the parameter mine is .*can't be saved"):
        HasLists(value).fit(X, Y).save(tmp_path / "head")
    assert not list(tmp_path.iterdir())


def test_only_the_owner_may_read_it(file):
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    LDAClassifier().fit(X, Y).save(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["head"]


def test_erased_rows_and_ids_are_not_in_the_file(file):
    head = analytic_cl.load(file)
    row = head.quantizer_.quantise(X[7:8]).tobytes()
    assert row in file.read_bytes() and b'"id-7"' in file.read_bytes()

    head.forget(sample_id=["id-7"])
    head.save(file)

    assert row not in file.read_bytes() and b"id-7" not in file.read_bytes()


def test_any_truncation_is_refused(file):
    data = file.read_bytes()
    for size in [0, 1, 7, 8, 9, 100, *range(200, len(data), 997), len(data) - 1]:
        file.write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"head (is truncated|is damaged|does not)"):
            analytic_cl.load(file)


def test_any_changed_byte_is_refused(file):
    data = file.read_bytes()
    random = np.random.RandomState(0)
    for position in random.choice(len(data), 300, replace=False):
        changed = bytearray(data)
        changed[position] ^= 1 << random.randint(8)
        file.write_bytes(changed)
        try:
            head = analytic_cl.load(file)
        except ValueError:
            continue
        # What can change unseen is what nothing depends on: the versions on record.
        assert head.state_digest() == LDAClassifier().fit(X, Y).state_digest()
        assert position < 8 + int.from_bytes(data[:8], "little")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "truncated, or not a safetensors"), (b"PK\x03\x04" + bytes(100), "truncated, or not a safetensors")],
)
def test_foreign_files_are_refused(tmp_path, content, words):
    (tmp_path / "head").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        analytic_cl.load(tmp_path / "head")


def test_foreign_safetensors_newer_formats_and_wrong_classes_are_refused(tmp_path, file):
    save_file({"weight": np.zeros(3)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match="not a head saved by analytic-cl"):
        analytic_cl.load(tmp_path / "foreign")
    _rewrite(file, tmp_path / "newer", lambda metadata: metadata.update(format_version="3"))
    with pytest.raises(ValueError, match="format version 3, this analytic-cl reads 2"):
        analytic_cl.load(tmp_path / "newer")
    _rewrite(file, tmp_path / "older", lambda metadata: metadata.update(format_version="1"))
    with pytest.raises(ValueError, match=r"files of 0\.1, which was never published, are not read"):
        analytic_cl.load(tmp_path / "older")
    with pytest.raises(ValueError, match=r"holds a LDAClassifier, not a RLSClassifier: analytic_cl\.load"):
        RLSClassifier.load(file)
    with pytest.raises(FileNotFoundError):
        analytic_cl.load(tmp_path / "nowhere")


def _rewrite(source, target, edit):
    """Forge a file whose checksum is right."""
    from analytic_cl.heads import persistence

    with safe_open(source, "np") as opened:
        metadata = opened.metadata()
    arrays = load_file(source)
    about = json.loads(metadata["head"])
    edit(metadata) if edit.__code__.co_argcount == 1 else edit(about, arrays)
    metadata["head"] = json.dumps(about)
    metadata["checksum"] = persistence._checksum(metadata["head"], arrays)
    save_file(arrays, target, metadata)


def _rename(arrays, old, new):
    names = [new if name == old else name for name in json.loads(arrays["ledger_ids"].tobytes())]
    arrays["ledger_ids"] = np.frombuffer(json.dumps(names).encode(), np.uint8).copy()


FORGERIES = {
    "a count": (lambda about, arrays: arrays["counts"].__setitem__(0, 11), "digest|possible"),
    "a sum": (lambda about, arrays: arrays["sums"].__setitem__((0, 0), 1), "digest|possible"),
    "a Gram entry": (lambda about, arrays: arrays["gram_0"].__setitem__(3, 1), "digest|possible"),
    "another quantizer": (lambda about, arrays: about["quantizer"].update(scale=(2.0).hex()), "digest"),
    "a class name": (
        lambda about, arrays: arrays.update(labels=np.frombuffer(b"[77, 1, 2, 3]", np.uint8).copy()),
        "out of order|digest",
    ),
    "a lost ledger row": (lambda about, arrays: about["ledger"].update(untracked=1), "ledger records other rows"),
    "more rows of a class": (lambda about, arrays: arrays["ledger_kept_codes"].__setitem__(0, 3), "records other rows"),
    "a label twice": (lambda about, arrays: about["ledger"].update(targets=[0, 1, 2, 2]), "ids or labels|fit each"),
    "a fractional label": (lambda about, arrays: about["ledger"].update(targets=[0, 1, 2, 3.5]), "Unknown label type"),
    "a key number": (lambda about, arrays: arrays["ledger_kept_keys"].__setitem__(0, 5), "fit each other"),
    "a negative key number": (lambda about, arrays: arrays["ledger_kept_keys"].__setitem__(0, -1), "fit each other"),
    "an unknown track": (lambda about, arrays: about["ledger"].update(track=7), "track must be one of"),
    "a long key": (lambda about, arrays: about["ledger"].update(keys=["00" * 65]), "wrong length"),
    "an id twice": (lambda about, arrays: _rename(arrays, "id-1", "id-2"), "given twice"),
    "a fractional id": (lambda about, arrays: _rename(arrays, "id-1", 1.5), "one integer or string"),
    "feature names": (lambda about, arrays: about.update(feature_names=["a"]), "feature names"),
    "a huge quantizer": (lambda about, arrays: about["quantizer"].update(n_features=10**7), "is missing, or not int64"),
    "no class": (lambda about, arrays: about.pop("class"), "KeyError"),
    "a bad parameter": (lambda about, arrays: about["parameters"].update(shrinkage=7), "shrinkage must be"),
    "an odd order": (lambda about, arrays: about["state"].update(order=2.5), "order must be"),
    "an endless quantizer": (lambda about, arrays: about["quantizer"].update(n_features=float("inf")), "OverflowError"),
    "short ids": (lambda about, arrays: arrays.update(ledger_ids=np.frombuffer(b'["a"]', np.uint8).copy()), "fit"),
    "a label code": (lambda about, arrays: arrays["ledger_kept_codes"].__setitem__(0, 9), "fit each other"),
    "no quantizer": (lambda about, arrays: about.update(quantizer={}), "not the description of a quantizer"),
    "no array": (lambda about, arrays: arrays.pop("sums"), "'sums' is missing"),
    "an unknown class": (lambda about, arrays: about.update({"class": "Evil"}), "holds a Evil"),
    "a parameter": (lambda about, arrays: about["parameters"].update(evil=1), "evil"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_content_with_a_right_checksum_is_refused(tmp_path, file, name):
    edit, words = FORGERIES[name]
    _rewrite(file, tmp_path / "forged", edit)

    with pytest.raises(ValueError, match=words):
        analytic_cl.load(tmp_path / "forged")


def test_a_full_disk_leaves_the_old_file(file):
    before = file.read_bytes()
    big = LDAClassifier().fit(np.random.RandomState(0).normal(size=(50, 300)), np.arange(50) % 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"head|large"):
            big.save(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)

    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["head"]


def test_a_link_is_followed_and_a_folder_refused(tmp_path, file):
    (tmp_path / "link").symlink_to(file)
    head = analytic_cl.load(file)
    head.forget(sample_id=["id-7"])
    head.save(str(tmp_path / "link"))

    assert (tmp_path / "link").is_symlink()
    assert analytic_cl.load(file).state_digest() == head.state_digest()
    for call in (head.save, analytic_cl.load):
        with pytest.raises(IsADirectoryError, match="name of a file"):
            call(tmp_path)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3"])
def test_model_weights_are_refused_by_name(tmp_path, dtype):
    size = {"BF16": 2, "F8_E4M3": 1}[dtype]
    header = json.dumps({"w": {"dtype": dtype, "shape": [4], "data_offsets": [0, 4 * size]}}).encode()
    (tmp_path / "model").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4 * size))

    with pytest.raises(ValueError, match="not a head saved by analytic-cl"):
        analytic_cl.load(tmp_path / "model")


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        LDAClassifier().fit(X, Y).save(tmp_path / "nowhere" / "head")


KILLED = """
import sys
import numpy as np
from analytic_cl import NearestMeanClassifier
X = np.random.RandomState(0).normal(size=(400, 200))
heads = [NearestMeanClassifier(track="rows").fit(X[:n], np.arange(n) % 3) for n in (200, 400)]
print("ready", flush=True)
while True:
    for head in heads:
        head.save(sys.argv[1])
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    possible = set()
    rows = np.random.RandomState(0).normal(size=(400, 200))
    for n in (200, 400):
        possible.add(NearestMeanClassifier().fit(rows[:n], np.arange(n) % 3).state_digest())
    for attempt in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / "head")], stdout=subprocess.PIPE, env=os.environ
        )
        with process:
            assert process.stdout.readline() == b"ready\n"
            while not (tmp_path / "head").exists():
                pass
            time.sleep(0.003 * attempt)  # not a wait for something: the kill has to come at different moments
            process.kill()
        assert analytic_cl.load(tmp_path / "head").state_digest() in possible


def test_heads_of_others_load_by_their_own_class(tmp_path):
    class OwnHead(NearestMeanClassifier):
        pass

    OwnHead().fit(X, Y).save(tmp_path / "own")

    assert isinstance(OwnHead.load(tmp_path / "own"), OwnHead)
    with pytest.raises(ValueError, match="holds a OwnHead"):
        analytic_cl.load(tmp_path / "own")
    assert issubclass(OwnHead, Head)
