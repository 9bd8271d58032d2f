"""Names that commands take, known before what they name is loaded, so that a wrong one is answered at once.

The registries stay the truth: tests compare these with them. Other packages may add heads.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points

HEADS_GROUP = "analytic_cl.heads"  # of entry points

COMPARED_HEADS = (
    "nearest-mean",
    "nearest-mean-euclidean",
    "lda",
    "gaussian",
    "auto",
    "ridge",
    "ridge-gcv",
    "lda-rp",
    "ridge-rp",
    "key-value",
    "neighbors",
    "air",
    "fecam",
    "naive-bayes",
    "qda",
    "teen",
    "fetril",
    "napa",
    "ds-al",
    "ks-lda",
    "truncated-ridge-rp",
    "von-mises-fisher",
    "klda",
    "randumb",
    "anacp",
)

STORE_HEADS = (
    "nearest-mean",
    "lda",
    "gaussian",
    "auto",
    "ridge",
    "ridge-regression",
    "key-value",
    "neighbors",
)

PEERS = (
    "sgd",
    "sgd-replay",
    "gaussian-nb",
    "nearest-centroid-joint",
    "ridge-joint",
    "lda-joint",
    "torch-probe",
)

ADAPTATIONS = (
    "label-shift",
    "lame",
    "t3a",
    "growing-memory",
    "moment-alignment",
)

TEST_STREAMS = (
    "label-shift",
    "gradual-shift",
    "correlated",
    "unshifted",
)


def others_add_heads() -> bool:
    """Whether another package is installed that has heads."""
    return any(point.dist is None or point.dist.name != "analytic-cl" for point in entry_points(group=HEADS_GROUP))


def check_names(names: str | Iterable[str], known: Iterable[str], what: str) -> list[str]:
    """What is asked for: "all", "none", "default", or names (text with commas).

    Raises ValueError for unknown names, with those that are known.
    """
    asked = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    unknown = [] if asked in (["all"], ["none"], ["default"]) else [name for name in asked if name not in known]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}: choose from {', '.join(known)}, or all or none")
    return asked
