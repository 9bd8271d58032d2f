"""What a pipeline knows of the inputs of a call."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from analytic_cl.extractors.base import Extractor


class Extracted(NamedTuple):
    """Features of a call's inputs; with a cache also the inputs' content keys, and the features that it lacks."""

    source: str
    features: NDArray[Any]
    variant: str = ""
    keys: list[bytes] | None = None
    fresh: dict[bytes, NDArray[Any]] | None = None


def width_of(X: Any) -> int | None:
    """Columns of a table; None for inputs of another kind."""
    shape: tuple[int, ...] = getattr(X, "shape", ())
    return int(shape[1]) if len(shape) == 2 else None


def source_of(extractor: Extractor) -> str:
    """What a state says about the extractor that its rows come from."""
    return f"{extractor.name} {extractor.fingerprint()}"
