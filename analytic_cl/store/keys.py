"""The secrets of a store: keys of its hashes and of its signatures.

Three kinds. "ledger" keys hash ids, subjects and requests, for the store's eyes only. "certificate" keys hash state
digests: an auditor gets one, and can compare states without learning more. The "signing" key is private; its public
half goes to whoever checks certificates. A one-way hash can't be made again under another key, so keys that were
replaced stay, and every hash names its key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Any, Literal

from analytic_cl._files import write_file
from analytic_cl._json import canonical
from analytic_cl.store.clock import now
from analytic_cl.store.errors import StoreError

Kind = Literal["ledger", "certificate", "signing"]
KINDS: tuple[Kind, ...] = ("ledger", "certificate", "signing")


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise ImportError(
            "certificates are signed with the package cryptography: pip install 'analytic-cl[store]'"
        ) from error
    return ed25519


class Keys:
    """Keys of a store, newest last, in one file of mode 0600."""

    def __init__(self, path: Path, keys: dict[str, list[dict[str, str]]]) -> None:
        self._path = path
        self._keys = keys

    @classmethod
    def create(cls, path: Path) -> Keys:
        keys = cls(path, {kind: [] for kind in KINDS})
        for kind in KINDS:
            keys._add(kind)
        keys._write()
        return keys

    @classmethod
    def read(cls, path: Path) -> Keys:
        try:
            keys = json.loads(path.read_text())
            checksum = keys.pop("checksum")
            if checksum != _checksum(keys):
                raise ValueError("it does not have its checksum any more")
            for kind in KINDS:
                if not keys[kind]:
                    raise ValueError(f"there is no {kind} key")
                for key in keys[kind]:
                    bytes.fromhex(key["secret"]), key["id"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(f"the keys in {path} can't be read ({error}): restore the file from a backup") from error
        return cls(path, keys)

    def reload(self) -> None:
        """Read keys that another process may have added."""
        self._keys = Keys.read(self._path)._keys

    def _add(self, kind: Kind) -> None:
        secret = secrets.token_bytes(32)
        key = {"id": f"{kind[0]}{len(self._keys[kind]) + 1}", "secret": secret.hex(), "since": now()}
        if kind == "signing":
            key["public"] = (
                _ed25519().Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw().hex()
            )
        self._keys[kind].append(key)

    def _write(self) -> None:
        content = {**self._keys, "checksum": _checksum(self._keys)}
        write_file(self._path, json.dumps(content, indent=1).encode())

    def rotate(self, kind: Kind) -> str:
        """Use a new key from now on; its id. What was hashed or signed under the others stays readable."""
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        self._add(kind)
        try:
            self._write()
        except BaseException:
            self._keys[kind].pop()
            raise
        return self._keys[kind][-1]["id"]

    # ---- hashes

    def hash(self, kind: Literal["ledger", "certificate"], content: bytes, key_id: str | None = None) -> str:
        """Keyed hash as "key id:hexadecimal", under the newest key or a given one."""
        key = self._keys[kind][-1] if key_id is None else self._by_id(kind, key_id)
        return keyed_hash(key["id"], bytes.fromhex(key["secret"]), content)

    def hashes(self, content: bytes) -> list[str]:
        """The hash under every ledger key there was."""
        return [self.hash("ledger", content, key["id"]) for key in self._keys["ledger"]]

    def knows(self, kind: Kind, key_id: str) -> bool:
        return any(key["id"] == key_id for key in self._keys[kind])

    def matches(self, kind: Literal["ledger", "certificate"], hashed: str, content: bytes) -> bool:
        key_id = hashed.split(":", 1)[0]
        return self.knows(kind, key_id) and hmac.compare_digest(self.hash(kind, content, key_id), hashed)

    def _by_id(self, kind: Kind, key_id: str) -> dict[str, str]:
        for key in self._keys[kind]:
            if key["id"] == key_id:
                return key
        raise StoreError(f"there is no {kind} key {key_id!r} in {self._path}: was it made by another store?")

    # ---- for auditors

    def made(self, entry: dict[str, Any] | None) -> bool:
        """Whether these are keys of the store whose log begins with this entry."""
        first = (entry or {}).get("public_keys")
        return isinstance(first, dict) and bool(first) and first.items() <= self.public_keys().items()

    def certificate_keys(self) -> dict[str, str]:
        """Secrets of the certificate keys by id, in hexadecimal: for auditors, over a private channel."""
        return {key["id"]: key["secret"] for key in self._keys["certificate"]}

    def public_keys(self) -> dict[str, str]:
        """Public halves of the signing keys by id, in hexadecimal: for everyone."""
        return {key["id"]: key["public"] for key in self._keys["signing"]}

    def sign(self, document: dict[str, Any]) -> dict[str, str]:
        key = self._keys["signing"][-1]
        private = _ed25519().Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["secret"]))
        return {"key": key["id"], "public_key": key["public"], "value": private.sign(canonical(document)).hex()}


def _checksum(keys: dict[str, Any]) -> str:
    """Finds a damaged byte, which would be another key."""
    return hashlib.sha256(canonical(keys)).hexdigest()


def keyed_hash(key_id: str, secret: bytes, content: bytes) -> str:
    return f"{key_id}:{hmac.new(secret, content, hashlib.sha256).hexdigest()}"


def signature_holds(document: dict[str, Any], signature: dict[str, str], public_key: str) -> bool:
    """Whether a signature of `Keys.sign` is that of this document under this public key."""
    from cryptography.exceptions import InvalidSignature

    try:
        key = _ed25519().Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature["value"]), canonical(document))
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True
