"""Sums of clients' states of which the server sees the sum alone: additive masks on the integers, modulo 2^64.

Every two clients share a secret and draw one stream of 64-bit numbers from it; one of the two adds the stream to its
state, the other subtracts it. In the sum over all clients the streams cancel. Integers wrap around exactly, so the
unmasked sum has, bit for bit, the digest of the merged states. This is the first half of Bonawitz et al., "Practical
secure aggregation for privacy-preserving machine learning" (CCS 2017), which also hides clients that drop out and works
on quantised gradients; here the integers are the state itself, and a round with a missing client is repeated.

What it protects against: a server that follows these rules and is curious. It sees numbers that are uniform to anyone
without the pairs' secrets (as hard as X25519 and SHAKE). What it does not:

* **The sum leaks**, to everyone who gets it: a class that one client alone has is that client's class; see
  docs/threat-model.md. Of two clients, each learns the other's state by subtracting its own. So do all clients but one,
  if they put their states together, with or without the server.
* **Dropping out.** The sum can't be unmasked without every client of the agreement. The others then begin again, with
  new participants and a new agreement. Were the late message to arrive after all, both sums would give that client away
  by their difference: the server must drop it, and a client that is not sure to have been left out must not send.
* **A server that lies.** Public keys come through the server, which could hand out its own: compare
  `Agreement.fingerprint` over a channel that it does not control. It could ask for two sums that differ by a client.
* **Clients that lie.** A client can send any state. The sum is checked to be a possible state, not an honest one.
* **What is public**: names, the label set of all clients, the quantizer, the size of a message, and who took part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import Label, Moments, encode_labels, label_bytes
from analytic_cl.statistics.digest import sized
from analytic_cl.statistics.gram import PLANE_SHIFTS

MAGIC = b"analytic-cl masks 1\0"

Words = NDArray[np.uint64]

_BLOCK = 2**20  # bytes of a stream that are drawn at once


@dataclass(frozen=True)
class Agreement:
    """What the clients of one sum agree on before they send anything: all of it is public.

    Parameters
    ----------
    quantizer : Quantizer
        Of all states.
    order : {1, 2}
        Of all states.
    labels : iterable of labels
        All classes that any of the clients has. They say where the numbers of a class lie in every message.
    public_keys : mapping of str to bytes
        `Participant.public_key` of every client, by name. At least two.

    Attributes
    ----------
    n_words : int
        Numbers of 8 bytes in the message of a client, whatever it has learned.
    fingerprint : str
        SHA-256 of all of the above, for clients to compare. Part of every mask: unless all have the same agreement,
        masks don't cancel.
    """

    quantizer: Quantizer
    order: int
    labels: tuple[Label, ...]
    public_keys: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if self.order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, got {self.order!r}")
        if len(self.public_keys) < 2:
            raise ValueError("a sum of fewer than two clients hides nothing: it is the state of the one")
        keys = set(self.public_keys.values())
        if len(keys) < len(self.public_keys) or any(len(key) != 32 for key in keys):
            raise ValueError("public keys must be 32 bytes, and different: each client needs a participant of its own")
        object.__setattr__(self, "labels", tuple(encode_labels(list(self.labels)).values))
        object.__setattr__(self, "public_keys", dict(self.public_keys))

    @classmethod
    def of(cls, state: Moments, labels: Iterable[Any], public_keys: Mapping[str, bytes]) -> Self:
        """The agreement that a state, with or without rows, is of."""
        return cls(state.quantizer, state.order, tuple(labels), public_keys)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What a message holds: a one for each client, then counts and sums of the classes, and Gram triangles."""
        n, d = len(self.labels), self.quantizer.width
        planes = {f"gram_{shift}": (d * (d + 1) // 2,) for shift in PLANE_SHIFTS[self.quantizer.bits]}
        return {"clients": (1,), "counts": (n,), "sums": (n, d), **(planes if self.order == 2 else {})}

    @property
    def n_words(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    @property
    def fingerprint(self) -> str:
        labels = b"".join(sized(label_bytes(label)) for label in self.labels)
        clients = b"".join(sized(name.encode()) + sized(key) for name, key in sorted(self.public_keys.items()))
        parts = self.quantizer.canonical_bytes(), bytes([self.order]), labels, clients
        return hashlib.sha256(MAGIC + b"".join(map(sized, parts))).hexdigest()

    def words(self, state: Moments) -> Words:
        """A state as the numbers of a message, not masked. Raises an error where it is not one of this agreement."""
        if not isinstance(state, Moments):
            raise TypeError(
                f"only Moments can be masked, got {type(state).__name__}: other states have no layout that is the same "
                "for all clients before it is known what they have learned"
            )
        if (state.quantizer, state.order) != (self.quantizer, self.order):
            raise ValueError(
                f"the agreement is on order {self.order} behind {self.quantizer.describe()}, not {state!r}"
            )
        outside = set(state.labels) - set(self.labels)
        if outside:
            raise ValueError(f"classes that the agreement does not have: {', '.join(map(repr, sorted(outside)))}")
        places, arrays = [self.labels.index(label) for label in state.labels], state.to_arrays()
        whole = {name: np.zeros(self.shapes[name], dtype=np.int64) for name in ("clients", "counts", "sums")}
        whole["clients"][0] = 1
        whole["counts"][places], whole["sums"][places] = arrays["counts"], arrays["sums"]
        return np.concatenate([(arrays | whole)[name].ravel() for name in self.shapes]).view(np.uint64)

    def state(self, words: Words) -> Moments:
        """The state that unmasked numbers are. Raises ValueError where they are none."""
        parts = np.split(words.view(np.int64), np.cumsum([np.prod(shape) for shape in self.shapes.values()])[:-1])
        arrays = {name: part.reshape(self.shapes[name]) for name, part in zip(self.shapes, parts, strict=True)}
        held = arrays["counts"] != 0
        try:
            if arrays["clients"][0] != len(self.public_keys):
                raise ValueError("not the number of clients that it should have")
            return Moments.of_classes(
                self.quantizer,
                [label for label, any_rows in zip(self.labels, held, strict=True) if any_rows],
                arrays["counts"][held],
                arrays["sums"][held],
                [arrays[name] for name in self.shapes if name.startswith("gram_")],
            )
        except ValueError as error:
            raise ValueError(
                f"the masks don't cancel, or a client sent no state ({error}): all clients must have masked under one "
                "agreement, whose fingerprints they can compare"
            ) from error


class Participant:
    """One client in one sum, with a secret of its own that nobody else ever has.

    Parameters
    ----------
    name : str
        As the others know it.

    Attributes
    ----------
    public_key : bytes
        For the agreement.

    Notes
    -----
    It masks once, and drops its secret: two messages under one mask would tell their difference. Needs the extra
    ``store``, which brings the package cryptography.

    Exactness: bit for bit. The sum of all messages modulo 2^64 is the sum of the states.

    Cost: a stream of 8 bytes a number for each other client, and the message: 4 d^2 bytes (12 d^2 behind a 32-bit
    quantizer; none at order 1) and 8 (d + 1) bytes a class of the agreement.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.distributed.masking import Agreement, Participant, unmasked
    >>> X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    >>> clients = {name: Participant(name) for name in ("ann", "bob", "cy")}
    >>> states = {name: LDAClassifier().fit(X[i::3], y[i::3]).moments_ for i, name in enumerate(clients)}
    >>> agreed = Agreement.of(states["ann"], [0, 1, 2], {name: each.public_key for name, each in clients.items()})
    >>> messages = {name: each.masked(states[name], agreed) for name, each in clients.items()}
    >>> total = LDAClassifier.from_moments(unmasked(messages, agreed))
    >>> total.state_digest() == LDAClassifier().fit(X, y).state_digest()
    True
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._secret = _x25519().X25519PrivateKey.generate()
        self.public_key: bytes = self._secret.public_key().public_bytes_raw()

    def masked(self, state: Moments, agreement: Agreement) -> Words:
        """The message of this client: its state, masked, as `Agreement.n_words` numbers.

        Raises ValueError for a state that the agreement is not of, and where this client has no part in it under this
        key; RuntimeError the second time.
        """
        if self._secret is None:
            raise RuntimeError(f"{self.name!r} has masked already: every sum takes new participants and keys")
        if agreement.public_keys.get(self.name) != self.public_key:
            raise ValueError(f"{self.name!r} has no part in this agreement under its key")
        words = agreement.words(state)
        secret, self._secret = self._secret, None
        for name, key in agreement.public_keys.items():
            if name != self.name:
                shared = secret.exchange(_x25519().X25519PublicKey.from_public_bytes(key))
                _shift(words, shared + bytes.fromhex(agreement.fingerprint), +1 if self.name < name else -1)
        return words


def unmasked(messages: Mapping[str, Words], agreement: Agreement) -> Moments:
    """The sum of all clients' states, from their messages by name: what the server does.

    Raises ValueError for a message that is missing, not expected or of another size, and where the sum is no possible
    state: because the clients masked under different agreements, or one sent something else.
    """
    missing, unknown = agreement.public_keys.keys() - messages.keys(), messages.keys() - agreement.public_keys.keys()
    if missing or unknown:
        raise ValueError(
            f"messages are missing of {sorted(missing)}, and not expected of {sorted(unknown)}: without all of the "
            "agreement the sum stays masked; begin again with new participants and those who are left"
        )
    total = np.zeros(agreement.n_words, dtype=np.uint64)
    for name, words in messages.items():
        if words.dtype != np.uint64 or words.shape != total.shape:
            raise ValueError(f"the message of {name!r} is not uint64 of shape {total.shape}")
        total += words
    return agreement.state(total)


def _shift(words: Words, secret: bytes, sign: int) -> None:
    """Add a stream of numbers to others, or subtract it, modulo 2^64."""
    seed = hashlib.shake_256(MAGIC + secret).digest(32)
    step = _BLOCK // 8
    for number, start in enumerate(range(0, words.size, step)):
        part = words[start : start + step]
        stream = hashlib.shake_128(seed + number.to_bytes(8, "little")).digest(8 * part.size)
        (np.add if sign > 0 else np.subtract)(part, np.frombuffer(stream, dtype="<u8"), out=part)


def _x25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import x25519
    except ImportError as error:
        raise ImportError("masks are agreed with the package cryptography: pip install 'analytic-cl[store]'") from error
    return x25519
