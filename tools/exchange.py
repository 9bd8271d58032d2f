"""Heads, a store and masked sums that go from machine to machine: `exchange.py write FOLDER` here, `read FOLDER` there.

`tools/other_processors.py` runs both, on machines of either byte order. The rows come from a hash, and so are the same
everywhere; what is read must have the bits of a fit where it is read, after it has forgotten there.
"""

import hashlib
import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone

from analytic_cl import LDAClassifier, RandomProjection, RLSClassifier, Store, load
from analytic_cl.distributed.masking import Agreement, Participant, unmasked
from analytic_cl.distributed.states import head_classes
from analytic_cl.heads import head_entries
from analytic_cl.heads.packing import from_bytes, to_bytes

N, D = 60, 24
GONE = np.array([0, 7, 31])
KEPT = np.delete(np.arange(N), GONE)


def rows():
    words = np.frombuffer(hashlib.shake_128(b"analytic-cl exchange").digest(4 * N * D), dtype="<u4")
    labels = np.arange(N) % 3
    return words.reshape(N, D) / 2**30 - 2.0 + labels[:, None], labels


def examples():
    """The heads of the tests by a name, those that learn from rows and labels alone, with those of several states."""
    X, y = rows()
    for name, entry in head_entries().items():
        for number, example in enumerate(entry.examples):
            yield f"{name}-{number}", clone(example), X, y * 1.5 if entry.task == "regression" else y


def ids(head):
    """Those of all rows, where the head keeps any; the ledgers of others go by the rows' values."""
    return np.arange(N) if head.track in ("auto", "rows") else None


def masked():
    """What a server receives from two clients, with keys of its own making."""
    X, y = rows()
    heads = {"a": LDAClassifier().fit(X[:40], y[:40]), "b": LDAClassifier().fit(X[40:], y[40:])}
    people = {name: Participant(name) for name in heads}
    agreement = Agreement.of(heads["a"].moments_, [0, 1, 2], {name: each.public_key for name, each in people.items()})
    return {name: each.masked(heads[name].moments_, agreement) for name, each in people.items()}, agreement


def write(folder):
    folder.mkdir(parents=True)
    digests = {}
    for name, head, X, y in examples():
        head.fit(X, y, sample_id=ids(head))
        head.save(folder / f"{name}.safetensors")
        (folder / f"{name}.bytes").write_bytes(to_bytes(head))
        digests[name] = head.state_digest()
    X, y = rows()
    for number, head in enumerate((RLSClassifier(), LDAClassifier(projection=RandomProjection(20)))):
        with Store.create(folder / f"store-{number}", head) as store:
            store.learn(X, y, sample_id=range(N), subject=[f"person {i // 2}" for i in range(N)])
            store.forget(sample_id=[7], request_id="1")
    messages, agreement = masked()
    digests["sum"] = LDAClassifier.from_moments(unmasked(messages, agreement)).state_digest()
    (folder / "digests.json").write_text(json.dumps(digests))


def read(folder):
    digests = json.loads((folder / "digests.json").read_text())
    X, y = rows()
    assert digests.pop("sum") == LDAClassifier().fit(X, y).state_digest()
    for name, head, X, y in examples():
        before, after = (clone(head).fit(X[part], y[part]).state_digest() for part in (np.arange(N), KEPT))
        read_bytes = from_bytes((folder / f"{name}.bytes").read_bytes(), head_classes())
        for found in (load(folder / f"{name}.safetensors"), read_bytes):
            assert found.state_digest() == before == digests[name], name
            found.forget(X[GONE], y[GONE], sample_id=None if ids(head) is None else GONE)
            assert found.state_digest() == after, name
    for number, head in enumerate((RLSClassifier(), LDAClassifier(projection=RandomProjection(20)))):
        copy = folder / f"store-{number}-read"
        shutil.copytree(folder / f"store-{number}", copy)
        with Store.open(copy) as store:
            assert store.forget(sample_id=[7], request_id="1").removed == 1
            store.forget(sample_id=[0], request_id="2")
            store.forget(sample_id=[31], request_id="3")
            assert store.state_digest() == head.fit(X[KEPT], y[KEPT]).state_digest()
            store.verify(retrain=True, deep=True)
        shutil.rmtree(copy)
    print(f"read {2 * len(digests)} heads and 2 stores, made by other hands", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # how much these rows lose at each quantizer is beside the point
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
