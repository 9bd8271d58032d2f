"""Text from elsewhere: one spelling of a name, and what is shown on a terminal or a page is seen and does nothing."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def plain_text(text: str) -> str:
    """Text without spaces around it and in Unicode's composed form (NFC): "José" is one name, however it is typed."""
    text = str.__str__(text).strip()  # the text itself, also of a subclass such as an enumeration
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def plain_texts(values: NDArray[Any]) -> NDArray[Any]:
    """An array in which every text has its one spelling; other values stay as they are."""
    import numpy as np  # commands that only show text do without

    if values.dtype.kind not in "UO":
        return values
    given = values.ravel().tolist()
    plain = [plain_text(value) if isinstance(value, str) else value for value in given]
    if all(a is b or (isinstance(b, str) and a == b) for a, b in zip(given, plain, strict=True)):
        return values
    out = np.array(plain) if values.dtype.kind == "U" else np.empty(len(plain), dtype=object)
    out[:] = plain
    return out.reshape(values.shape)


def visible(value: Any, keep: str = "") -> str:
    """Control characters, line breaks, escapes and marks of direction as `repr` writes them; `keep` stays."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def visible_json(text: str) -> str:
    """JSON of the same value, in which only line breaks between values are left of what is not printable."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
