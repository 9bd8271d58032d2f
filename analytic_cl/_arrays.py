"""Arrays of a state, which may have come from another process or a file."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def writable(array: NDArray[Number]) -> NDArray[Number]:
    """The array itself where it can be written to and its memory is its own; else a copy.

    joblib, Ray and pickle's out-of-band buffers hand out read-only arrays. Memory that another object owns, such as a
    map of a file, may be writable and shared with other models.
    """
    flags = array.flags
    return array if flags.writeable and flags.owndata else np.array(array, order="K")
