"""What a pipeline knows of the inputs of a call."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from analytic_cl.extractors.base import Extractor
from analytic_cl.heads.weights import as_weights
from analytic_cl.ledger import SampleId

EXTRACTED_AGAIN = (
    " (The features were extracted again. Extractors differ in their last bits between batch sizes, devices and "
    "versions, and may then give other integers than the learned ones: forget by sample_id, or learn with a cache.)"
)


class Extracted(NamedTuple):
    """Features of a call's inputs; with a cache also the inputs' content keys, and the features that it lacks."""

    source: str
    features: NDArray[Any]
    variant: str = ""
    keys: list[bytes] | None = None
    fresh: dict[bytes, NDArray[Any]] | None = None


def cacheable(
    run: Extracted, ids: list[SampleId] | None, sample_weight: Any
) -> tuple[Extracted, list[SampleId] | None]:
    """What of a call a cache may keep: inputs of weight 0 are not learned, and so could never be erased."""
    weights = as_weights(sample_weight, len(run.features))
    if weights is None or run.keys is None:
        return run, ids
    learned = [at for at, weight in enumerate(weights.tolist()) if weight]
    keys = [run.keys[at] for at in learned]
    fresh = {key: run.fresh[key] for key in dict.fromkeys(keys) if run.fresh and key in run.fresh}
    return run._replace(keys=keys, fresh=fresh), None if ids is None else [ids[at] for at in learned]


def width_of(X: Any) -> int | None:
    """Columns of a table; None for inputs of another kind."""
    shape: tuple[int, ...] = getattr(X, "shape", ())
    return int(shape[1]) if len(shape) == 2 else None


def source_of(extractor: Extractor) -> str:
    """What a state says about the extractor that its rows come from."""
    return f"{extractor.name} {extractor.fingerprint()}"
