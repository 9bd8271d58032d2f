"""Many deletion requests from one file, carried out in groups."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from analytic_cl._text import plain_text
from analytic_cl.cli.columns import text_ids, text_label
from analytic_cl.cli.documents import parse_json
from analytic_cl.cli.output import as_json_text, write_text
from analytic_cl.reading import read_records

if TYPE_CHECKING:
    from analytic_cl.store import Store

_LONGEST_NAME = 200  # file systems take 255 bytes

SELECTORS = ("sample_id", "subject", "label", "session")

Request = dict[str, Any]


def read_batch(path: Path, integer_ids: bool, kind_of_labels: str, skip_unknown: bool) -> list[Request]:
    """Arguments of `Store.forget`, one a request, in the order in which requests first occur."""
    if path.suffix.lower() == ".csv":
        lines = _lines_of_csv(path, integer_ids, kind_of_labels)
    elif path.suffix.lower() in (".jsonl", ".ndjson"):
        lines = _lines_of_json(path)
    else:
        raise ValueError(f"{path}: a batch is a .csv or .jsonl file")
    requests: dict[str, Request] = {}
    for place, line in lines:
        _check_line(line, place)
        name = line["request_id"] = plain_text(line["request_id"])
        if name in requests:
            _join(requests[name], line, place)
        else:
            requests[name] = {**line, "skip_unknown": skip_unknown}
    for name, request in requests.items():
        if "sample_id" in request:
            request["sample_id"] = _ids(request["sample_id"], f"{path}: request {name!r}")
    return list(requests.values())


def _ids(values: list[Any], place: str) -> list[Any]:
    from analytic_cl.ledger import as_ids

    try:
        return as_ids(values)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _lines_of_csv(path: Path, integer_ids: bool, kind_of_labels: str) -> Iterator[tuple[str, Request]]:
    for number, record in enumerate(read_records(path), start=1):
        place = f"{path}, row {number}"
        line: Request = {name: cell for name, cell in record.items() if cell}
        if "sample_id" in line:
            line["sample_id"] = text_ids([line["sample_id"]], integer_ids, place)
        if "label" in line:
            line["label"] = text_label(line["label"], kind_of_labels)
        yield place, line


def _lines_of_json(path: Path) -> Iterator[tuple[str, Request]]:
    for number, text in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not text.strip():
            continue
        place = f"{path}, line {number}"
        try:
            line = parse_json(text.decode())
        except ValueError as error:
            raise ValueError(f"{place} is not JSON: {error}") from None
        if not isinstance(line, dict):
            raise ValueError(f"{place} is not a JSON object")
        if "sample_id" in line and not isinstance(line["sample_id"], list):
            line["sample_id"] = [line["sample_id"]]
        yield place, {name: value for name, value in line.items() if value is not None}


def _check_line(line: Request, place: str) -> None:
    unknown = sorted(line.keys() - {"request_id", *SELECTORS})
    if unknown:
        raise ValueError(f"{place}: unknown column {unknown[0]!r}; there are request_id, {', '.join(SELECTORS)}")
    for name in ("request_id", "subject", "session"):
        if name in line and not (isinstance(line[name], str) and line[name].strip()):
            raise ValueError(f"{place}: {name} must be text with something in it, got {line[name]!r}")
    if "request_id" not in line:
        raise ValueError(f"{place}: it needs a request_id, as text")
    if len(line) != 2:
        raise ValueError(f"{place}: it needs exactly one of {', '.join(SELECTORS)}")


def _join(request: Request, line: Request, place: str) -> None:
    """Ids of one request may stand on several lines."""
    if "sample_id" not in request or "sample_id" not in line:
        raise ValueError(f"{place}: request {line['request_id']!r} is there already; only ids may go on over lines")
    request["sample_id"] += line["sample_id"]


def forget_in_groups(
    store: Store, requests: list[Request], size: int, certificates: Path | None, done: Callable[[int], None]
) -> list[dict[str, Any]]:
    """What became of each request, in order."""
    outcomes = []
    for first in range(0, len(requests), size):
        group = requests[first : first + size]
        before = [store.receipt(request["request_id"]) is not None for request in group]
        for request, was_there, result in zip(group, before, store.forget_all(group), strict=True):
            outcomes.append(_outcome(request["request_id"], was_there, result))
            if certificates is not None and not isinstance(result, Exception):
                path = certificates / f"{_file_name(request['request_id'])}.json"
                write_text(path, as_json_text(result.certificate) + "\n")
        done(len(group))
    return outcomes


def _file_name(request: str) -> str:
    """A name that stays in its folder, and is one of its own however long the request's is."""
    name = quote(request, safe=" ")
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:100]}-{hashlib.sha256(request.encode()).hexdigest()}"


def _outcome(request_id: str, before: bool, result: Any) -> dict[str, Any]:
    if isinstance(result, Exception):
        return {"request": request_id, "status": "refused", "reason": str(result)}
    receipt = {name: value for name, value in result.as_dict().items() if name not in ("certificate", "dry_run")}
    return {**receipt, "status": "applied", "before": before}
