"""The command line does what its help and the documentation say."""

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from analytic_cl._config import BACKENDS
from analytic_cl.cli.main import main

COMMANDS = Path(__file__).parents[1] / "docs" / "command-line.md"


def run(*arguments):
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_demo_learns_forgets_proves_and_draws(tmp_path):
    output = run("demo", "--out", str(tmp_path / "demo.png"))

    assert "Equal digests, equal scores" in output
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "demo.png") in output.replace("\n", "")
    last = [float(cell) for cell in re.search(r"│ 10 +│(.*)│", output)[1].split("│")]
    assert last == pytest.approx([91.6, 93.0, 91.0, 95.2, 25.2], abs=0.5)  # docs/alternatives.md quotes them


def test_demo_without_matplotlib_says_which_extra_to_install(tmp_path, monkeypatch):
    from analytic_cl.cli import demo

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    console = demo.Console(record=True)
    demo._save_picture(console, [], tmp_path / "demo.png")

    assert "pip install 'analytic-cl[plots]'" in console.export_text()


@pytest.mark.parametrize("command", main.commands)
def test_every_command_has_help_and_is_in_the_documentation(command):
    assert " ".join(main.commands[command].help.split()) in " ".join(run(command, "--help").split())
    assert f"analytic-cl {command}" in COMMANDS.read_text()


def test_config_is_json_and_names_what_runs():
    config = json.loads(run("config"))

    assert config["backend"] in BACKENDS
    assert {"python", "numpy", "scipy", "numba", "analytic-cl"} <= config["versions"].keys()
