"""One spelling of a name: of labels, ids, people, sessions and requests, wherever they come from."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray


def plain_text(text: str) -> str:
    """Text without spaces around it and in Unicode's composed form (NFC): "José" is one name, however it is typed."""
    text = str.__str__(text).strip()  # the text itself, also of a subclass such as an enumeration
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def plain_texts(values: NDArray[Any]) -> NDArray[Any]:
    """An array in which every text has its one spelling; other values stay as they are."""
    if values.dtype.kind not in "UO":
        return values
    given = values.ravel().tolist()
    plain = [plain_text(value) if isinstance(value, str) else value for value in given]
    if all(a is b or (isinstance(b, str) and a == b) for a, b in zip(given, plain, strict=True)):
        return values
    out = np.array(plain) if values.dtype.kind == "U" else np.empty(len(plain), dtype=object)
    out[:] = plain
    return out.reshape(values.shape)
