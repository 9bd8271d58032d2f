"""Which part a row goes to: a rule that anyone can follow, and that never changes.

The key of a row is its subject if it has one, else its id, else its integers. SHA-256 of the key's kind, a zero byte
and the key gives a number, of which the first eight bytes count, big-endian, modulo the number of parts. So all rows of
a person lie in one part, and a request about the person changes one part.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np

from analytic_cl.ledger import SampleId
from analytic_cl.statistics import Targets
from analytic_cl.store.rows import Batch

RULE = "sha256 of kind, NUL and key: subject in UTF-8, else sample id as JSON, else the row's little-endian integers"


def part_of_subject(subject: str, n_parts: int) -> int:
    """The part that all rows of a subject are in."""
    return _part(b"subject\0" + subject.encode(), n_parts)


def deal(batch: Batch, n_parts: int) -> dict[int, Batch]:
    """The rows of a batch by the number of their part, each part's in their order."""
    little = batch.rows.astype(batch.rows.dtype.newbyteorder("<"), copy=False)
    known: dict[str, int] = {}  # many rows have few subjects
    places = np.empty(len(little), dtype=np.int64)
    for row, (name, subject) in enumerate(zip(batch.ids, batch.subjects, strict=True)):
        if subject is None:
            places[row] = _part(_key_without_subject(name, little[row].tobytes()), n_parts)
        else:
            if subject not in known:
                known[subject] = part_of_subject(subject, n_parts)
            places[row] = known[subject]
    return {part: _share(batch, np.flatnonzero(places == part)) for part in np.unique(places).tolist()}


def _key_without_subject(name: SampleId | None, integers: bytes) -> bytes:
    return b"row\0" + integers if name is None else b"sample\0" + json.dumps(name).encode()


def _part(key: bytes, n_parts: int) -> int:
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") % n_parts


def _share(batch: Batch, places: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Batch:
    chosen = places.tolist()
    return Batch(
        batch.rows[places],
        Targets(batch.targets.values, batch.targets.codes[places]).used(),
        [batch.ids[place] for place in chosen],
        [batch.subjects[place] for place in chosen],
        [batch.sessions[place] for place in chosen],
    )
