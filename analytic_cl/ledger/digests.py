"""Keyed fingerprints of single rows."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._parallel import row_blocks
from analytic_cl._sparse import SparseRows
from analytic_cl.ledger.row_index import Digests
from analytic_cl.ledger.siphash import siphash_rows
from analytic_cl.statistics import Targets, target_bytes

_BLOCK = 2**24  # bytes of sparse rows that are dense at a time


def row_digests(rows: NDArray[Any] | SparseRows, targets: Targets, key: bytes) -> Digests:
    """SipHash-2-4 of every row under a 128-bit key made from `key` and the row's target (BLAKE2b).

    Without the key nobody can test whether a row they hold was learned. The target is bound in, so that a row
    learned as something else has another digest. That of a sparse row is that of the dense one.
    """
    keys = b"".join(blake2b(target_bytes(value), key=key, digest_size=16).digest() for value in targets.values)
    of_target = np.frombuffer(keys, dtype="<u8").reshape(-1, 2).astype(np.uint64)
    keys_of_rows = of_target[targets.codes]
    if isinstance(rows, SparseRows):
        at_once = max(1, _BLOCK // (rows.shape[1] * rows.dtype.itemsize))
        found = np.empty((len(rows), 2), dtype=np.uint64)
        for part in row_blocks(len(rows), at_once):
            found[part] = _of_dense(np.asarray(rows[part]), keys_of_rows[part])
        return found
    return _of_dense(rows, keys_of_rows)


def _of_dense(rows: NDArray[Any], keys: NDArray[np.uint64]) -> Digests:
    return siphash_rows(np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<")), keys)
