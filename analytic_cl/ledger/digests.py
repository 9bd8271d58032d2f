"""Keyed fingerprints of single rows."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.ledger.siphash import siphash_rows
from analytic_cl.statistics import EncodedLabels, label_bytes

Digests = NDArray[np.uint64]  # shape (n, 2): 128 bits a row


def row_digests(rows: NDArray[Any], encoded: EncodedLabels, key: bytes) -> Digests:
    """SipHash-2-4 of every row under a 128-bit key made from `key` and the row's label (BLAKE2b).

    Without the key nobody can test whether a row they hold was learned. A label is bound in, so that a row under
    another label has another digest.
    """
    keys = b"".join(blake2b(label_bytes(label), key=key, digest_size=16).digest() for label in encoded.labels)
    of_label = np.frombuffer(keys, dtype="<u8").reshape(-1, 2).astype(np.uint64)
    rows = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    return siphash_rows(rows, of_label[encoded.codes])
