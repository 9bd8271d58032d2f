"""SipHash-2-4 with 128-bit output, over many rows at once.

A keyed pseudo-random function that is made for short messages: the general hashes of hashlib would cost more than the
rest of a nearest-mean fit. 64 rows advance together, so that the compiler keeps eight of them in one register.

References
----------
Aumasson and Bernstein, SipHash: a fast short-input PRF, Indocrypt 2012, and the 128-bit variant of its reference code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks

Words = NDArray[np.uint64]

_LANES = 64

_BLOCK_ROWS = 8192  # for one thread at a time; whole registers of lanes

# The constants of the reference: "somepseudorandomlygeneratedbytes" in ASCII, and the marks of the 128-bit variant.
_C0, _C1 = np.uint64(0x736F6D6570736575), np.uint64(0x646F72616E646F6D ^ 0xEE)
_C2, _C3 = np.uint64(0x6C7967656E657261), np.uint64(0x7465646279746573)
_FIRST, _SECOND = np.uint64(0xEE), np.uint64(0xDD)
_13, _16, _17, _21, _32 = (np.uint64(bits) for bits in (13, 16, 17, 21, 32))
_43, _47, _48, _51 = (np.uint64(bits) for bits in (43, 47, 48, 51))


def siphash_rows(rows: NDArray[Any], keys: Words) -> Words:
    """128-bit digests of the bytes of each row, shape (n, 2); `keys` (n, 2) holds the 128-bit key of each row."""
    data = np.ascontiguousarray(rows).view(np.uint8)
    n, length = data.shape
    whole = length - length % 8
    words = np.ascontiguousarray(data[:, :whole]).view("<u8").astype(np.uint64, copy=False)
    tail = np.full(n, (length % 256) << 56, dtype=np.uint64)
    for place in range(length - whole):
        tail |= data[:, whole + place].astype(np.uint64) << np.uint64(8 * place)
    out = np.empty((n, 2), dtype=np.uint64)
    run = _hash_rows_reference if get_backend() == "numpy" else _hash_rows
    map_blocks(lambda part: run(words[part], tail[part], keys[part], out[part]), row_blocks(n, _BLOCK_ROWS))
    return out


def _sip_round(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, Any, Any, Any]:
    """One round on 64-bit numbers, or on arrays of them."""
    a = a + b
    b = ((b << _13) | (b >> _51)) ^ a
    a = (a << _32) | (a >> _32)
    c = c + d
    d = ((d << _16) | (d >> _48)) ^ c
    a = a + d
    d = ((d << _21) | (d >> _43)) ^ a
    c = c + b
    b = ((b << _17) | (b >> _47)) ^ c
    c = (c << _32) | (c >> _32)
    return a, b, c, d


_compiled_round = kernel(_sip_round)


@kernel
def _hash_rows(words: Words, tail: Words, keys: Words, out: Words) -> None:
    n, m = words.shape
    x = np.empty(_LANES, dtype=np.uint64)
    v0, v1, v2, v3 = np.empty_like(x), np.empty_like(x), np.empty_like(x), np.empty_like(x)
    for start in range(0, n, _LANES):
        lanes = min(_LANES, n - start)
        for i in range(lanes):
            k0, k1 = keys[start + i, 0], keys[start + i, 1]
            v0[i], v1[i], v2[i], v3[i] = k0 ^ _C0, k1 ^ _C1, k0 ^ _C2, k1 ^ _C3
        for w in range(m + 1):
            if w < m:
                for i in range(lanes):
                    x[i] = words[start + i, w]
            else:
                for i in range(lanes):
                    x[i] = tail[start + i]
            for i in range(lanes):
                a, b, c, d = _compiled_round(v0[i], v1[i], v2[i], v3[i] ^ x[i])
                a, b, c, d = _compiled_round(a, b, c, d)
                v0[i], v1[i], v2[i], v3[i] = a ^ x[i], b, c, d
        for i in range(lanes):
            a, b, c, d = v0[i], v1[i], v2[i] ^ _FIRST, v3[i]
            for _ in range(4):
                a, b, c, d = _compiled_round(a, b, c, d)
            out[start + i, 0] = a ^ b ^ c ^ d
            b ^= _SECOND
            for _ in range(4):
                a, b, c, d = _compiled_round(a, b, c, d)
            out[start + i, 1] = a ^ b ^ c ^ d


def _hash_rows_reference(words: Words, tail: Words, keys: Words, out: Words) -> None:
    a, b, c, d = keys[:, 0] ^ _C0, keys[:, 1] ^ _C1, keys[:, 0] ^ _C2, keys[:, 1] ^ _C3
    for x in (*words.T, tail):
        a, b, c, d = _sip_round(*_sip_round(a, b, c, d ^ x))
        a = a ^ x
    c = c ^ _FIRST
    for half in range(2):
        for _ in range(4):
            a, b, c, d = _sip_round(a, b, c, d)
        out[:, half] = a ^ b ^ c ^ d
        b = b ^ _SECOND
