"""Types of the C++ kernels in native/; None of them checks more than memory safety needs."""

from typing import Any

from numpy.typing import NDArray

BLOCK_ROWS: int
MAX_TERMS: int

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
def project(
    rows: NDArray[Any], bits: NDArray[Any], shift: int, out: NDArray[Any], threads: int, isa: str, /
) -> None: ...
