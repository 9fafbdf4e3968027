"""The command line: arguments in, one call, result out; no logic. One module a command.

Results go to stdout, progress and messages to stderr. Exit status: 0 done; 1 the condition of
--fail-on holds, or `verify` found a difference; 2 bad usage or input; 3 internal error; 130
interrupted.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from byheart.cli.audit import audit
from byheart.cli.card import card
from byheart.cli.compare import compare
from byheart.cli.demo import demo
from byheart.cli.filter import filter
from byheart.cli.forecast import forecast
from byheart.cli.reproduce import reproduce
from byheart.cli.status import exit_status
from byheart.cli.sweep import sweep
from byheart.cli.theory import theory
from byheart.cli.transition import transition
from byheart.cli.verify import verify

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
    demo,
    audit,
    compare,
    card,
    filter,
    verify,
    theory,
    forecast,
    sweep,
    transition,
    reproduce,
):
    app.command()(command)


def main() -> None:
    """Run the command line and exit with its status."""
    debug = "--debug" in sys.argv
    sys.exit(run([a for a in sys.argv[1:] if a != "--debug"], debug))


def run(arguments: list[str], debug: bool = False) -> int:
    """Run one command and return its exit status; with `debug` errors keep their traceback."""
    command = typer.main.get_command(app)
    return exit_status(
        lambda: command(arguments or ["--help"], "byheart", standalone_mode=False), debug
    )
