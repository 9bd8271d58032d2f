"""The command that checks a store, or a certificate without one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analytic_cl.cli.errors import StoreCommand
from analytic_cl.cli.output import header_option, json_option, lines, progress, show, tell

if TYPE_CHECKING:
    from analytic_cl.store.verification import Verification


@click.command(cls=StoreCommand)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--head", metavar="N:HASH", help="For a store: a published head that its log must still pass through.")
@click.option("--full", is_flag=True, help="For a store: also learn again from all of its rows, and compare.")
@click.option("--deep", is_flag=True, help="For a store: also search its whole file for leftovers of erased rows.")
@click.option(
    "--keys", type=click.Path(path_type=Path), metavar="FILE", help="For a certificate: from `export STORE keys`."
)
@click.option(
    "--store", type=click.Path(path_type=Path), metavar="DIR", help="For a certificate: check it against this store."
)
@click.option(
    "--retrain", nargs=2, metavar="FEATURES LABELS", help="For a certificate: train on these rows, and compare."
)
@click.option("--string-labels", is_flag=True, help="With --retrain: labels written as text stay text.")
@header_option
@json_option
def verify(
    target: Path,
    head: str | None,
    full: bool,
    deep: bool,
    keys: Path | None,
    store: Path | None,
    retrain: tuple[str, str] | None,
    string_labels: bool,
    header: bool | None,
    as_json: bool,
) -> None:
    """Check a store, or a certificate.

    TARGET is a store's directory, or the .json file of a certificate.

    A store: its log is unbroken, its model has the rows of its tables, every request has its entry and certificate.
    With --full, the model is learned again from the rows and must be the same, bit for bit. With --deep, every byte of
    the file that no row uses must be zero.

    A certificate: signed by one of the keys and unaltered. With --retrain, a model is trained on FEATURES and LABELS,
    in any order, behind the quantizer that the certificate names; its state must have the certified hash. These are the
    rows that were in use after the request. With --store, the certificate must be in the store's log.
    """
    if target.is_dir() or (head or full or deep):
        if keys or store or retrain:
            raise click.UsageError("--keys, --store and --retrain are for certificates, --full and --deep for stores")
        _verify_store(target, head, full, deep, as_json)
    else:
        if not (keys or store):
            raise click.UsageError("to check a certificate, give --keys FILE or --store DIR")
        _verify_certificate(target, keys, store, retrain, string_labels, header, as_json)


def _verify_store(path: Path, head: str | None, full: bool, deep: bool, as_json: bool) -> None:
    from analytic_cl.store import Store

    with Store.open(path, read_only=True) as opened:
        found = opened.verify(head=head, retrain=full, deep=deep)
    show(found.as_dict(), lines({**_summary(found), "result": "verified"}), as_json)


def _summary(found: Verification) -> dict[str, str]:
    again = "; learned again from the rows, the state is the same" if found.retrained else ""
    return {
        "log": f"{found.entries} entries, unbroken",
        "requests": f"{found.requests} applied, each with its entry and certificate",
        "model": f"{found.rows:,} rows, as in the tables{again}",
        **({"file": "what no row uses is zero, in all of it"} if found.searched else {}),
    }


def _verify_certificate(
    path: Path,
    keys: Path | None,
    store: Path | None,
    retrain: tuple[str, str] | None,
    string_labels: bool,
    header: bool | None,
    as_json: bool,
) -> None:
    from analytic_cl.cli.documents import read_certificate, read_keys
    from analytic_cl.store import Store, check_certificate

    public: dict[str, str] = {}
    secret: dict[str, str] = {}
    if keys is not None:
        public, secret = read_keys(keys)
    certificate = read_certificate(path)
    result: dict[str, Any] = {"signature": True}
    said = {"signature": "by a trusted key, over an unaltered certificate"}
    if store is not None:
        with Store.open(store, read_only=True) as opened:
            if keys is None:
                public, secret = opened.public_keys(), opened.certificate_keys()
            check_certificate(certificate, public)
            found = opened.verify(certificate=certificate)
        result |= {"store": found.as_dict()}
        current = "this is" if found.certificate_is_current else "the model went on since: this is not"
        said |= {"log": "the store's log has it", "state": f"{current} the state in use"}
    else:
        check_certificate(certificate, public)
    if retrain is not None:
        rows = _retrain(certificate, secret, retrain, "string" if string_labels else "", header)
        result |= {"retrained_rows": rows}
        said |= {"retrained": f"{rows:,} rows give, bit for bit, the certified state"}
    result |= {name: certificate[name] for name in ("request", "kind", "removed", "time", "not_covered")}
    what = f"{certificate['request']}: {certificate['kind']}, {certificate['removed']:,} rows, {certificate['time']}"
    missing = "; ".join(certificate["not_covered"])
    show(result, lines({"request": what, **said, "not covered": missing, "result": "verified"}), as_json)


def _retrain(
    certificate: dict[str, Any], keys: dict[str, str], files: tuple[str, str], kind: str, header: bool | None
) -> int:
    """Train behind the certificate's quantizer and compare; how many rows."""
    from analytic_cl.cli.columns import read_labels
    from analytic_cl.heads.numeric_targets import numeric_targets
    from analytic_cl.quantizers import JointQuantizer, Quantizer
    from analytic_cl.reading import open_features
    from analytic_cl.statistics import empty_state
    from analytic_cl.store.certificate import check_retrained

    if not keys:
        raise ValueError("these are public keys only; --retrain needs the auditor's file, of `export STORE keys`")
    X = open_features(files[0], header=header, beside=files[1:])
    tell(X.notes)
    quantizer = Quantizer.from_spec(certificate["quantizer"])
    joint = quantizer if isinstance(quantizer, JointQuantizer) else None
    y = read_labels(files[1], len(X), kind if joint is None else "number", header)
    if len(X) and X.shape[1] != quantizer.n_features:
        raise ValueError(f"{files[0]} has {X.shape[1]} columns, the certified model takes {quantizer.n_features}")
    moments, first = empty_state(quantizer, certificate["state"]), 0
    with progress("training", len(X), "rows") as done, closing(X.batches()) as chunks:
        for chunk in chunks:
            rows, labels = quantizer.quantise(chunk, first_row=first), y[first : first + len(chunk)]
            if joint is not None:
                targets = joint.target_integers(numeric_targets(labels), first_row=first)
                rows, labels = joint.join(rows, targets), [0] * len(rows)
            moments.add(rows, labels)
            first += len(chunk)
            done(len(chunk))
    check_retrained(certificate, moments, keys)
    return len(X)


COMMANDS = (verify,)
