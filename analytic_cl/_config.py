"""Which implementation of the kernels runs, and what it runs on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from operator import index
from typing import SupportsIndex

from analytic_cl._device import described_device

try:
    from analytic_cl import _native  # the C++ kernels of native/, typed by _native.pyi

    native = _native
except ImportError:  # installed without a compiler
    native = None  # type: ignore[assignment]  # whoever uses it asked for the backend first

MOST_THREADS = 4096

BACKENDS = ("blas", "numpy") if native is None else ("native", "blas", "numpy")

_backend: ContextVar[str] = ContextVar("analytic_cl_backend")
_threads: ContextVar[int] = ContextVar("analytic_cl_threads")


def get_backend() -> str:
    """Name the backend in force: `use_backend`'s, else ``ANALYTIC_CL_BACKEND``, else the fastest that is installed."""
    return _backend.get("") or _backend_of_process()


@cache
def _backend_of_process() -> str:
    return _checked(os.environ.get("ANALYTIC_CL_BACKEND", BACKENDS[0]))


def get_threads() -> int:
    """Threads that a native kernel may use: `use_threads`'s, else ``ANALYTIC_CL_NUM_THREADS``, else all cores.

    Raises ValueError where the variable is not a whole number from 1 to 4096.
    """
    asked = _threads.get(0)
    if asked:
        return asked
    text = os.environ.get("ANALYTIC_CL_NUM_THREADS")
    return _cores() if text is None else _threads_named(text)


@cache
def _threads_named(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_THREADS):
        raise ValueError(
            f"ANALYTIC_CL_NUM_THREADS must be a whole number from 1 to {MOST_THREADS}, got {text!r}: unset it for all "
            "cores"
        )
    return int(text)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def use_threads(n: SupportsIndex) -> Iterator[None]:
    """Run the body with at most n threads in each native kernel. BLAS has threads of its own: see threadpoolctl.

    Exactness: bit for bit the same integer state for any number.
    """
    number = index(n) if hasattr(n, "__index__") and not isinstance(n, bool) else 0
    if not 1 <= number <= MOST_THREADS:
        raise ValueError(f"the number of threads must be a whole number from 1 to {MOST_THREADS}, got {n!r}")
    token = _threads.set(number)
    try:
        yield
    finally:
        _threads.reset(token)


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run the body on one backend.

    Parameters
    ----------
    name : {"native", "blas", "numpy"}
        "native" uses C++ kernels for the integer products where they are the fastest; it is there if a compiler was
        when the package was installed. "blas" uses exact BLAS products. Both use numba for the rest. "numpy" uses
        plain NumPy integer arithmetic: slow, and the oracle that the fast kernels are tested against.

    Notes
    -----
    Exactness: bit for bit the same integer state on every backend.

    Holds for the current thread, or asyncio task; ``ANALYTIC_CL_BACKEND`` in the environment is for a whole process.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier, use_backend
    >>> X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    >>> with use_backend("numpy"):
    ...     slow = LDAClassifier().fit(X, y).state_digest()
    >>> slow == LDAClassifier().fit(X, y).state_digest()
    True
    """
    token = _backend.set(_checked(name))
    try:
        yield
    finally:
        _backend.reset(token)


def _checked(name: str) -> str:
    if name not in BACKENDS:
        raise ValueError(f"unknown backend {name!r}: choose one of {', '.join(BACKENDS)}")
    return name


@cache
def package_versions() -> dict[str, str]:
    """Versions of this package and of everything its results depend on."""
    names = ("analytic-cl", "numpy", "scipy", "scikit-learn", "numba", "safetensors")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that was never installed
            found[name] = "unknown"
    return found


def show_config() -> dict[str, object]:
    """Return the backend in force, the versions, and what the last bits of weights depend on: machine and BLAS.

    "advice" is there where OpenBLAS runs kernels of an older chip than the machine's, and says what to set.
    """
    from scipy.linalg import blas  # loads the libraries that are to be described
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "architecture", "num_threads")
    pools = [{key: pool.get(key) for key in keys} for pool in threadpool_info() if blas]
    isas = [] if native is None else list(native.isas())
    advice = _blas_advice(isas, [str(pool["architecture"]) for pool in pools])
    return {
        "backend": get_backend(),
        "instruction sets": isas,
        "device": described_device(),
        "threads": get_threads(),
        "versions": package_versions(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "blas": pools,
        **({"advice": advice} if advice else {}),
    }


def _blas_advice(isas: list[str], architectures: list[str]) -> str:
    """What to set where OpenBLAS takes a chip with AVX-512 for one without; else nothing."""
    older = sorted({"Haswell", "Zen"}.intersection(architectures))
    if "avx512vnni" not in isas or not older:
        return ""
    return (
        f"OpenBLAS runs its kernels for {' and '.join(older)} on a chip with AVX-512: with OPENBLAS_CORETYPE=SKYLAKEX "
        "in the environment before Python starts, products and solves are faster; the last bits of weights "
        "change with it"
    )
