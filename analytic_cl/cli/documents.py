"""JSON files that come from elsewhere: certificates, an auditor's keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two values under one name: one reader would take the first, another the last."""
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return document


def parse_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except RecursionError:
        raise ValueError("its lists or objects are nested too deeply") from None


def read_json(path: Path) -> Any:
    try:
        return parse_json(path.read_bytes().decode())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None


def read_certificate(path: Path) -> dict[str, Any]:
    """A certificate as it was handed on. One that can't be read does not hold."""
    from analytic_cl.store import VerificationError

    try:
        certificate = read_json(path)
    except ValueError as error:
        raise VerificationError(f"{error}; it was altered, or is no certificate") from None
    if not isinstance(certificate, dict):
        raise VerificationError(f"{path} is not a certificate of analytic-cl")
    return certificate


def read_keys(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Public keys, and the keys of state hashes where they are given, from the file of `export STORE keys`."""
    keys = read_json(path)
    if not isinstance(keys, dict) or "public_keys" not in keys:
        raise ValueError(f"{path} is not a file of `export STORE keys`")
    both = keys["public_keys"], keys.get("certificate_keys", {})
    for given in both:
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise ValueError(f"{path} is not a file of `export STORE keys`")
        for name, value in given.items():
            try:
                bytes.fromhex(value)
            except ValueError:
                raise ValueError(f"{path}: key {name} is damaged") from None
    return both
