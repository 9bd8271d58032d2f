"""The command ``analytic-cl``."""

from __future__ import annotations

from pathlib import Path

import click

from analytic_cl.cli import (
    ablation_commands,
    compare_command,
    copy_commands,
    evidence_commands,
    graph_command,
    learning_commands,
    request_commands,
    verify_command,
)
from analytic_cl.cli.errors import EXIT_CODES


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(package_name="analytic-cl")
def main() -> None:
    """Gradient-free continual learning that forgets exactly."""


@main.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("analytic-cl-demo.png"),
    show_default=True,
    help="Where to save the picture.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the order of classes and the rows deleted.")
def demo(out: Path, seed: int) -> None:
    """Learn real intents, forget rows, prove it.

    Learns the 150 intents of CLINC150 in ten sessions, takes 200 rows out again, and compares the model with one that
    was retrained without them. Takes about half a minute on two cores.
    """
    from analytic_cl.cli.demo import run_demo

    run_demo(out, seed)


@main.command()
def config() -> None:
    """Print backend, versions and machine, for bug reports."""
    import json

    from analytic_cl import show_config

    click.echo(json.dumps(show_config(), indent=2))


for module in (
    learning_commands,
    request_commands,
    verify_command,
    evidence_commands,
    copy_commands,
    compare_command,
    ablation_commands,
    graph_command,
):
    for command in module.COMMANDS:
        main.add_command(command)
