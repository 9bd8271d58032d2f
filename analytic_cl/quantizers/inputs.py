"""What quantizers read rows as, and how they refuse what is no number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_EXACT_IN_FLOAT32 = frozenset(map(np.dtype, ("f4", "f2", "i1", "u1", "i2", "u2", "?")))


def as_floats(X: NDArray[Any]) -> NDArray[Any]:
    """Rows in the precision that the kernels read them in."""
    return np.ascontiguousarray(X, dtype=np.float32 if X.dtype in _EXACT_IN_FLOAT32 else np.float64)


def rows_named(rows: NDArray[np.intp]) -> str:
    """Name rows in a message: "row 3", or "rows 3, 4, 9 and 12 more"."""
    shown = ", ".join(str(int(row)) for row in rows[:10])
    more = f" and {rows.size - 10} more" if rows.size > 10 else ""
    return f"row{'s' if rows.size > 1 else ''} {shown}{more}"


def refuse_others(wrong: NDArray[np.intp], first_row: int) -> None:
    """Raise ValueError where there are rows of other values than integers of 8 bits."""
    if wrong.size:
        raise ValueError(
            f'quantizer="integers" takes integers from -127 to 127; not so in {rows_named(wrong + first_row)} of X '
            "(NaN, infinity, fractions and larger values are refused)"
        )


def refuse_not_finite(magnitude: NDArray[Any], first_row: int) -> None:
    """Raise ValueError naming the rows whose largest magnitude is NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(magnitude))
    if bad.size:
        found = (("NaN", np.isnan(magnitude).any()), ("infinity", np.isinf(magnitude).any()))
        what = " and ".join(name for name, there in found if there)
        raise ValueError(f"Input X contains {what} in {rows_named(bad + first_row)}: clean or drop them first")
