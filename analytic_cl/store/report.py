"""A certificate as a page for people. The certificate stays the evidence: the page is not signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytic_cl._text import visible

_DONE = {
    "forget": "erased from the model and from the store's files",
    "rectify": "replaced by corrected rows",
    "restrict": "taken out of the model and kept aside",
    "unrestrict": "taken back into the model",
}

_FIELDS = {
    "request": "the name of the request",
    "kind": "what was asked",
    "content": "keyed hash of what was asked: the store recognises the request by it, others learn nothing from it",
    "requested": "rows that were asked for",
    "removed": "rows that were erased, replaced or moved",
    "unknown": "ids that had no row and were skipped",
    "classes_emptied": "classes that have no rows any more",
    "cascade": "machine-labelled rows learned after entry `since` of the log, which may depend on the rows asked for: "
    "`machine_rows` were erased with them and are counted in `removed`, `kept` stay",
    "requests_together": "requests carried out at the same time; the two hashes are before and after them all",
    "state_before": "keyed hash of the model's state before",
    "state_after": "keyed hash of the model's state after",
    "audit": "where the store's log has it: number and hash of the entry",
    "time": "when, in UTC",
    "quantizer": "the rule by which rows become integers: training with another rule gives another state",
    "state": "what the model keeps: order 2 is a Gram matrix, order 1 class sums, keys those of counts, rows the rows",
    "versions": "software that carried it out",
    "not_covered": "what this certificate says nothing about",
    "signature": "of all the rest, by the store's key (Ed25519)",
}

_VERIFY = """\
1. Get the store's key file by a way that you trust, from `analytic-cl export STORE keys`. It is not part of the
   certificate, because a forger could replace both.
2. `analytic-cl verify CERTIFICATE.json --keys KEYS.json` checks the signature: that the holder of the store's key says
   this, and that nobody altered it.
3. With the rows and labels that were in use after the request,
   `analytic-cl verify CERTIFICATE.json --keys KEYS.json --retrain FEATURES LABELS` trains on them and compares the hash
   with `state_after`. If they are equal, the certified state is, bit for bit, the one of exactly these rows. What is
   not among them is not in it.
4. Whoever has the store checks that the log contains this request, and whether the model in use still has this state:
   `analytic-cl verify CERTIFICATE.json --store STORE`."""


def report(certificate: Mapping[str, Any]) -> str:
    """The certificate in plain words, as Markdown.

    Parameters
    ----------
    certificate : mapping
        As `StoreReceipt.certificate`. It is not checked here: see `check_certificate`.

    Returns
    -------
    str
    """
    done = _DONE.get(str(certificate.get("kind")), "changed")
    together = certificate.get("requests_together", 1)
    others = "" if together == 1 else f" It was one of {_plain(together)} requests carried out together."
    cascade = certificate.get("cascade") or {"machine_rows": 0, "kept": 0}
    removed = certificate.get("removed")
    parts = [
        f"# Request {_code(certificate.get('request'))}",
        f"On {_code(certificate.get('time'))}, "
        f"{_plain(removed - cascade['machine_rows'] if cascade['machine_rows'] else removed)} of "
        f"{_plain(certificate.get('requested'))} "
        f"requested rows were {done}.{others}{_dependents(cascade)}",
        "This page explains a certificate and is not signed itself: check the certificate.",
        "## How to verify",
        _VERIFY,
        "## What is not covered",
        "\n".join(f"* {_plain(item)}" for item in certificate.get("not_covered", ())),
        "## The fields",
        _table(certificate),
    ]
    return "\n\n".join(parts) + "\n"


def _dependents(cascade: Mapping[str, int]) -> str:
    went, kept = (_plain(cascade[name]) for name in ("machine_rows", "kept"))
    if cascade["machine_rows"]:
        return f" {went} machine-labelled rows went with them, because these may have had a part in their labels."
    return f" {kept} machine-labelled rows stay, in whose labels these may have had a part." if cascade["kept"] else ""


def _table(certificate: Mapping[str, Any]) -> str:
    rows = [
        f"| {name} | {meaning} | {_shown(certificate[name])} |"
        for name, meaning in _FIELDS.items()
        if name in certificate and name != "not_covered"
    ]
    return "\n".join(["| field | what it is | value |", "|---|---|---|", *rows])


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "<br>".join(f"{_plain(name)}: {_code(part)}" for name, part in value.items())
    return _code(value)


def _code(value: Any) -> str:
    """Whatever a value holds, it stays in its cell and is shown as it is."""
    text = visible(" ".join(str(value).split())).replace("`", "'").replace("|", "¦")
    return f"`{text}`"


def _plain(value: Any) -> str:
    return "".join(f"\\{mark}" if mark in "\\`*_[]<>|#&~!" else mark for mark in visible(" ".join(str(value).split())))
