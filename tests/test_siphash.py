"""The row hash is SipHash-2-4 with 128-bit output."""

import numpy as np
import pytest

from analytic_cl import use_backend
from analytic_cl._config import BACKENDS
from analytic_cl.ledger.siphash import siphash_rows

# Key 00 01 .. 0f, message 00 01 .. of the length given; computed with OpenSSL's SIPHASH, size 16. The first two are
# also in the vectors of the reference implementation.
VECTORS = {
    0: "a3817f04ba25a8e66df67214c7550293",
    1: "da87c1d86b99af44347659119b22fc45",
    7: "a1f1ebbed8dbc153c0b84aa61ff08239",
    8: "3b62a9ba6258f5610f83e264f31497b4",
    15: "5493e99933b0a8117e08ec0f97cfc3d9",
    63: "5150d1772f50834a503e069a973fbd7c",
    300: "ce005a406d14b36d5386b5f7a7e1b311",
    1280: "6573644f46d14600995d99f52bfd6951",
}
KEY = np.frombuffer(bytes(range(16)), dtype="<u8").astype(np.uint64)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("length", VECTORS)
def test_published_vectors(backend, length):
    row = (np.arange(length) % 256).astype(np.uint8)[None]

    with use_backend(backend):
        assert siphash_rows(row, KEY[None]).astype("<u8").tobytes().hex() == VECTORS[length]


@pytest.mark.parametrize("shape", [(0, 4), (1, 5), (63, 8), (64, 3), (65, 17), (200, 1)])
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_rows_are_hashed_apart_each_under_its_key(shape, dtype):
    random = np.random.RandomState(0)
    rows = random.randint(-100, 100, size=shape).astype(dtype)
    keys = random.randint(0, 2**62, size=(shape[0], 2)).astype(np.uint64)
    together = siphash_rows(rows, keys)

    alone = [siphash_rows(rows[:0], keys[:0])] + [
        siphash_rows(rows[i : i + 1], keys[i : i + 1]) for i in range(shape[0])
    ]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    with use_backend("numpy"):
        np.testing.assert_array_equal(siphash_rows(rows, keys), together)
    assert len(np.unique(together, axis=0)) == shape[0]
