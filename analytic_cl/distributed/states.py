"""Heads that learn parts of the rows, wherever these are, and the one head of all: what every engine goes through.

An engine sends a head without rows to where the rows are (`template`), lets it learn there (`learn_part`), brings what
was learned together in a tree (`combine`), and gives it to the caller's head (`adopt_part`, `merge_part`). What is sent
are the bytes of a head's file: its integers as packed triangles, with a checksum and the state's digest.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

from sklearn.base import clone

from analytic_cl._locks import holding
from analytic_cl._warnings import warn
from analytic_cl.extractors import ContinualPipeline
from analytic_cl.heads import BaseHead, Head, head_classes
from analytic_cl.heads.packing import from_bytes, to_bytes
from analytic_cl.learner import Learner, Receipt
from analytic_cl.ledger import KEY_BYTES
from analytic_cl.quantizers import QuantizationWarning


class Template(NamedTuple):
    """What every part begins with: a head without rows, and the key under which its ledger makes digests."""

    head: bytes
    key: bytes


class Rows(NamedTuple):
    """Some rows to learn, and what errors call them."""

    place: str
    X: Any
    y: Any
    sample_id: Any = None


class Part(NamedTuple):
    """What was learned of some of the rows, ready to be sent: a head as bytes, and what its rows lost, in words."""

    head: bytes
    n_rows: int
    losses: tuple[str, ...] = ()


def reduce_states(heads: Iterable[Head]) -> Head:
    """One head that has learned all that these heads have learned.

    Parameters
    ----------
    heads : iterable of Head
        Behind one quantizer and with states of one kind, in any order; unfitted ones have learned nothing. They are
        unchanged, and asked for one at a time: two states are in memory.

    Returns
    -------
    Head
        Of the class and with the parameters of the first.

    Raises
    ------
    ValueError
        No heads; another quantizer or kind of state; a sample id that two of them have.

    Notes
    -----
    Exactness: bit for bit equal to one head that saw all rows, however they were dealt and in whatever order the heads
    come. Heads whose state depends on the order of their rows are refused.

    Cost: a merge a head: 4 d^2 bytes and 8 d a class are read and added, and the entries of its ledger.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier, distributed
    >>> X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    >>> parts = [LDAClassifier().fit(X[first : first + 20], y[first : first + 20]) for first in (40, 0, 20)]
    >>> distributed.reduce_states(parts).state_digest() == LDAClassifier().fit(X, y).state_digest()
    True
    """
    total: Head | None = None
    for head in heads:
        check_mergeable(head)
        total = copy.deepcopy(head) if total is None else total.merge(head)
    if total is None:
        raise ValueError("reduce_states needs at least one head")
    return total


def check_head(head: Any) -> None:
    """Refuse what is no head."""
    if isinstance(head, ContinualPipeline):
        raise TypeError(
            "this needs a head, got a ContinualPipeline: extract features first, such as by "
            "X.map_blocks(extractor.transform), and learn them with a head alone"
        )
    if not isinstance(head, BaseHead):
        raise TypeError(f"this needs a head, such as LDAClassifier(), got {type(head).__name__}")


def check_mergeable(head: Any) -> None:
    """Refuse what is no head, and heads whose parts can't be brought together again."""
    check_head(head)
    if head.depends_on_order:
        raise ValueError(
            f"what {type(head).__name__} learns depends on the order of its rows, and parts of them have none: fit it "
            "in one process"
        )


def pack(head: Head) -> bytes:
    """A head as the bytes of its file: personal data, ids and the ledger's key included."""
    return to_bytes(head)


def unpack(data: bytes) -> Head:
    """The head of `pack`. Raises ValueError where the bytes are damaged, or were altered."""
    return from_bytes(data, head_classes())


def template(head: Head, *, afresh: bool) -> Template:
    """What is sent to where the rows are; `afresh` says that what the head has learned will be forgotten."""
    check_mergeable(head)
    head.check_parameters()
    goes_on = not afresh and head.__sklearn_is_fitted__()
    key = head.learner_.ledger.keys[0] if goes_on else secrets.token_bytes(KEY_BYTES)
    return Template(pack(clone(head)), key)


def learn_part(start: Template, batches: Iterable[Rows]) -> Part:
    """Learn batches of rows, one after the other, into one state.

    Raises what the head raises for bad rows, with the batch's place in front. Batches without rows are left out.
    """
    losses: list[str] = []
    head, n_rows = unpack(start.head), 0
    head.tell_losses_to(losses.append)
    for place, X, y, sample_id in batches:
        if not len(X) == len(y) == 0:
            try:
                n_rows += _learn(head, start.key, X, y, sample_id)
            except (ValueError, TypeError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"{place}: {error}") from error
    return Part(pack(head), n_rows, tuple(losses))


def _learn(head: Head, key: bytes, X: Any, y: Any, sample_id: Any) -> int:
    new = head.encode(X, y, sample_id).with_one_label_each("learning in parts")
    if head.__sklearn_is_fitted__():
        head.learner_.learn(new.rows, new.targets, new.ids)
    else:
        learner = Learner(head.empty_state(new.quantizer), track=head.track)
        learner.ledger.begin_under(key)
        learner.learn(new.rows, new.targets, new.ids)
        head.adopt(learner, new.feature_names)
    return len(new.targets.codes)


def combine(parts: Iterable[Part]) -> Part:
    """One part of all that these have learned: the inner nodes of an engine's tree."""
    losses: list[str] = []
    total, n_rows = None, 0
    for part in parts:
        head = unpack(part.head)
        total = head if total is None else total.merge(head)
        n_rows += part.n_rows
        losses += part.losses
    if total is None:
        raise ValueError("there are no parts to combine")
    return Part(pack(total), n_rows, tuple(losses))


def adopt_part(head: Head, part: Part) -> Head:
    """Let the caller's head be what was learned, in the place of all that it had learned before. Returns it."""
    learned = _unpacked(part)
    with holding(changed=(head,)):
        head.become_unfitted()
        head.declare(())
        head.adopt(learned.learner_, getattr(learned, "feature_names_in_", None))
    return head


def merge_part(head: Head, part: Part) -> Head:
    """Let the caller's head learn what was learned beside what it had learned before. Returns it."""
    if not head.__sklearn_is_fitted__():
        return adopt_part(head, part)
    head.merge(_unpacked(part))
    return head


def forget_part(head: Head, part: Part) -> Receipt:
    """Let the caller's head unlearn what was learned here, as `Head.unmerge` does. Returns the receipt."""
    if not part.n_rows:
        raise ValueError("there are no rows to forget: all parts are empty")
    return head.unmerge(unpack(part.head))


def _unpacked(part: Part) -> Head:
    if not part.n_rows:
        raise ValueError("there are no rows to learn: all parts are empty")
    if part.losses:
        warn(f"{part.losses[0]} (Said of {len(part.losses)} parts of the rows.)", QuantizationWarning)
    return unpack(part.head)
