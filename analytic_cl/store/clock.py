"""Times as they are written down: UTC, ISO 8601, milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def later(time: str, days: float) -> str:
    return (datetime.fromisoformat(time) + timedelta(days=days)).isoformat(timespec="milliseconds")
