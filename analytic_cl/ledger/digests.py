"""Keyed fingerprints of single rows."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.statistics import EncodedLabels, label_bytes

Digests = NDArray[np.uint64]  # shape (n, 2): 128 bits a row


def row_digests(rows: NDArray[Any], encoded: EncodedLabels, key: bytes) -> Digests:
    """BLAKE2b of every row under a key derived from `key` and its label.

    Without the key nobody can test whether a row they hold was learned. A label is bound in, so that a row under
    another label has another digest.
    """
    keys = [blake2b(label_bytes(label), key=key).digest() for label in encoded.labels]
    rows = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    digests = b"".join(
        blake2b(row, key=keys[code], digest_size=16).digest()
        for row, code in zip(rows, encoded.codes.tolist(), strict=True)
    )
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2).astype(np.uint64)
