"""The command line's reference, from the same declarations that typer's help is made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_args, get_type_hints

OPENING = """# Command line

Generated from what `byheart COMMAND --help` shows. Results go to stdout, progress and messages to
stderr; `--json` prints JSON and nothing else. What a command returns to the shell is on the page
[exit status](exit-status.md). `--debug`, anywhere, shows the traceback of an error.
"""
KINDS = {"int": "N", "float": "NUMBER", "str": "TEXT", "Path": "PATH"}


@dataclass(frozen=True)
class Parameter:
    """One argument or option of a command."""

    argument: bool
    forms: tuple[str, ...]  # "--seed", or "--examples" and "--no-examples"
    metavar: str  # "" for a flag
    default: str | None  # None: there is none
    required: bool
    repeated: bool
    help: str

    @property
    def usage(self) -> str:
        """How it is written on the command line."""
        return self.metavar if self.argument else f"{self.forms[0]} {self.metavar}".strip()


def commands() -> dict[str, Callable[..., Any]]:
    """Return the functions behind the commands, in the order of `byheart --help`."""
    from byheart.cli import app

    registered = [info for info in app.registered_commands if info.callback]
    return {info.name or info.callback.__name__: info.callback for info in registered}  # type: ignore[union-attr]


def parameters(function: Callable[..., Any]) -> Iterator[Parameter]:
    """Yield the arguments and options of a command."""
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        annotation, info = get_args(hints[name])
        given = parameter.default
        required = given is inspect.Parameter.empty
        options = [a for a in get_args(annotation) if a is not type(None)]
        kind = options[0] if options else annotation
        repeated = "list" in str(kind)
        argument = type(info).__name__ == "ArgumentInfo"
        spelled = (info.default,) if isinstance(info.default, str) else ()  # typer keeps it there
        spelled += tuple(info.param_decls or ())
        flag = kind is bool
        plain = f"{name.replace('_', '-')}"
        forms = spelled or ((f"--{plain}", f"--no-{plain}") if flag else (f"--{plain}",))
        shown = None if required or flag or given in (None, "") else str(given)
        if flag and given:
            shown = forms[0]
        if isinstance(kind, type) and issubclass(kind, Enum):
            word = "|".join(str(member.value) for member in kind)
        else:
            word = KINDS.get(getattr(kind, "__name__", "str"), "TEXT")
        word = name.upper() if argument and word == "PATH" else word
        metavar = "" if flag else info.metavar or word
        text = " ".join((info.help or "").split())
        yield Parameter(argument, forms, metavar, shown, required, repeated, text)


def page() -> str:
    """Return the page: one section a command."""
    parts = [OPENING]
    for name, function in commands().items():
        found = list(parameters(function))
        needed = [p.usage for p in found if p.required]
        parts.append(f"## byheart {name}\n")
        parts.append("```text\n" + " ".join(["byheart", name, *needed, "[OPTIONS]"]) + "\n```\n")
        parts.append(inspect.getdoc(function) or "")
        parts.append("")
        parts += [_definition(p) for p in found]
    return "\n".join(parts)


def _definition(parameter: Parameter) -> str:
    if parameter.argument:
        term = f"`{parameter.metavar}`"
    else:
        term = ", ".join(f"`{f} {parameter.metavar}`".replace(" `", "`") for f in parameter.forms)
    notes = []
    if parameter.required:
        notes.append("required")
    if parameter.default is not None:
        notes.append(f"default `{parameter.default}`")
    if parameter.repeated:
        notes.append("may be repeated")
    note = f" *{', '.join(notes)}*" if notes else ""
    return f"{term}{note}\n:   {parameter.help}\n"
