"""Warnings that point at the line of the caller, outside this package."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType

_PACKAGE = str(Path(__file__).parent) + os.sep
_CONTEXTLIB = contextmanager.__code__.co_filename

_asked: ContextVar[FrameType] = ContextVar("analytic_cl_asked")  # who called for what another thread carries out


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is not the package's own, however deep the call was."""
    frame = _asked.get(None)
    if frame is not None:
        about = frame.f_globals
        registry = about.setdefault("__warningregistry__", {})
        place = frame.f_code.co_filename, frame.f_lineno, about.get("__name__")
        warnings.warn_explicit(message, category, *place, registry)
    elif sys.version_info >= (3, 12):
        warnings.warn(message, category, skip_file_prefixes=(_PACKAGE,))
    else:
        level, frame = 1, sys._getframe()
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
            level, frame = level + 1, frame.f_back
        warnings.warn(message, category, stacklevel=level)


@contextmanager
def warned_here() -> Iterator[None]:
    """In the body: a context that is copied for another thread takes along where the package was called."""
    frame = sys._getframe(2)  # beyond contextlib's
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_PACKAGE, _CONTEXTLIB)):
        frame = frame.f_back
    token = _asked.set(_asked.get(frame))
    try:
        yield
    finally:
        _asked.reset(token)
