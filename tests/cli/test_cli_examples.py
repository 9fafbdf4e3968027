"""The help of every command begins with an example, and every example parses."""

import re
import shlex

import pytest
import typer

from byheart.cli import app, run

COMMANDS = typer.main.get_command(app).commands
EXAMPLE = re.compile(r"\*\*Example:\*\* `byheart ([^`]+)`")


def examples():
    return [(name, found) for name, c in COMMANDS.items() for found in EXAMPLE.findall(c.help)]


def test_every_command_has_one():
    assert {name for name, _ in examples()} == set(COMMANDS)


@pytest.mark.parametrize(("name", "text"), examples())
def test_it_parses(name, text):
    words = shlex.split(text)
    assert words.pop(0) == name
    with COMMANDS[name].make_context(name, words) as context:
        given = {key for key, value in context.params.items() if value is not None}
    assert given


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_it_stands_before_the_options(name, capsys):
    assert run([name, "--help"]) == 0
    told = capsys.readouterr().out
    assert 0 <= told.find("Example:") < told.find("--help")
