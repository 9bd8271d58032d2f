"""Commands that show what a store holds and what it did: status, requests, access, audit, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analytic_cl._text import visible
from analytic_cl.cli.copy_commands import export_model
from analytic_cl.cli.errors import StoreCommand
from analytic_cl.cli.output import as_json_text, check_can_write, json_option, lines, out_option, show, write_text
from analytic_cl.cli.request_commands import store_argument

if TYPE_CHECKING:
    from analytic_cl.store import Store


@click.command(cls=StoreCommand)
@store_argument
@json_option
def status(store: Path, as_json: bool) -> None:
    """Print what a store holds, in counts."""
    from analytic_cl.store.record import StoreRecord

    with StoreRecord(store) as opened:
        found = opened.status()
    counts = ", ".join(f"{count} {state}" for state, count in found["requests"].items())
    copied = ", ".join(f"{count} {state}" for state, count in found["copies"].items())
    megabytes = f"{found['size_bytes'] / 1e6:.1f} MB"
    show(found, lines({**found, "requests": counts, "copies": copied, "size_bytes": megabytes}), as_json)


@click.command(cls=StoreCommand)
@store_argument
@json_option
def requests(store: Path, as_json: bool) -> None:
    """List all requests, oldest first: id, kind, what became of them, when."""
    from analytic_cl.store.record import StoreRecord

    with StoreRecord(store) as opened:
        found = opened.requests()
    show(found, "\n".join(visible(_request_line(request)) for request in found) or "No requests yet.", as_json)


def _request_line(request: dict[str, Any]) -> str:
    reason = f": {request['reason']}" if request["reason"] else ""
    when = request["finished"] or request["received"]
    return f"{when}  {request['kind']:<10}  {request['status']:<8}  {request['request']}{reason}"


@click.command(cls=StoreCommand)
@store_argument
@click.option("--subject", required=True, metavar="NAME", help="Whom the rows are about.")
@out_option("Where to write all of it, as JSON.")
@json_option
def access(store: Path, subject: str, out: Path | None, as_json: bool) -> None:
    """Show all that a store holds about a person.

    On the screen without the integers of the rows; --json and --out have them. The log notes that someone asked, under
    a hash of the name, unless the store can't be written to. The exit code is 3 if nothing is held about the person.
    """
    check_can_write(out)
    with _open_to_ask(store) as opened:
        found = opened.access(subject)
    if out is not None:
        write_text(out, as_json_text(found) + "\n")
        show({"rows": len(found["rows"]), "written": str(out)}, f"{len(found['rows'])} rows: {out}", as_json)
    else:
        show(
            found,
            "\n".join([f"{len(found['rows'])} rows", *(visible(_row_line(row)) for row in found["rows"])]),
            as_json,
        )


def _open_to_ask(path: Path) -> Store:
    """For writing, because the log notes who asks; for reading where the volume allows no more."""
    from analytic_cl.store import Store, StoreError, StoreLockedError

    try:
        return Store.open(path)
    except StoreLockedError:
        raise
    except StoreError as error:
        try:
            opened = Store.open(path, read_only=True)
        except StoreError:
            raise error from None
        click.echo("The store can't be written to: its log does not note that someone asked.", err=True)
        return opened


def _row_line(row: dict[str, Any]) -> str:
    names = {"id": row["sample_id"], "label": row["label"], "session": row["session"], "learned": row["learned"]}
    restricted = ", restricted" if row["restricted"] else ""
    return ", ".join(f"{name} {value}" for name, value in names.items() if value is not None) + restricted


@click.command(cls=StoreCommand)
@store_argument
@click.option("--head", is_flag=True, help="Print only number and hash of the last entry: publish it.")
@json_option
def audit(store: Path, head: bool, as_json: bool) -> None:
    """Print the log of a store, oldest entry first.

    Entries hold times, counts and keyed hashes, nobody's name. `verify STORE --head N:HASH` later checks that the log
    still passes through a head that was published.
    """
    from analytic_cl.store.record import StoreRecord

    with StoreRecord(store) as opened:
        last, entries = opened.audit_head, [] if head else opened.audit()
    if head:
        show({"head": last}, last, as_json)
    else:
        show(entries, "\n".join(visible(_entry_line(entry)) for entry in entries), as_json)


def _entry_line(entry: dict[str, Any]) -> str:
    usual = ("number", "time", "event", "before", "hash")
    about = " ".join(f"{name}={value}" for name, value in entry.items() if name not in usual)
    return f"{entry['number']:>6}  {entry['time']}  {entry['event']}  {about}".rstrip()


@click.command(cls=StoreCommand)
@store_argument
@click.argument("what", type=click.Choice(["keys", "tombstones", "certificate", "report"]), required=False)
@out_option("The file to write; - is standard output.")
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE.onnx", help="Write the model, as an ONNX file.")
@click.option("--request", metavar="R", help="Of which request: for a certificate or a report.")
@click.option("--public-only", is_flag=True, help="Of keys, only those that everyone may have.")
@json_option
def export(
    store: Path,
    what: str | None,
    out: Path | None,
    to: Path | None,
    request: str | None,
    public_only: bool,
    as_json: bool,
) -> None:
    """Write what others need to a file.

    --to FILE.onnx: the model, to be served without this package. The log notes that there is a copy, and `copies` says
    whether it is stale. The name must end in .onnx. All else goes to --out:

    keys: for an auditor, over a private channel: public keys, and the keys of state hashes.

    tombstones: hashes of what was erased, to keep apart from backups: `replay` erases it again.

    certificate: the signed certificate of a request. report: the same in plain words, a Markdown page.

    The file is readable by you only.
    """
    from analytic_cl.store import Store

    if to is not None:
        if what or out or request or public_only:
            raise click.UsageError("--to FILE.onnx stands alone: it writes the model, and nothing else")
        export_model(store, to, as_json)
        return
    if what is None or out is None:
        raise click.UsageError("say what to export, and --out FILE; or --to FILE.onnx for the model")
    if (what in ("certificate", "report")) != (request is not None):
        raise click.UsageError("--request R is needed for a certificate or a report, and only there")
    if public_only and what != "keys":
        raise click.UsageError("--public-only is for keys")
    check_can_write(out)
    with Store.open(store, read_only=True) as opened:
        text = _exported(opened, what, request, public_only)
    write_text(out, text)
    if str(out) != "-":
        show({"what": what, "written": str(out)}, f"{what}: {out}", as_json)


def _exported(store: Store, what: str, request: str | None, public_only: bool) -> str:
    from analytic_cl.store.report import report

    if what == "keys":
        secret = {} if public_only else {"certificate_keys": store.certificate_keys()}
        return as_json_text({"public_keys": store.public_keys(), **secret}) + "\n"
    if what == "tombstones":
        return as_json_text(store.export_tombstones()) + "\n"
    receipt = store.receipt(str(request))
    if receipt is None:
        raise ValueError(f"no applied request {request!r} is on record; `analytic-cl requests` lists them")
    return report(receipt.certificate) if what == "report" else as_json_text(receipt.certificate) + "\n"


COMMANDS = (status, requests, access, audit, export)
