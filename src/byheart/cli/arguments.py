"""Options that stand in several commands, and those that are made of an audit's `Settings`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from byheart.auditing.settings import Option, defaults, options
from byheart.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])

Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")]
Workers = Annotated[
    int | None,
    typer.Option(help="Trials at a time, by default one a core; 1 runs them in this process."),
]
TrialEngine = Annotated[
    str,
    typer.Option(
        metavar="local|ray",
        help="Where the trials run: on this machine, or on the Ray cluster at RAY_ADDRESS.",
    ),
]


def with_settings(names: Collection[str]) -> Callable[[Function], Function]:
    """Give a command that takes `**given` the named options of an audit, as `Settings` has them.

    Its own parameters come first, --json last.
    """

    def decorate(command: Function) -> Function:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        made = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(defaults()[name]),
                annotation=_annotation(name, option),
            )
            for name, option in options().items()
            if name in names
        ]
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        last = [p for p in own if p.name == "json"]
        parameters = [*(p for p in own if p not in last), *made, *last]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return command

    return decorate


def _default(value: Any) -> Any:
    return None if value == () else value


def _annotation(name: str, option: Option) -> Any:
    info = (
        typer.Option(f"--{name.replace('_', '-')}", help=option.help)
        if option.kind is bool
        else typer.Option(metavar=option.metavar, help=option.help)
    )
    if option.kind is list:
        return Annotated[list[str] | None, info]
    return Annotated[
        option.kind | None if defaults()[name] is None else option.kind,
        info,
    ]


def folder(path: Path) -> Path:
    """Make the folder of --out; raises UsageError where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {path}: cannot be made a folder ({error.strerror}); name another one"
        ) from None
    return path
