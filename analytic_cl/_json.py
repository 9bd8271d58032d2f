"""JSON in one spelling."""

from __future__ import annotations

import json
from typing import Any


def canonical(value: Any) -> bytes:
    """What hashes and signatures are made of: keys sorted, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
