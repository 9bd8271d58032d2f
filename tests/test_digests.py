"""The digest names the state and nothing else, and stays the same from version to version."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from common import blobs, ignore_quantization

from analytic_cl import FixedPoint, LDAClassifier, NearestMeanClassifier, RandomProjection, RLSClassifier
from analytic_cl.statistics import EMPTY

EXPECTED = Path(__file__).parent / "expected_digests.json"

# By the names under which the digests are on record.
STATES = {
    "empty": lambda X, y: LDAClassifier(),
    "embedding": lambda X, y: LDAClassifier(quantizer="embedding").fit(X, y),
    "wide": lambda X, y: LDAClassifier(quantizer="tabular").fit(X, y),
    "16 bits, l2": lambda X, y: RLSClassifier(quantizer=FixedPoint(16, norm="l2")).fit(X, y),
    "8 bits, bounds": lambda X, y: RLSClassifier(quantizer=FixedPoint(8, bounds=([-4.0] * 24, 4.0))).fit(X, y),
    "as-is": lambda X, y: LDAClassifier(quantizer="integers").fit(np.rint(X * 20), y),
    "projection": lambda X, y: RLSClassifier(projection=RandomProjection(33, 7)).fit(X, y),
    "order 1": lambda X, y: NearestMeanClassifier().fit(X, y),
    "strings": lambda X, y: LDAClassifier().fit(X, np.array(["zürich", "a", "日本"])[y]),
    "booleans": lambda X, y: LDAClassifier().fit(X, y == 1),
    "label sets": lambda X, y: LDAClassifier().fit(X, [set("abc"[:label]) for label in y]),
    "large and negative integers": lambda X, y: LDAClassifier().fit(X, np.array([-1, 2**62, 0])[y]),
}


def fixed_rows():
    """40 rows of 24 floats from a hash: the same in every version of NumPy."""
    words = np.frombuffer(hashlib.shake_128(b"analytic-cl tests").digest(40 * 24 * 4), dtype="<u4")
    return (words.reshape(40, 24) / 2**30 - 2.0), np.arange(40) % 3


@pytest.mark.parametrize("name", STATES)
def test_digest_is_the_one_on_record(name):
    """A difference here is a new format: old files and published digests would stop matching. Raise the version."""
    assert STATES[name](*fixed_rows()).state_digest() == json.loads(EXPECTED.read_text())[name]


def test_record_covers_every_state():
    record = json.loads(EXPECTED.read_text())

    assert record.keys() == STATES.keys()
    assert len(set(record.values())) == len(record)


def test_digest_layout_is_the_documented_one():
    """Recomputed here from the description in `analytic_cl.statistics.digest`, byte by byte."""
    rows = [[1, -2], [3, 4], [-5, 6]]
    head = LDAClassifier(quantizer="integers").fit(np.array(rows, dtype=np.int8), ["b", "a", "b"])
    quantizer = json.dumps(head.quantizer_.spec(), sort_keys=True, separators=(",", ":")).encode()

    def number(n):
        return n.to_bytes(8, "little", signed=True)

    data = b"analytic-cl moments 1\0" + number(len(quantizer)) + quantizer + number(2) + number(2) + number(2)
    for label, count, sums in ((b"sa", 1, (3, 4)), (b"sb", 2, (-4, 4))):
        data += number(len(label)) + label + number(count) + b"".join(map(number, sums))
    data += number(1 + 9 + 25) + number(-2 + 12 - 30) + number(4 + 16 + 36)

    assert head.state_digest() == hashlib.sha256(data).hexdigest()


def test_digest_of_32_bits_is_over_128_bit_integers():
    rows = [[2**30, -1], [3, 2**31 - 2**24]]
    head = LDAClassifier(quantizer=FixedPoint(32, scale=1)).fit(np.array(rows, dtype=float), [0, 0])
    quantizer = json.dumps(head.quantizer_.spec(), sort_keys=True, separators=(",", ":")).encode()
    rows[1][1] = min(rows[1][1], 0x7F7F7F7F)

    def number(n, size=8):
        return n.to_bytes(size, "little", signed=True)

    data = b"analytic-cl moments 1\0" + number(len(quantizer)) + quantizer + number(2) + number(2) + number(1)
    data += number(2) + b"i0" + number(2) + number(2**30 + 3) + number(rows[1][1] - 1)
    for i, j in ((0, 0), (0, 1), (1, 1)):
        data += number(sum(row[i] * row[j] for row in rows), 16)

    assert head.state_digest() == hashlib.sha256(data).hexdigest()


@ignore_quantization
def test_digest_tells_apart_what_differs():
    X, y = blobs()
    other_row = X.copy()
    other_row[17, 3] += 2**-12
    digests = [
        LDAClassifier().fit(X, y),
        LDAClassifier().fit(other_row, y),
        LDAClassifier().fit(X, np.roll(y, 1)),
        LDAClassifier().fit(X, y + 1),
        LDAClassifier().fit(X, y.astype(str)),
        LDAClassifier().fit(X[1:], y[1:]),
        LDAClassifier().fit(X[:, ::-1], y),
        LDAClassifier(quantizer=FixedPoint(32, scale=2**13)).fit(X, y),
        LDAClassifier(quantizer="embedding").fit(X, y),
        NearestMeanClassifier().fit(X, y),
        LDAClassifier(projection=RandomProjection(5)).fit(X, y),
        LDAClassifier(projection=RandomProjection(5, 1)).fit(X, y),
    ]

    assert len({head.state_digest() for head in digests}) == len(digests)
    assert LDAClassifier().fit(X, y == 1).state_digest() != LDAClassifier().fit(X, (y == 1).astype(int)).state_digest()


def test_digest_does_not_depend_on_head_parameters_ledger_or_declared_classes():
    X, y = blobs()
    expected = LDAClassifier().fit(X, y).state_digest()

    for head in (
        LDAClassifier(0.5, track="rows"),
        RLSClassifier(3.0, track="none"),
        RLSClassifier("gcv", quantizer="tabular"),
    ):
        assert head.partial_fit(X, y, classes=[0, 1, 2, 99]).state_digest() == expected
    assert LDAClassifier().fit(X, y, sample_id=range(60)).state_digest() == expected
    assert LDAClassifier(quantizer="embedding").state_digest() == EMPTY


if __name__ == "__main__":  # writes the record anew, for a new version of the format
    EXPECTED.write_text(
        json.dumps({name: make(*fixed_rows()).state_digest() for name, make in STATES.items()}, indent=2) + "\n"
    )
