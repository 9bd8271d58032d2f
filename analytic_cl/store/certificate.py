"""Certificates: signed evidence of what a request did, that can be checked without the store.

A certificate names the request by its id and a hash of what it asked, counts what went, and carries HMAC(certificate
key, state digest) before and after. Whoever holds that key and the remaining data can train from them and compare:
equal hashes mean that the model is, bit for bit, the one that never saw the erased rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from analytic_cl._config import package_versions
from analytic_cl.statistics import State
from analytic_cl.store.errors import VerificationError
from analytic_cl.store.keys import Keys, keyed_hash, signature_holds

FORMAT = "analytic-cl certificate"
FORMAT_VERSION = 2

NOT_COVERED = (
    "the feature extractor, and what it was trained on",
    "a first-session adaptation of the extractor on personal data",
    "scales, bounds and hyper-parameters that were chosen by looking at erased rows",
    "copies, exports, backups and models elsewhere",
    "what a disk, a file system or its snapshots keep of overwritten files",
)


def issue(
    keys: Keys, quantizer: dict[str, Any] | None, state: dict[str, Any], about: Mapping[str, Any]
) -> dict[str, Any]:
    """A signed certificate from what a request did."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **about,
        "quantizer": quantizer,
        "state": state,
        "versions": package_versions(),
        "not_covered": list(NOT_COVERED),
    }
    return {**document, "signature": keys.sign(document)}


def state_hash(keys: Keys, digest: str) -> str:
    return keys.hash("certificate", digest.encode())


def check_certificate(certificate: Mapping[str, Any], public_keys: Mapping[str, str]) -> None:
    """Raise VerificationError unless a certificate is signed by one of these keys, and unaltered.

    Parameters
    ----------
    certificate : mapping
        As `StoreReceipt.certificate`, or read from its JSON file.
    public_keys : mapping of str to str
        Public keys by id, in hexadecimal, that came from the controller by a way you trust: `Store.public_keys`.
    """
    document = {name: value for name, value in certificate.items() if name != "signature"}
    signature = certificate.get("signature")
    if document.get("format") != FORMAT or not isinstance(signature, dict):
        raise VerificationError("this is not a certificate of analytic-cl")
    if document.get("format_version") != FORMAT_VERSION:
        raise VerificationError(f"certificate format {document.get('format_version')} is not known to this version")
    well_formed = (
        signature.keys() == {"key", "public_key", "value"}
        and all(isinstance(value, str) for value in signature.values())
        and re.fullmatch("[0-9a-f]{128}", signature["value"])
    )
    if not well_formed:
        raise VerificationError("the certificate was altered: its signature is not one")
    if public_keys.get(signature["key"]) != signature["public_key"]:
        raise VerificationError("the certificate is signed with a key that is not among the trusted public keys")
    if not signature_holds(document, signature, signature["public_key"]):
        raise VerificationError("the certificate was altered: its signature does not match its content")


def check_retrained(certificate: Mapping[str, Any], state: State, certificate_keys: Mapping[str, str]) -> None:
    """Raise VerificationError unless a state has the hash that the certificate gives for the time after the request."""
    after = str(certificate["state_after"])
    key_id = after.split(":", 1)[0]
    if key_id not in certificate_keys:
        raise VerificationError(f"the certificate's state hash is under key {key_id}, which was not given")
    if keyed_hash(key_id, bytes.fromhex(certificate_keys[key_id]), state.digest().encode()) != after:
        raise VerificationError(
            "retraining gives another state than the one certified: other rows, labels, quantizer or order"
        )
