"""Commands that need no model load none: what they import is looked at, not how long it takes."""

import json
import subprocess
import sys

import click
import numpy as np
import pytest

from analytic_cl import LDAClassifier, Store, _names
from analytic_cl.cli.main import main
from analytic_cl.comparison.adapted_streams import ADAPTATIONS
from analytic_cl.comparison.peers import PEERS
from analytic_cl.heads import head_entries
from analytic_cl.store.record import StoreRecord

HEAVY = {"sklearn", "numba", "scipy", "pandas", "rich", "matplotlib", "torch"}

# Runs commands, one after another, in one process; says what each answered, and what was loaded by then.
RUN = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from analytic_cl.cli.main import main
for arguments in json.loads(sys.argv[1]):
    text = io.StringIO()
    with redirect_stdout(text), redirect_stderr(text):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, text.getvalue(), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def run(*commands):
    """Exit code, text and modules of each command."""
    command = [sys.executable, "-c", RUN, json.dumps([[*map(str, each)] for each in commands])]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [(code, text, set(modules)) for code, text, modules in map(json.loads, lines)]


def test_the_help_of_every_command_loads_no_library_of_numbers():
    names = [name for name, command in main.commands.items() if isinstance(command, click.Command)]
    for name, (code, text, modules) in zip(["", *names], run(["--help"], *([n, "--help"] for n in names)), strict=True):
        assert code == 0, name
        assert "Usage:" in text
        assert not modules & (HEAVY | {"numpy"}), name


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", LDAClassifier(0.5)) as store:
        store.learn(np.eye(6), [0, 0, 1, 1, 2, 3], sample_id=range(6))
        store.forget(sample_id=[4])
        store.restrict(sample_id=[5])
        yield store


def test_status_requests_and_audit_read_the_record_without_the_model(store):
    commands = [[name, store.path, "--json"] for name in ("status", "requests", "audit")]
    told = store.status(), store.requests(), store.audit()

    for (code, text, modules), expected in zip(run(*commands), told, strict=True):
        assert code == 0, text
        assert json.loads(text) == expected
        assert not modules & (HEAVY | {"numpy"})


def test_the_status_counts_what_the_model_has_learned(store):
    status = store.status()

    assert status["head"] == repr(store.head) == "LDAClassifier(shrinkage=0.5)"
    assert (status["rows"], status["restricted"], status["classes"]) == (store.n_rows, 1, len(store.head.classes_))
    store.unrestrict(sample_id=[5])
    assert (store.status()["rows"], store.status()["classes"]) == (5, 3)
    with store.parts.database.transaction():
        store.parts.database.run("DELETE FROM about WHERE name = 'shown'")  # as an earlier version left it
    with StoreRecord(store.path) as record:
        assert record.status()["head"].count("shrinkage=0.5, ") == 1


WRONG = {
    "--heads": ["lda,ldaa", "unknown head 'ldaa'"],
    "--peers": ["nobody", "unknown peer 'nobody'"],
    "--adapt": ["nothing", "unknown adaptation 'nothing'"],
    "--test-stream": ["upstream:1", "unknown test stream 'upstream'"],
    "--scenario": ["class-decremental:3", "unknown scenario 'class-decremental'"],
    "--features": ["nowhere.csv:label", "no such file"],
    "--tune": ["nowhere.npz", "no such file"],
}


def test_wrong_arguments_of_compare_are_answered_before_anything_heavy_is_loaded():
    answers = run(*(["compare", option, value] for option, (value, _) in WRONG.items()))

    for (option, (_, expected)), (code, text, modules) in zip(WRONG.items(), answers, strict=True):
        assert code == 2, option
        assert expected in text
        assert not modules & HEAVY, option


def test_names_that_are_known_early_are_those_of_the_registries():
    entries = [entry for entry in head_entries().values() if entry.head_class.__module__.startswith("analytic_cl.")]

    assert [entry.name for entry in entries if entry.compared] == list(_names.COMPARED_HEADS)
    assert [entry.name for entry in entries if entry.store] == list(_names.STORE_HEADS)
    assert list(PEERS) == list(_names.PEERS)
    assert list(ADAPTATIONS) == list(_names.ADAPTATIONS)
