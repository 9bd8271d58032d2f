"""The names that callers give, each in its one spelling: what comes in here is what the files hold."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from analytic_cl.ledger import as_ids, as_name
from analytic_cl.statistics import as_label
from analytic_cl.store.tasks import Selector


def selection(
    sample_id: Any, subject: Any, label: Any, session: Any, request_id: Any, skip_unknown: Any = False
) -> tuple[str, Selector]:
    """The id of a request, and the rows that it is about."""
    selector = Selector(
        None if sample_id is None else as_ids(sample_id),
        None if subject is None else as_name("subject", subject),
        None if label is None else as_label(label),
        None if session is None else as_name("session", session),
        bool(skip_unknown),
    )
    selector.check()
    return named_request(request_id), selector


REQUEST = ("sample_id", "subject", "label", "session", "request_id", "skip_unknown")  # what `selection` takes, in order


def selections(
    requests: Iterable[Mapping[str, Any]], others: Iterable[str] = ()
) -> Iterator[tuple[Mapping[str, Any], tuple[str, Selector]]]:
    """Requests that come as mappings, each with its `selection`. Raises ValueError for fields of another name, but for
    `others`.
    """
    for number, request in enumerate(requests):
        if unknown := sorted(set(request) - {*REQUEST, *others}):
            raise ValueError(f"request {number} has unknown fields: {', '.join(unknown)}")
        yield request, selection(*(request.get(key) for key in REQUEST))


def spread(name: str, given: Any, n: int) -> list[str | None]:
    """One value for all rows, or one each."""
    if isinstance(given, np.ndarray) and given.ndim == 0:
        given = given.item()
    if given is None or isinstance(given, str | bytes) or not isinstance(given, Iterable):
        return [None if given is None else as_name(name, given)] * n
    values = list(given)
    if len(values) != n:
        raise ValueError(f"{n} rows but {len(values)} values of {name}")
    spelled: dict[Any, str] = {}  # many rows have few names
    for place, value in enumerate(values):
        if value is not None and (not isinstance(value, str) or value not in spelled):
            try:
                spelled[value] = as_name(name, value)
            except ValueError as error:
                raise ValueError(f"{error}, for row {place}; None stands for none") from None
    return [None if value is None else spelled[value] for value in values]


def named_request(request_id: Any) -> str:
    """The id of a request, made up where none is given."""
    return secrets.token_hex(8) if request_id is None else as_name("request_id", request_id)
