"""The program `byheart`: its commands, in the order of `byheart --help`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from byheart.cli import (
    audit,
    card,
    compare,
    demo,
    forecast,
    reproduce,
    sweep,
    theory,
    transition,
    verify,
)
from byheart.cli.status import exit_status

app = typer.Typer(
    name="byheart",
    help="Has a generative model learned its training data by heart?",
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"byheart {version('byheart')}")
        raise typer.Exit


@app.callback()
def byheart(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Has a generative model learned its training data by heart?"""


for command in (
    demo.demo,
    audit.audit,
    compare.compare,
    card.card,
    verify.verify,
    theory.theory,
    forecast.forecast,
    sweep.sweep,
    transition.transition,
    reproduce.reproduce,
):
    app.command()(command)


def main() -> None:
    """Run the command line and exit with its status."""
    debug = "--debug" in sys.argv
    sys.exit(run([a for a in sys.argv[1:] if a != "--debug"], debug))


def run(arguments: list[str], debug: bool = False) -> int:
    """Run one command and return its exit status; with `debug` errors keep their traceback."""
    return exit_status(app, arguments, debug)
