"""The commands that show and prove what a store did: certificates, reports, keys, and how they fail."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from store_commands import DOCS, N, asked, call, digest, people, retrained, write_lines

from analytic_cl import (
    Store,
)
from analytic_cl.store.report import report

pytestmark = pytest.mark.usefixtures("folder")

# ---- evidence


@pytest.fixture
def certified(clinic, data):
    """A certificate, the auditor's keys, and the remaining rows in another order and precision."""
    X, labels, _ = data
    call("forget", "clinic", "--subject", "patient 17", "--request-id", "r17", "--certificate", "r17.json")
    call("export", "clinic", "keys", "--out", "auditor.json")
    rest = np.flatnonzero(~people(17))[::-1]
    np.save("remaining.npy", X[rest].astype(np.float64))
    write_lines(Path("remaining.txt"), labels[rest])
    return Path("r17.json")


def test_a_store_verifies_itself_and_against_a_published_head(clinic):
    head = call("audit", "clinic", "--head").stdout.strip()
    call("forget", "clinic", "--subject", "patient 1")

    assert asked("verify", "clinic", "--head", head, "--full")["retrained"] is True
    call("verify", "clinic", "--head", "1:" + 64 * "0", code=4)


def test_a_certificate_is_proved_by_retraining_without_the_store(certified, clinic):
    clinic.rename("elsewhere")
    arguments = ("verify", certified, "--keys", "auditor.json")

    assert "bit for bit" in call(*arguments, "--retrain", "remaining.npy", "remaining.txt").stdout
    assert asked(*arguments, "--retrain", "remaining.npy", "remaining.txt")["retrained_rows"] == N - 20
    call(*arguments, "--retrain", "features.npy", "labels.txt", code=4)


def test_one_label_or_one_integer_more_is_another_state(certified, data):
    X, labels = np.load("remaining.npy"), Path("remaining.txt").read_text().split()
    arguments = ("verify", certified, "--keys", "auditor.json", "--retrain")
    labels[0] = next(name for name in data[1] if name != labels[0])
    write_lines(Path("other.txt"), labels)
    call(*arguments, "remaining.npy", "other.txt", code=4)
    X[0, 0] += 0.01
    np.save("other.npy", X)
    call(*arguments, "other.npy", "remaining.txt", code=4)


def test_a_certificate_of_nearest_means_behind_a_projection_is_retrained_at_its_quantizer_and_order(data):
    call("init", "means", "--head", "nearest-mean", "--projection", 40)
    call("learn", "means", "features.npy", "labels.txt", "--subjects", "people.txt")
    call("forget", "means", "--subject", "patient 5", "--request-id", "r5", "--certificate", "r5.json")
    call("export", "means", "keys", "--out", "keys.json")
    np.save("remaining.npy", data[0][~people(5)])
    write_lines(Path("remaining.txt"), data[1][~people(5)])

    call("verify", "r5.json", "--keys", "keys.json", "--retrain", "remaining.npy", "remaining.txt")


def test_when_everything_was_erased_the_proof_takes_no_rows(clinic, data):
    for number, label in enumerate(np.unique(data[1])):
        call("forget", "clinic", "--label", label, "--request-id", number, "--certificate", "last.json")
    call("export", "clinic", "keys", "--out", "keys.json")
    np.save("none.npy", data[0][:0])
    Path("none.txt").write_text("")

    assert asked("status", "clinic")["rows"] == 0
    assert call("verify", "last.json", "--keys", "keys.json", "--retrain", "none.npy", "none.txt")
    call("predict", "clinic", "features.npy", code=2)


def test_a_certificate_with_any_byte_of_its_content_changed_is_refused(certified):
    text = certified.read_text()
    end = text.index('"signature"')
    for place in [*range(0, end, 29), text.index("r17"), text.index('"removed": 2') + 11]:
        if text[place].isspace():
            continue
        other = "x" if text[place] != "x" else "y"
        Path("changed.json").write_text(text[:place] + other + text[place + 1 :])
        call("verify", "changed.json", "--keys", "auditor.json", code=4)
    value = text.index('"value": "') + 10
    Path("changed.json").write_text(text[:value] + ("0" if text[value] != "0" else "1") + text[value + 1 :])
    call("verify", "changed.json", "--keys", "auditor.json", code=4)


def test_a_certificate_in_which_a_name_occurs_twice_is_refused(certified):
    certified.write_text(certified.read_text().replace('"removed": 20', '"removed": 19,\n  "removed": 20'))
    assert "twice" in call("verify", certified, "--keys", "auditor.json", code=4).stderr


def test_the_keys_of_another_store_do_not_verify_a_certificate(certified):
    call("init", "other")
    call("export", "other", "keys", "--out", "other.json")

    call("verify", certified, "--keys", "other.json", code=4)
    call("verify", certified, "--store", "other", code=4)


def test_with_public_keys_the_signature_is_checked_and_retraining_asks_for_more(certified):
    call("export", "clinic", "keys", "--public-only", "--out", "public.json")

    assert "certificate_keys" not in json.loads(Path("public.json").read_text())
    call("verify", certified, "--keys", "public.json")
    message = call("verify", certified, "--keys", "public.json", "--retrain", "remaining.npy", "remaining.txt", code=2)
    assert "auditor" in message.stderr


def test_a_store_says_whether_a_certificate_describes_its_present_state(certified):
    assert asked("verify", certified, "--store", "clinic")["store"]["certificate_is_current"] is True
    call("forget", "clinic", "--id", "1")
    assert asked("verify", certified, "--store", "clinic")["store"]["certificate_is_current"] is False


@pytest.mark.parametrize(
    "options",
    [[], ["--full"], ["--keys", "features.npy"], ["--keys", "r17.json"], ["--keys", "no.json"]],
)
def test_verifying_a_certificate_without_usable_keys_is_a_usage_error(certified, options):
    call("verify", certified, *options, code=5 if options == ["--full"] else 2)


def test_keys_are_readable_by_their_owner_only(certified):
    assert Path("auditor.json").stat().st_mode & 0o777 == 0o600
    assert set(json.loads(Path("auditor.json").read_text())) == {"public_keys", "certificate_keys"}


def test_an_exported_certificate_is_the_one_of_the_request(certified):
    call("export", "clinic", "certificate", "--request", "r17", "--out", "again.json")
    assert Path("again.json").read_text() == certified.read_text()
    call("export", "clinic", "certificate", "--request", "unheard of", "--out", "x.json", code=2)
    call("export", "clinic", "certificate", "--out", "x.json", code=2)


def test_a_report_explains_every_field_and_says_what_is_not_covered(certified):
    call("export", "clinic", "report", "--request", "r17", "--out", "r17.md")
    text, certificate = Path("r17.md").read_text(), json.loads(certified.read_text())

    for name in certificate.keys() - {"format", "format_version", "not_covered"}:
        assert f"| {name} |" in text
    for item in certificate["not_covered"]:
        assert item in text
    assert "20 of 20 requested rows were erased" in text
    assert "--retrain" in text
    assert call("export", "clinic", "report", "--request", "r17", "--out", "-").stdout == text


def test_nothing_in_a_certificate_changes_the_shape_of_its_report(certified):
    certificate = json.loads(certified.read_text())
    nasty = {**certificate, "request": "`|\n# Erased all rows |<b>", "versions": {"<script>|": "`x`|"}}

    shape = [[line[:2], line.count("|")] for line in report(certificate).splitlines()]
    assert [[line[:2], line.count("|") - line.count("\\|")] for line in report(nasty).splitlines()] == shape


def test_tombstones_erase_again_what_a_backup_brings_back(clinic, data):
    shutil.copytree(clinic, "backup")
    call("forget", "clinic", "--subject", "patient 9")
    call("export", "clinic", "tombstones", "--out", "tombstones.json")

    assert asked("replay", "backup", "tombstones.json")["removed"] == 20
    assert digest("backup") == retrained(data, ~people(9))
    assert "Nothing" in call("replay", "backup", "tombstones.json").stdout
    call("replay", "backup", "clinic/keys.json", code=2)


# ---- trouble


def test_a_store_in_use_or_unusable_ends_with_5_and_readers_are_not_in_the_way(clinic):
    with Store.open(clinic):
        assert "process" in call("forget", "clinic", "--id", "1", code=5).stderr
        call("predict", "clinic", "features.npy")
        call("verify", "clinic")
    call("status", "nowhere", code=5)
    (clinic / "keys.json").write_text("{")
    call("status", "clinic", code=5)


def test_a_damaged_log_does_not_verify(clinic):
    import sqlite3

    database = sqlite3.connect(clinic / "store.sqlite")
    with database:
        database.execute("UPDATE audit SET entry = replace(entry, '600', '599')")
    database.close()
    assert "altered" in call("verify", "clinic", code=4).stderr


def test_exit_codes_are_in_the_help_and_in_the_documentation():
    text = call("--help").stdout
    documented = re.search(r"Exit codes: (.*)\.", (DOCS / "command-line.md").read_text())[1]

    assert [line.split()[0] for line in text.split("Exit codes")[1].splitlines()[1:]] == list("02345")
    assert [part.split()[0] for part in documented.split(", ")] == list("02345")


# ---- the guide


def commands_of_the_guide():
    guide = (DOCS / "guides" / "deletion-requests.md").read_text()
    section = guide.split("## The commands")[1].split("\n## ")[0]
    return [shlex.split(line, comments=True) for line in re.findall(r"^    (analytic-cl .*)$", section, re.MULTILINE)]


def test_the_commands_of_the_guide_run_and_end_with_a_certificate_proved_by_retraining(folder, data):
    X, labels, _ = data
    commands = commands_of_the_guide()
    rest = np.random.RandomState(0).permutation(np.flatnonzero(~people(17)))
    np.save("remaining.npy", X[rest].astype(np.float64))
    write_lines(Path("remaining-labels.txt"), labels[rest])
    write_lines(Path("ids.txt"), (f"visit {i}" for i in range(N)))

    assert len(commands) < 10
    for program, *arguments in commands:
        assert program == "analytic-cl"
        last = call(*arguments)
    assert commands[-1][1] == "verify"
    assert "--retrain" in commands[-1]
    assert "580 rows give, bit for bit, the certified state" in last.stdout
