"""Types of the C++ kernels in native/; None of them checks more than memory safety needs."""

from typing import Any

from numpy.typing import NDArray

BLOCK_ROWS: int
MAX_TERMS: int
MAX_WEIGHT: int
MAX_WIDTH: int

def isas() -> list[str]: ...
def gram_scratch_bytes(columns: int, value_bytes: int, /) -> int: ...
def gram8(
    rows: NDArray[Any], sign: int, planes: list[NDArray[Any]], scratch: NDArray[Any], threads: int, isa: str, /
) -> None: ...
def gram16(
    rows: NDArray[Any], sign: int, planes: list[NDArray[Any]], scratch: NDArray[Any], threads: int, isa: str, /
) -> None: ...
def gram32(
    rows: NDArray[Any], sign: int, planes: list[NDArray[Any]], scratch: NDArray[Any], threads: int, isa: str, /
) -> None: ...

class Signs:
    """+-1 weights, from packed bits of shape (components, bytes): laid out once, unchanged from then on."""

    n_components: int

    def __init__(self, bits: NDArray[Any], n_features: int, isa: str, /) -> None: ...

def project(rows: NDArray[Any], signs: Signs, shift: int, out: NDArray[Any], threads: int, /) -> None: ...

class Weights:
    """Int64 weights of shape (classes, features), in bytes: cut once, unchanged from then on."""

    def __init__(self, weights: NDArray[Any], pad: int, isa: str, /) -> None: ...

def score(
    rows: NDArray[Any],
    weights: Weights,
    origin: NDArray[Any],
    unit: NDArray[Any],
    bias: NDArray[Any],
    out: NDArray[Any],
    threads: int,
    /,
) -> None: ...
def score_leading(
    rows: NDArray[Any],
    weights: Weights,
    origin: NDArray[Any],
    unit: NDArray[Any],
    bias: NDArray[Any],
    out: NDArray[Any],
    sizes: NDArray[Any],
    threads: int,
    /,
) -> None: ...
def nearest(
    rows: NDArray[Any],
    alive: NDArray[Any],
    queries: NDArray[Any],
    distances: NDArray[Any],
    positions: NDArray[Any],
    threads: int,
    isa: str,
    /,
) -> None: ...
def nearest_angles(
    rows: NDArray[Any],
    alive: NDArray[Any],
    queries: NDArray[Any],
    cosines: NDArray[Any],
    positions: NDArray[Any],
    threads: int,
    isa: str,
    /,
) -> None: ...
def project_sums(rows: NDArray[Any], signs: Signs, out: NDArray[Any], threads: int, /) -> None: ...
