"""Commands that carry out requests: forget, restrict, unrestrict, and replay after a backup was restored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analytic_cl._text import visible
from analytic_cl.cli.errors import REFUSED, StoreCommand
from analytic_cl.cli.output import (
    as_json_text,
    check_can_write,
    header_option,
    json_option,
    lines,
    out_option,
    progress,
    show,
    tell,
    write_text,
)

if TYPE_CHECKING:
    from analytic_cl.store import Store, StoreReceipt

DONE = {"forget": "erased", "rectify": "replaced", "restrict": "taken out of use", "unrestrict": "taken back into use"}

store_argument = click.argument("store", type=click.Path(path_type=Path))


def request_options(command: Any) -> Any:
    """Options of every command that is a request."""
    for option in (
        out_option("Where to write the signed certificate.", "--certificate"),
        click.option(
            "--request-id", metavar="R", help="Your name for the request: sent again under it, nothing is done twice."
        ),
    ):
        command = option(command)
    return command


def selecting(command: Any) -> Any:
    """Options that say which rows."""
    for option in (
        header_option,
        click.option("--session", metavar="S", help="Rows of this session."),
        click.option("--label", metavar="L", help="Rows of this class."),
        click.option("--subject", metavar="NAME", help="Rows about this person; with ids: they must all be."),
        click.option("--integer-ids", is_flag=True, help="Ids written as text are integers."),
        click.option("--ids", metavar="FILE", help="Ids from a file, as `learn` reads them."),
        click.option("--id", "sample_id", metavar="ID", multiple=True, help="A row; can be repeated."),
    ):
        command = option(command)
    return command


def selection(
    store: Store,
    sample_id: tuple[str, ...],
    ids: str | None,
    integer_ids: bool,
    subject: str | None,
    label: str | None,
    session: str | None,
    header: bool | None,
) -> dict[str, Any]:
    """Arguments of `Store.forget`."""
    from analytic_cl.cli.columns import kind_of_labels, read_ids, text_ids, text_label

    named: Any = None
    if sample_id:
        named = text_ids(list(sample_id), integer_ids, "--id")
    elif ids is not None:
        named = read_ids(ids, integer_ids, header=header)
    value = None if label is None else text_label(label, kind_of_labels(store))
    return {"sample_id": named, "subject": subject, "label": value, "session": session}


def check_selectors(options: dict[str, Any]) -> None:
    """Usage errors, before the store is touched."""
    given = [name for name in ("sample_id", "ids", "subject", "label", "session") if options[name] not in (None, ())]
    if given in (["sample_id", "subject"], ["ids", "subject"]):
        return
    if len(given) != 1:
        raise click.UsageError("say which rows by one of --id, --ids, --subject, --label and --session")


@click.command(cls=StoreCommand)
@store_argument
@selecting
@request_options
@click.option("--skip-unknown", is_flag=True, help="Erase the ids that are known, instead of refusing all.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option("--batch", type=click.Path(path_type=Path), metavar="FILE", help="Requests from a file; see above.")
@click.option("--group", type=click.IntRange(min=1), default=100, show_default=True, help="Requests at a time.")
@json_option
def forget(
    store: Path,
    request_id: str | None,
    certificate: Path | None,
    skip_unknown: bool,
    dry_run: bool,
    batch: Path | None,
    group: int,
    as_json: bool,
    **selectors: Any,
) -> None:
    """Erase rows from the model and from the store's files.

    --batch FILE is a .csv file with a header or a .jsonl file (JSON objects, one a line) with request_id and exactly
    one of sample_id, subject, label and session. Lines of one request_id that name ids are one request. Requests are
    carried out in groups, each whole or not at all with one snapshot; --certificate then names a folder. Sent again,
    what was done comes back as it was, so a batch that was broken off is simply run again. The exit code is 3 if any
    request was refused; the others are carried out.
    """
    from analytic_cl.store import Store

    if batch is not None:
        given = any(value not in (None, (), False) for name, value in selectors.items() if name != "integer_ids")
        if given or request_id or dry_run:
            raise click.UsageError("--batch takes the requests from its file: no selector, --request-id or --dry-run")
        _forget_batch(store, batch, group, skip_unknown, selectors["integer_ids"], certificate, as_json)
        return
    check_selectors(selectors)
    if dry_run and certificate:
        raise click.UsageError("there is no certificate of a dry run")
    check_can_write(certificate)
    with Store.open(store, read_only=dry_run) as opened:
        rows = selection(opened, **selectors)
        receipt = opened.forget(**rows, request_id=request_id, skip_unknown=skip_unknown, dry_run=dry_run)
        tell(stale_copies(opened))
    finish(receipt, certificate, as_json)


def _forget_batch(
    store: Path,
    batch: Path,
    group: int,
    skip_unknown: bool,
    integer_ids: bool,
    certificates: Path | None,
    as_json: bool,
) -> None:
    from analytic_cl.cli.batch import forget_in_groups, read_batch
    from analytic_cl.cli.columns import kind_of_labels
    from analytic_cl.store import Store

    if certificates is not None and not certificates.is_dir():
        raise click.UsageError(f"with --batch, --certificate names a folder that exists; {certificates} is none")
    with Store.open(store) as opened:
        requests = read_batch(batch, integer_ids, kind_of_labels(opened), skip_unknown)
        with progress("requests", len(requests)) as done:
            outcomes = forget_in_groups(opened, requests, group, certificates, done)
        tell(stale_copies(opened))
    applied = [outcome for outcome in outcomes if outcome["status"] == "applied"]
    refused = [outcome for outcome in outcomes if outcome["status"] == "refused"]
    for outcome in refused:
        click.echo(visible(f"Refused: {outcome['request']}: {outcome['reason']}"), err=True)
    before = sum(outcome["before"] for outcome in applied)
    rows = sum(outcome["removed"] for outcome in applied if not outcome["before"])
    counts = {"applied": len(applied), "applied_before": before, "refused": len(refused), "removed": rows}
    text = f"{len(applied)} requests applied, {before} of them before; {rows:,} rows erased; {len(refused)} refused."
    show({**counts, "results": outcomes}, text, as_json)
    if refused:
        raise click.exceptions.Exit(REFUSED)


def _restriction(name: str, help_text: str) -> click.Command:
    @click.command(name, cls=StoreCommand, help=help_text)
    @store_argument
    @selecting
    @request_options
    @json_option
    def command(store: Path, request_id: str | None, certificate: Path | None, as_json: bool, **selectors: Any) -> None:
        from analytic_cl.store import Store

        check_selectors(selectors)
        check_can_write(certificate)
        with Store.open(store) as opened:
            carry_out: Callable[..., StoreReceipt] = getattr(opened, name)
            receipt = carry_out(**selection(opened, **selectors), request_id=request_id)
            tell(stale_copies(opened))
        finish(receipt, certificate, as_json)

    return command


restrict = _restriction("restrict", "Take rows out of the model but keep them, until `unrestrict`.")
unrestrict = _restriction("unrestrict", "Use restricted rows again.")


@click.command(cls=StoreCommand)
@store_argument
@click.argument("tombstones", type=click.Path(path_type=Path))
@click.option("--request-id", metavar="R", help="Your name for the request.")
@json_option
def replay(store: Path, tombstones: Path, request_id: str | None, as_json: bool) -> None:
    """Erase again what a restored backup brought back.

    TOMBSTONES is the file of `export STORE tombstones`, made after the backup.
    """
    from analytic_cl.cli.documents import read_json
    from analytic_cl.store import Store

    entries = read_json(tombstones)
    if not isinstance(entries, list) or not all(isinstance(entry, list) and len(entry) == 2 for entry in entries):
        raise ValueError(f"{tombstones} is not a file of `export STORE tombstones`")
    with Store.open(store) as opened:
        receipt = opened.replay_tombstones(entries, request_id=request_id)
        tell(stale_copies(opened))
    if receipt is None:
        show({"removed": 0}, "Nothing had come back.", as_json)
    else:
        finish(receipt, None, as_json)


def stale_copies(store: Store) -> list[str]:
    """What to say where exported files hold what is not in the model any more."""
    stale = [copy for copy in store.copies() if copy.status == "stale"]
    if not stale:
        return []
    which = "1 exported file is stale" if len(stale) == 1 else f"{len(stale)} exported files are stale"
    return [f"{which}: made from rows that were taken out since. `analytic-cl copies {store.path}` lists them."]


def finish(receipt: StoreReceipt, certificate: Path | None, as_json: bool) -> None:
    """Print a receipt and write its certificate."""
    if certificate is not None:
        write_text(certificate, as_json_text(receipt.certificate) + "\n")
    done = DONE.get(receipt.kind, receipt.kind)
    about = {
        "request": receipt.request,
        "rows": f"{receipt.removed:,} {'would be ' if receipt.dry_run else ''}{done}",
        **({"unknown": f"{receipt.unknown:,} ids had no row"} if receipt.unknown else {}),
        **({"classes": f"{receipt.classes_emptied} without rows now"} if receipt.classes_emptied else {}),
        **({"certificate": str(certificate)} if certificate else {}),
    }
    show(receipt.as_dict(), lines(about), as_json)


COMMANDS = (forget, restrict, unrestrict, replay)
