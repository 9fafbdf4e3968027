"""The code blocks of a page, run in order in one folder.

```python blocks share one namespace; an ```output block that follows holds what they print.
```console blocks hold `$ command` lines, each followed by what it prints; nothing below a command
means that its output is not compared. `...` stands for anything, on a line or over lines. A block
of another language is not run. A block whose opening says title="train.py" is written to that file
and not run either.

Comments of the page's source steer: <!-- needs: torch, ray --> skips the next block without these
modules; <!-- run: --> to --> holds Python that the reader need not see; <!-- not run: why -->.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from byheart import cli

_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```[ ]*$"
    r"|^<!-- (?P<comment>run|needs|not run):(?P<text>.*?)-->",
    re.MULTILINE | re.DOTALL,
)
_MATCHER = doctest.OutputChecker()
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SOURCE = str(Path(cli.__file__).resolve().parents[2])
_PROGRAMS = """python() {{ {python} "$@"; }}
byheart() {{ python -c 'from byheart.cli import main; main()' "$@"; }}
"""
DATA = {"text", "toml", "yaml", "json", "csv", "ini", "sh"}  # languages that are not run


class Mismatch(AssertionError):
    """A block does not print what the page shows, or ends with an error."""


@dataclass(frozen=True)
class Block:
    """A fenced block, or a steering comment (`language` run, needs or not run)."""

    language: str
    title: str | None
    body: str
    line: int


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page in order."""
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["comment"]:
            found.append(Block(match["comment"], None, match["text"].strip(), line))
            continue
        language, _, rest = match["info"].strip().partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        lines = [row.removeprefix(match["indent"]) for row in match["body"].splitlines()]
        found.append(Block(language, title[1] if title else None, "\n".join(lines) + "\n", line))
    return found


def run_page(name: str, text: str) -> int:
    """Run the blocks of a page in the working folder; returns how many ran."""
    namespace: dict[str, Any] = {"__name__": "__page__"}
    printed, skip, ran = None, False, 0
    for block in blocks(text):
        where = f"{name}, line {block.line}"
        if block.language == "needs":
            skip = any(find_spec(module.strip()) is None for module in block.body.split(","))
        elif block.language == "not run":
            skip = True
        elif skip:
            skip = printed = None
        elif block.language == "output":
            if printed is not None:
                compare(block.body, printed, where)
        else:
            if block.title:
                Path(block.title).parent.mkdir(parents=True, exist_ok=True)
                Path(block.title).write_text(block.body, encoding="utf-8")
            elif block.language in ("python", "run"):
                printed = run_python(block.body, namespace, where)
                ran += 1
            elif block.language == "console":
                run_console(block.body, where)
                ran += 1
    return ran


def run_python(code: str, namespace: dict[str, Any], where: str) -> str:
    """Run code in a namespace and return what it prints."""
    out = io.StringIO()
    if code.startswith(">>>"):
        return ""  # reference pages: the doctests of the source
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(code, where, "exec"), namespace)
        except Exception as error:
            raise Mismatch(f"{where}: {type(error).__name__}: {error}") from error
    return out.getvalue()


def run_console(body: str, where: str) -> None:
    """Run the commands of a block and compare what they print."""
    status = 0
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        printed, status = run_command(command, status)
        if expected.strip():
            compare(expected, printed, f"{where}, $ {command}")
        elif status:
            raise Mismatch(f"{where}, $ {command}\nended with {status}:\n{printed}")


def run_command(command: str, last: int) -> tuple[str, int]:
    """Run one command line, where $? is `last`; return what it prints and its status.

    A plain `byheart` command runs in this process, for the sake of time.
    """
    words = shlex.split(command)
    if words[0] == "byheart" and not set(";|&>$") & set(command):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = cli.run(words[1:])
        return out.getvalue(), status
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"{_PROGRAMS.format(python=shlex.quote(sys.executable))}(exit {last})\n{command}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": SOURCE},  # the byheart under test, whatever is installed
    )
    return done.stdout, done.returncode


def compare(expected: str, printed: str, where: str) -> None:
    """Raise Mismatch unless `printed` is what the page shows."""
    if not _MATCHER.check_output(expected.strip() + "\n", printed.strip() + "\n", _FLAGS):
        raise Mismatch(f"{where}\nthe page shows:\n{expected}\nit printed:\n{printed}")
