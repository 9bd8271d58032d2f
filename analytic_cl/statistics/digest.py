"""The canonical bytes of a state, hashed.

Layout, all numbers little-endian: the magic; the quantizer's description as canonical JSON behind its length; order,
width and number of classes; for each class in order of its label bytes: the label bytes behind their length, n_c,
S_c; at order 2 the upper triangle of G row by row. Integers are int64, except G behind a 32-bit quantizer: 128 bits.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import gram
from analytic_cl.statistics.labels import Label, label_bytes
from analytic_cl.statistics.wide import Int128

MAGIC = b"analytic-cl moments 1\0"

EMPTY = hashlib.sha256(MAGIC + b"empty").hexdigest()


def moments_digest(
    quantizer: Quantizer,
    order: int,
    labels: list[Label],
    counts: NDArray[np.int64],
    sums: NDArray[np.int64],
    planes: gram.Planes,
) -> str:
    """SHA-256 in hexadecimal of a state given by its parts. A state without rows remembers nothing, not its
    quantizer.
    """
    if not labels:
        return EMPTY
    h = hashlib.sha256(MAGIC)
    h.update(sized(quantizer.canonical_bytes()))
    h.update(struct.pack("<qqq", order, quantizer.width, len(labels)))
    for name, place in sorted((label_bytes(label), place) for place, label in enumerate(labels)):
        h.update(sized(name))
        h.update(struct.pack("<q", counts[place]))
        h.update(sums[place].astype("<i8").tobytes())
    for part in plane_bytes(planes, quantizer.bits):
        h.update(part)
    return h.hexdigest()


def plane_bytes(planes: gram.Planes, bits: int) -> Iterator[Any]:
    """Canonical bytes of a Gram matrix, some at a time; none where there are no planes."""
    if len(planes) == 1 and planes[0].dtype == np.int32:
        for start in range(0, planes[0].size, 2**15):  # few enough for the cache
            yield planes[0][start : start + 2**15].astype("<i8").data
    elif len(planes) == 1:
        yield np.ascontiguousarray(planes[0], dtype="<i8").data
    elif planes:
        for start in range(0, planes[0].size, 2**20):
            entries = Int128(planes[0][start : start + 2**20].shape)
            for plane, shift in zip(planes, gram.PLANE_SHIFTS[bits], strict=True):
                entries.add(plane[start : start + 2**20], shift)
            yield entries.to_bytes()


def sized(data: bytes) -> bytes:
    return struct.pack("<q", len(data)) + data
