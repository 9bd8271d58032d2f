"""Keyed fingerprints of single rows."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.ledger.row_index import Digests
from analytic_cl.ledger.siphash import siphash_rows
from analytic_cl.statistics import Targets, target_bytes


def row_digests(rows: NDArray[Any], targets: Targets, key: bytes) -> Digests:
    """SipHash-2-4 of every row under a 128-bit key made from `key` and the row's target (BLAKE2b).

    Without the key nobody can test whether a row they hold was learned. The target is bound in, so that a row
    learned as something else has another digest.
    """
    keys = b"".join(blake2b(target_bytes(value), key=key, digest_size=16).digest() for value in targets.values)
    of_target = np.frombuffer(keys, dtype="<u8").reshape(-1, 2).astype(np.uint64)
    rows = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    return siphash_rows(rows, of_target[targets.codes])
