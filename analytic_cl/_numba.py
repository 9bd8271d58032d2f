"""One decorator for every numba kernel, so that their settings are decided in one place.

Serial (numba's default threading layer aborts the process when two Python threads enter a parallel kernel),
no fastmath (reassociated sums would break the equality of bits), and the GIL released.

numba's on-disk cache is pickle, written and read by numba itself beside this package or in
``NUMBA_CACHE_DIR``. Set ``ANALYTIC_CL_NUMBA_CACHE=0`` to do without it, at a second or two per process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])

# All kernels by module and name, so that a test can ask each of them for its NumPy twin.
KERNELS: dict[str, Callable[..., object]] = {}


def kernel(function: Kernel) -> Kernel:
    """Compile `function` with numba on its first call. It needs a twin in NumPy: see tests/test_kernels.py."""
    compiled = _compiled(function)
    KERNELS[f"{function.__module__}.{function.__qualname__}"] = compiled
    return compiled


def _compiled(function: Kernel) -> Kernel:
    cache = os.environ.get("ANALYTIC_CL_NUMBA_CACHE", "1") != "0"
    try:
        return cast(Kernel, numba.njit(cache=cache, nogil=True)(function))
    except RuntimeError:  # numba found no directory that it may write its cache to
        return cast(Kernel, numba.njit(cache=False, nogil=True)(function))
