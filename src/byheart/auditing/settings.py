"""The options of an audit, each declared once.

An option is a field of `Settings`: its name, default, check, one line of help, and what becomes of
it afterwards. The command line, the keywords of `byheart.audit` and of the monitor, report.json,
the call that repeats an audit, and `byheart verify` are all made from these fields.
"""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from functools import partial
from typing import Any, Literal, TypeVar

from byheart import _check
from byheart.errors import UsageError

METRICS = ("tables", "all")
ENGINES = ("local", "ray")
Function = TypeVar("Function", bound=Callable[..., Any])
AT_THE_TOP = ("seed", "level", "fdr", "tolerance", "resolution", "permutations")
_ALSO_CALLED = {"random_state": "seed", "random_seed": "seed", "alpha": "level"}  # elsewhere
UNNAMED = "given as arrays"  # groups that no file or column names


@dataclass(frozen=True)
class Option:
    """What is known of an option beyond its name and its default.

    help: one line, with shape and unit. check: (value, name) -> the value to be used, or raises
    UsageError. kind: of its text on the command line; list for one that may be repeated. recorded:
    stands in report.json and in the call that repeats the audit, as `shown` writes it. repeat:
    where `verify` takes it from: the "report"; "asked", again from the user, and it has to be the
    same (a report must not choose which code is imported or which file is opened); or "free", since
    the result does not depend on it.
    """

    help: str
    check: Callable[[Any, str], Any]
    kind: type
    metavar: str | None = None
    recorded: bool = True
    shown: Callable[[Any], Any] = lambda value: value
    repeat: Literal["report", "asked", "free"] = "report"


def _option(
    default: Any, check: Callable[[Any, str], Any], kind: type, help: str, **more: Any
) -> Any:
    return field(default=default, metadata={"option": Option(help, check, kind, **more)})


def _anything(value: Any, name: str) -> Any:
    return value


def _columns(value: Any, name: str) -> tuple[str, ...]:
    columns = (value,) if isinstance(value, str) else tuple(value or ())
    if not all(isinstance(column, str) for column in columns):
        raise UsageError(f"{name} must be names of columns, got {value!r}")
    return columns


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name} must be True or False, got {value!r}")
    return value


def _words(value: Any, name: str) -> str | None:
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise UsageError(f"{name} must be text, got {value!r}")
    return value


def _image_size(value: Any, name: str) -> int | tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise UsageError(f"{name} must be one number or (height, width), got {value!r}")
        height, width = (_check.integer(v, name, 1) for v in value)
        return height, width
    return _check.integer(value, name, 1)


def _path(value: Any, name: str) -> str | None:
    return None if value is None else os.fspath(value)


def _features_name(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or "raw"
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return f"{getattr(value, '__module__', '?')}:{name}"


def _groups_name(value: Any) -> str | None:
    return UNNAMED if isinstance(value, tuple) else None if value is None else str(value)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The checked options of one audit; raises UsageError for a value that is not accepted.

    >>> Settings(level=0.01).level
    0.01
    """

    seed: int = _option(
        0,
        partial(_check.integer, minimum=0),
        int,
        "Seed of every random choice; the same seed gives the same result.",
    )
    level: float = _option(0.05, _check.fraction, float, "Level of the test and of all bounds.")
    fdr: float = _option(
        0.1, _check.fraction, float, "False discovery rate of the list of copied points."
    )
    tolerance: float = _option(
        0.01, _check.fraction, float, "Share of training points that may leave a trace."
    )
    resolution: float = _option(
        0.05,
        _check.fraction,
        float,
        "Largest share of copied training points to which a cleared model may be blind.",
    )
    permutations: int = _option(
        999,
        partial(_check.integer, minimum=99, maximum=10**6),
        int,
        "Random relabellings, at least 99.",
    )
    features: Any = _option(
        "raw",
        _anything,
        str,
        "What is compared: raw values, or the vectors (k,) of an image encoder of transformers, a "
        "model in a file, a function of the current folder; in Python also a callable, batch -> "
        "(batch, k).",
        metavar="raw|hf:FOLDER_OR_NAME|FILE.onnx|MODULE:FUNCTION",
        shown=_features_name,
        repeat="asked",
    )
    device: str = _option(
        "cpu",
        _anything,
        str,
        "Where a model of --features runs.",
        metavar="cpu|cuda|cuda:N",
        repeat="free",
    )
    feature_cache: str | None = _option(
        None,
        _path,
        str,
        "Folder that keeps the vectors of a model of --features.",
        metavar="DIR",
        recorded=False,
        repeat="free",
    )
    groups: Any = _option(
        None,
        _anything,
        str,
        "Rows that belong together: a column of both tables, or a text or .npy file with a value a "
        "row, training rows first; in Python also a pair of sequences (n,), (h,).",
        metavar="COLUMN|FILE",
        shown=_groups_name,
        repeat="asked",
    )
    ignore: tuple[str, ...] = _option(
        (), _columns, list, "Table column to leave out.", metavar="COLUMN", shown=list
    )
    id: str | None = _option(
        None,
        _words,
        str,
        "Table column that names the rows: kept for display and export, not compared.",
        metavar="COLUMN",
    )
    image_size: int | tuple[int, int] | None = _option(
        None,
        _image_size,
        int,
        "Bring images of different sizes to this square, in pixels; in Python also (height, "
        "width).",
        shown=lambda value: list(value) if isinstance(value, tuple) else value,
    )
    max_memory: int = _option(
        "1GiB",
        _check.memory,
        str,
        "Memory of the audit, such as 256MiB, beside the pages of mapped .npy files and arrays in "
        "memory; the result does not depend on it.",
        metavar="SIZE",
        recorded=False,
        repeat="free",
    )
    engine: str = _option(
        "local",
        partial(_check.choice, allowed=ENGINES),
        str,
        "Where neighbours are found: in this process, or on the Ray cluster at RAY_ADDRESS (else a "
        "local one), each task within --max-memory; the result is the same.",
        metavar="local|ray",
        recorded=False,
        repeat="free",
    )
    approximate: bool = _option(
        False,
        _flag,
        bool,
        "Look for neighbours in an index instead of among all rows, for sets too large for that: "
        "the p-value stays exact, the recall is measured and reported.",
    )
    metrics: str = _option(
        "tables",
        partial(_check.choice, allowed=METRICS),
        str,
        "Figures beside the verdict: those that the audit's own tables hold, or all, which takes "
        "further passes.",
        metavar="tables|all",
    )
    title: str | None = _option(None, _words, str, "Title of the report.")
    model_name: str | None = _option(
        None, _words, str, "Name of the model, shown on the report.", metavar="NAME"
    )

    def __post_init__(self) -> None:
        for name, option in options().items():
            object.__setattr__(self, name, option.check(getattr(self, name), name))
        if self.approximate and self.engine != "local":
            raise UsageError(
                f'approximate does not run on engine "{self.engine}"; leave the engine out, or '
                "approximate"
            )
        if self.approximate and self.metrics != "tables":
            raise UsageError(
                'metrics="all" takes exact passes over all pairs; leave it out, or approximate'
            )

    @classmethod
    def of(cls, given: Mapping[str, Any], call: str) -> Settings:
        """Return the settings of keywords, or raise UsageError for a name that is no option.

        call: the function that was called, for the message.
        """
        for name in given:
            if name in _ALSO_CALLED:
                raise UsageError(
                    f"{call} calls {name} {_ALSO_CALLED[name]}: pass {_ALSO_CALLED[name]}="
                    f"{given[name]!r}"
                )
            if name not in options():
                close = difflib.get_close_matches(name, options(), 1)
                known = f"did you mean {close[0]}?" if close else f"it has {', '.join(options())}"
                raise UsageError(f"{call} has no option {name!r}; {known}")
        return cls(**given)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The columns of a table that are not compared, beside those of groups."""
        return self.ignore if self.id is None else tuple(dict.fromkeys((*self.ignore, self.id)))

    def recorded(self) -> dict[str, Any]:
        """Return the options that a report records, as JSON's own types."""
        return {
            name: option.shown(getattr(self, name))
            for name, option in options().items()
            if option.recorded
        }


def _declared() -> dict[str, Field[Any]]:
    return {f.name: f for f in fields(Settings)}


def options() -> dict[str, Option]:
    """Return the options of an audit by name, in their order."""
    return {name: declared.metadata["option"] for name, declared in _declared().items()}


def defaults() -> dict[str, Any]:
    """Return the default of every option, as a user would write it."""
    return {name: declared.default for name, declared in _declared().items()}


def keywords(function: Function) -> Function:
    """Show the options in the signature and docstring of a function that takes `**options`.

    Parameters of the function's own stay as they are, and come first; `{options}` in its docstring
    becomes the list of options.
    """
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    listed = {
        name: declared for name, declared in _declared().items() if name not in signature.parameters
    }
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            *own,
            *(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type
                )
                for name, f in listed.items()
            ),
        ]
    )
    lines = [f"{name}: {f.metadata['option'].help}" for name, f in listed.items()]
    function.__doc__ = (function.__doc__ or "").replace("{options}", "\n    ".join(lines))
    return function


def repeated(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return which recorded options the call that repeats an audit has to name.

    Numbers decide and are always named; of the others, those that are not the default.
    """
    usual = Settings().recorded()
    return {
        name: recorded[name]
        for name, value in usual.items()
        if name in recorded
        and ((isinstance(value, (int, float)) and value is not False) or recorded[name] != value)
    }
