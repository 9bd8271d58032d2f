"""Labels, names and requests that are markup, escapes, line breaks or paths are shown as they are, everywhere."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from analytic_cl import LDAClassifier, Store
from analytic_cl._text import visible, visible_json
from analytic_cl.cli.main import main
from analytic_cl.store.report import report
from analytic_cl.studies.tables import Table

HOSTILE = {
    "escapes": "\x1b[31mred\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\\x9b2J\x07",
    "line breaks": "a\n2026-01-01T00:00:00Z  forget  applied  forged\r\u2028b\x85c\x0bd",
    "direction": "abc\u202egpj.exe\u2066\u200b",
    "html": "<script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'",
    "markdown": "`|[a](javascript:x)|\n# head\n* ~~b~~ ![i](http://evil.example/x.png)",
    "rich": "[red]no[/red] [link=https://evil.example]x[/link] [/] [bold",
    "a path": "../../../../tmp/evil",
    "an absolute path": "/etc/passwd",
    "long": "x" * 5000,
}

hostile = pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HOSTILE.items()])


def run(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


def check_shown(output, n_lines=None):
    """Nothing in it acts on a terminal, and no text makes lines of its own."""
    assert all(c.isprintable() or c == "\n" for c in output), output
    if n_lines is not None:
        assert output.count("\n") == n_lines, output


@pytest.fixture
def store(tmp_path, text):
    X, y = np.random.default_rng(0).normal(size=(8, 3)), np.array([text, "b"] * 4)
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, y, sample_id=[f"{text}{i}" for i in range(8)], subject=text, session=text)
        store.forget(sample_id=[f"{text}0"], request_id=text)
    np.save(tmp_path / "X.npy", X)
    return tmp_path / "store"


@hostile
def test_every_command_shows_hostile_text_as_it_is(store, tmp_path, text):
    n = 7
    for args, lines in [
        (["status", store], None),
        (["requests", store], 1),
        (["access", store, "--subject", text], 1 + n),
        (["audit", store], None),
        (["predict", store, tmp_path / "X.npy"], 8),
        (["forget", store, "--id", f"{text}1", "--dry-run"], None),
        (["restrict", store, "--id", f"{text}1", "--request-id", f"{text} two"], None),
    ]:
        result = run(*args)
        assert result.exit_code == 0, result.output
        check_shown(result.output, lines)
    requests = run("requests", store, "--json").stdout
    check_shown(requests)
    assert text in [request["request"] for request in json.loads(requests)]
    access = run("access", store, "--subject", text, "--json").stdout
    check_shown(access)
    assert json.loads(access)["subject"] == text


@hostile
def test_every_error_is_one_line_that_shows_hostile_text_as_it_is(store, tmp_path, text):
    for args in [
        ["forget", store, "--id", f"{text} nobody"],
        ["forget", store, "--subject", f"{text} nobody"],
        ["forget", store, "--label", f"{text} nobody"],
        ["export", store, "report", "--request", f"{text} nobody", "--out", tmp_path / "out.md"],
    ]:
        result = run(*args)
        assert result.exit_code in (2, 3), result.output
        check_shown(result.output, 1)


@hostile
def test_a_report_of_a_request_shows_hostile_text_within_its_place(store, tmp_path, text):
    page = tmp_path / "page.md"
    assert run("export", store, "report", "--request", text, "--out", page).exit_code == 0
    certificate = run("export", store, "certificate", "--request", text, "--out", "-")
    lines = page.read_text().split("\n")
    check_shown(page.read_text(), report({**json.loads(certificate.output), "request": "plain"}).count("\n"))
    for line in lines:
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) == 4, line
        outside = re.sub(r"`[^`]*`", "", line).replace("<br>", "")
        assert not re.search(r"(?<!\\)<(?!\\)[a-z/!]", outside), line


@hostile
def test_a_report_of_a_forged_certificate_shows_all_of_its_values_within_their_place(text):
    fields = ("request", "kind", "time", "removed", "requested", "requests_together", "quantizer", "audit", "versions")
    plain = report({**dict.fromkeys(fields, "x"), "not_covered": ["x"], "state": {"x": "x"}})
    forged = report({**dict.fromkeys(fields, text), "not_covered": [text], "state": {text: text}})
    check_shown(forged, plain.count("\n"))
    assert [line[:2] for line in forged.split("\n")] == [line[:2] for line in plain.split("\n")]
    assert not re.search(r"(?<!\\)<(script|img)", re.sub(r"`[^`]*`", "", forged))


@hostile
def test_certificates_of_a_batch_stay_in_their_folder_under_names_of_their_own(store, tmp_path, text):
    batch, folder = tmp_path / "batch.jsonl", tmp_path / "certificates"
    names = [f"{text} {i}" for i in (1, 2)]
    batch.write_text("\n".join(json.dumps({"request_id": names[i], "sample_id": f"{text}{i + 1}"}) for i in range(2)))
    before = {path for path in tmp_path.rglob("*") if store not in path.parents}
    folder.mkdir()
    result = run("forget", store, "--batch", batch, "--certificate", folder)

    assert result.exit_code == 0, result.output
    written = sorted(folder.iterdir())
    assert len(written) == 2
    assert sorted(json.loads(path.read_text())["request"] for path in written) == sorted(names)
    assert {path for path in tmp_path.rglob("*") if store not in path.parents} - before - {folder} == set(written)


@hostile
def test_tables_show_hostile_text_as_it_is(text, capsys):
    table = Table(text, text, [text, "b"], [[text, 1.0], ["plain", 2.0]])
    console = Console(width=40_000, force_terminal=True, color_system="truecolor", legacy_windows=False)
    with console.capture() as capture:
        table.show(console)
        table.show(console, ["b"], group=text)
    output = re.sub(r"\x1b\[[0-9;]*m", "", capture.get())  # the table's own bold and italic
    check_shown(output)
    assert visible(text) in output
    assert "\x1b]8" not in capture.get()


def test_a_label_with_a_line_break_is_not_written_as_two_lines(tmp_path):
    X, y = np.eye(4), ["a\nb", "c"] * 2
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, y)
    np.save(tmp_path / "X.npy", X)
    result = run("predict", tmp_path / "store", tmp_path / "X.npy", "--out", tmp_path / "labels.txt")
    assert result.exit_code == 2
    assert "line break" in result.output
    assert not (tmp_path / "labels.txt").exists()
    assert run("predict", tmp_path / "store", tmp_path / "X.npy", "--out", tmp_path / "labels.npy").exit_code == 0
    assert "a\nb" in np.load(tmp_path / "labels.npy").tolist()


@hostile
def test_visible_text_is_printable_and_its_json_is_the_same_value(text):
    assert visible(text).isprintable()
    assert json.loads(visible_json(json.dumps([text], ensure_ascii=False))) == [text]
    assert visible("plain ä 漢字 🙂") == "plain ä 漢字 🙂"
