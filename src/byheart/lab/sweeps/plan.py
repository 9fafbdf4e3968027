"""Plan files: what a sweep trains, on what, how often, and how it measures.

A plan is TOML with the sections [data], [model], [sweep] and [distance]:

    [data]
    kind = "gaussian"            # or "digits", "file"
    dimension = 36

    [model]
    kind = "linear"              # or "linear-multi-step", "empirical", "kernel-smoothed",
    time = 2                     # "tikhonov", "empirical-bayes", "mlp", "unet", "command"
    noise_scale = 1

    [sweep]
    n = [18, 36, 72, 144]
    repeats = 100

    [distance]                   # may be left out
    definition = "paper"         # or "matched"

Instead of n, a parameter of the model can be swept at one n (`parameter`):

    [model]
    kind = "tikhonov"

    [sweep]
    n = [300]
    parameter = "constant"
    values = [0.01, 0.1, 1]
    repeats = 20

Unknown keys and wrong values are errors that name the key; nothing is guessed. Which measure a plan
means is decided here, once (`Plan.measure`), so that a store says what its numbers are.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from byheart.errors import UsageError
from byheart.files import content
from byheart.lab.sweeps.parameter import Parameter, filled, parameter_of
from byheart.lab.sweeps.plan_sections import Count, Data, Model, Number, Section

_LARGEST = 2**16  # bytes of a plan: tomllib takes the square of the parts of a dotted key

FRESH_ROWS = 400  # held-out points of a trial, where they cannot be integrated out


class Sweep(Section):
    """Sizes n of the training set, training runs of each, samples drawn from each model.

    With a `parameter` of the model there is one n, and the runs are repeated at each of `values`,
    on the same training sets.
    """

    n: tuple[Annotated[int, Field(ge=2)], ...] = Field(strict=False, min_length=1)
    repeats: Count
    seed: Annotated[int, Field(ge=0)] = 0
    samples: Annotated[int, Field(ge=2)] = 400
    parameter: str | None = None
    values: tuple[Number, ...] | None = Field(default=None, strict=False, min_length=2)

    @field_validator("n")
    @classmethod
    def _increasing(cls, n: tuple[int, ...]) -> tuple[int, ...]:
        if list(n) != sorted(set(n)):
            raise ValueError("must be increasing, each size once")
        return n

    @field_validator("values")
    @classmethod
    def _rising(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if values is not None and list(values) != sorted(set(values)):
            raise ValueError("must be increasing, each value once")
        return values

    @model_validator(mode="after")
    def _one_axis(self) -> Self:
        if (self.parameter is None) != (self.values is None):
            raise ValueError("needs both parameter and values, or neither")
        if self.parameter is not None and len(self.n) > 1:
            raise ValueError("has a parameter, and so needs a single n, such as n = [300]")
        return self


class Distance(Section):
    """How Delta and the quality are measured; what is left out is chosen by `Plan.measure`.

    fresh: the number of fresh points of a trial, or "exact" to integrate `fresh_rows` of them out.
    """

    definition: Literal["paper", "matched"] | None = None
    form: Literal["l2", "kl", "coordinates"] | None = None
    fresh: int | str | None = None
    fresh_rows: Annotated[int, Field(ge=3)] = 10_000

    @field_validator("fresh")
    @classmethod
    def _number(cls, fresh: int | str | None) -> int | str | None:
        if fresh is not None and fresh != "exact" and not (isinstance(fresh, int) and fresh >= 2):
            raise ValueError('must be "exact" or a number of points, at least 2')
        return fresh


class Measure(NamedTuple):
    """The measure of a plan, with nothing left open."""

    definition: Literal["paper", "matched"]
    form: Literal["l2", "kl", "coordinates"]
    fresh: int | None  # number of held-out points; None: fresh_rows of them are integrated out
    fresh_rows: int
    quality: Literal["kl", "energy", "coordinates"]

    @property
    def delta(self) -> str:
        """What Delta > 0, no memorization, means here, in words."""
        if self.definition == "matched":
            return f"an audit against {self.fresh:,} held-out points does not say `memorizes`"
        form = "coordinate by coordinate" if self.form == "coordinates" else "in the L2 form"
        fresh = f"{self.fresh_rows:,} integrated out" if self.fresh is None else f"{self.fresh:,}"
        return f"as arXiv 2411.17807 defines it, {form}, fresh points: {fresh}"

    @property
    def distance(self) -> str:
        """What the distance between the data's law and the model's is here, in words."""
        return {
            "kl": "KL(rho_G ‖ rho), nats",
            "energy": "energy distance between samples and held-out points, relative to the "
            "held-out points' own mean distance",
            "coordinates": "squared difference of kernel densities, mean over coordinates",
        }[self.quality]


class Plan(Section):
    """A validated plan. Build one with `Plan.load` or `Plan.parse`."""

    data: Data
    model: Model
    sweep: Sweep
    distance: Distance = Distance()
    folder: str = Field(default=".", exclude=True)  # where relative paths start

    @staticmethod
    def load(path: str | Path) -> Plan:
        """Read a TOML file; UsageError or InputError, in one line, for anything wrong in it."""
        path = Path(path)
        text = content(path, str(path), _LARGEST)
        try:
            stated = tomllib.loads(text.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}: not TOML ({error})") from None
        return Plan.parse(stated, where=str(path), folder=path.parent)

    @staticmethod
    def parse(stated: Mapping[str, Any], *, where: str = "plan", folder: str | Path = ".") -> Plan:
        """Validate the sections of a plan; relative paths in it start at `folder`.

        Raises UsageError that names the key and, for an unknown one, the nearest.

        >>> plan = Plan.parse({
        ...     "data": {"kind": "gaussian", "dimension": 4},
        ...     "model": {"kind": "linear"},
        ...     "sweep": {"n": [8, 16], "repeats": 10},
        ... })
        >>> plan.measure.form, plan.measure.fresh
        ('l2', None)
        """
        if "folder" in stated:
            raise UsageError(f"{where}: folder is not a section; choose from {_sections()}")
        whole = filled(stated, where)
        try:
            plan = Plan.model_validate({**whole, "folder": str(folder)})
        except ValidationError as error:
            said = _explain(error)
            if whole is not stated:  # the key of [model] that was filled in from the values
                name = whole["sweep"]["parameter"]
                said = said.replace(f"model.{name} ", f"sweep.values: {name} ", 1)
            raise UsageError(f"{where}: {said}") from None
        try:
            plan.measure  # noqa: B018  refuses what does not go together
            for value in plan.sweep.values or ():
                plan.at(value)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
        return plan

    def stated(self) -> dict[str, Any]:
        """Return every key with its value, for a store to keep and to compare."""
        content: dict[str, Any] = self.model_dump(mode="json")
        if self.sweep.parameter is None:  # as stores that know no parameter have it
            del content["sweep"]["parameter"], content["sweep"]["values"]
        else:
            del content["model"][self.sweep.parameter]
        return content

    @property
    def parameter(self) -> Parameter | None:
        """The parameter that is swept; UsageError when the model's cannot be."""
        if self.sweep.parameter is None:
            return None
        return parameter_of(self.model.kind, self.sweep.parameter)

    def at(self, value: float | None) -> Plan:
        """Return the plan with its parameter set to one of its values; itself for None.

        Raises UsageError for a value that the model does not take.
        """
        name = self.sweep.parameter
        if value is None or name is None:
            return self
        given = next(v for v in self.sweep.values or () if v == value)  # an int stays an int
        try:
            model = type(self.model).model_validate({**self.model.model_dump(), name: given})
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"].removeprefix("Input ")
            raise UsageError(f"sweep.values: {name} {said}, got {given!r}") from None
        return self.model_copy(update={"model": model})

    @property
    def exact_law(self) -> bool:
        """Whether the laws of the data and of the model are Gaussians in closed form."""
        return self.data.kind == "gaussian" and self.model.kind.startswith("linear")

    @property
    def measure(self) -> Measure:
        """The measure that [distance] asks for, with its defaults filled in.

        A model and data with closed forms: the paper's definition, L2 form, fresh points integrated
        out. Everything else: matched (an audit), KL form, FRESH_ROWS held-out points.
        """
        asked = self.distance
        definition = asked.definition or ("paper" if self.exact_law else "matched")
        if self.parameter and definition == "paper":
            raise UsageError(
                "sweep.parameter needs audits, which tell copies from traces; set distance."
                'definition = "matched"'
            )
        form = asked.form or ("l2" if definition == "paper" else "kl")
        fresh = asked.fresh
        allowed = ("l2", "coordinates") if definition == "paper" else ("kl", "l2")
        if form not in allowed:
            raise UsageError(
                f'distance.form = "{form}" does not go with definition = "{definition}"; '
                f"choose from {', '.join(allowed)}"
            )
        integrable = self.exact_law and (definition, form) == ("paper", "l2")
        if fresh is None and not integrable:
            fresh = FRESH_ROWS
        if fresh == "exact" and not integrable:
            raise UsageError(
                'distance.fresh = "exact" needs Gaussian data, a linear model and the definition '
                '"paper" in the form "l2"; give a number of fresh points'
            )
        count = fresh if isinstance(fresh, int) else None
        largest = max(self.sweep.n)
        rows, key = (asked.fresh_rows, "fresh_rows") if count is None else (count, "fresh")
        if integrable and largest >= rows:
            raise UsageError(
                f"sweep.n goes up to {largest:,}, but the fresh set of {rows:,} points must be "
                f"larger than every training set; set distance.{key} = {100 * largest}"
            )
        quality: Literal["kl", "energy", "coordinates"] = "energy"
        if form == "coordinates":
            quality = "coordinates"
        elif self.exact_law:
            quality = "kl"
        return Measure(definition, form, count, asked.fresh_rows, quality)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the keys in which two stated plans differ, each with both values."""
    found = []
    for key in {**old, **new}:
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} is {a!r} in the store and {b!r} in the plan")
    return found


def _explain(error: ValidationError) -> str:
    """Return the first problem in words: which key, what is wrong, what would be right."""
    problem = error.errors(include_url=False)[0]
    where = [str(part) for part in problem["loc"]]
    kinds = {
        kind: fields
        for union in (Data, Model)
        for section in get_args(get_args(union)[0])
        for kind, fields in [(get_args(section.model_fields["kind"].annotation)[0], section)]
    }
    kind = where.pop(1) if len(where) > 1 and where[1] in kinds else None
    key = ".".join(where)
    if problem["type"] == "extra_forbidden":
        if len(where) == 1:
            return f"{key} is not a section; choose from {_sections()}"
        section: Any = kinds[kind] if kind else Plan.model_fields[where[0]].annotation
        known = list(section.model_fields)
        near = difflib.get_close_matches(where[-1], known, 1, 0.5)
        advice = f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"
        return f"{key} is not a key of this section; {advice}"
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["type"] == "union_tag_not_found":
        return f"{key}.kind is missing; choose from {_kinds(where[0])}"
    if problem["type"] == "union_tag_invalid":
        given = problem["ctx"]["tag"]
        return f'{key}.kind = "{given}" is unknown; choose from {_kinds(where[0])}'
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key} {message[:1].lower()}{message[1:]}, got {problem['input']!r}"


def _kinds(section: str) -> str:
    union = Data if section == "data" else Model
    sections = get_args(get_args(union)[0])
    return ", ".join(get_args(s.model_fields["kind"].annotation)[0] for s in sections)


def _sections() -> str:
    return ", ".join(name for name in Plan.model_fields if name != "folder")
