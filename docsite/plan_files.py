"""The reference of plan files: keys, types and defaults from the plan's own models.

Only the meaning of a key is written here; a key without a meaning, or a meaning without a key,
stops the build.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from byheart.lab.sweeps import plan
from byheart.lab.sweeps.parameter import SWEEPABLE
from docsite.markdown import docstring

OPENING = """# Plan files

A plan is a TOML file for `byheart sweep`: what to train, on what, how often, and how to measure.
It has the sections `[data]`, `[model]` and `[sweep]`, and may have `[distance]`. Types and defaults
below are read from the program. An unknown key or a wrong value is an error that names the key.
Relative paths start at the folder of the plan. How to use one: [a sweep](../how-to/sweep.md).

```toml
[data]
kind = "gaussian"
dimension = 36

[model]
kind = "linear"

[sweep]
n = [18, 36, 72, 144]
repeats = 100
```
"""
MEANING = {
    "data.kind": "what the samples are",
    "data.dimension": "coordinates of a point",
    "data.mean": "of every coordinate",
    "data.std": "standard deviation of every coordinate",
    "data.path": "a file or folder in any format of `byheart audit`",
    "model.kind": "what is trained",
    "model.time": "diffusion time T",
    "model.noise_scale": "noise scale lambda",
    "model.steps": "steps of the sampler; for networks, of the noise chain too",
    "model.noise_floor": "variance c at which sampling stops",
    "model.bandwidth": "standard deviation of the smoothing kernel, in units of the data",
    "model.constant": "variance c, in squared units of the data, that is added to the score's "
    "denominator",
    "model.log_threshold": "log tau, without a unit, of the floor under the sum of kernels",
    "model.epochs": "passes over the training set; give this or `training_steps`",
    "model.training_steps": "gradient steps; give this or `epochs`",
    "model.batch_size": "rows of a gradient step",
    "model.learning_rate": "of the optimizer",
    "model.shift": "subtracted from the data; by default the mean of the training set's entries",
    "model.scale": "the data are divided by it; by default the deviation of those entries",
    "model.device": "torch device, such as `cuda`",
    "model.width": "units of a layer",
    "model.depth": "residual layers",
    "model.channels": "channels of the resolutions, the finest first",
    "model.command": "the words of your command, with placeholders",
    "model.timeout": "seconds that one run may take",
    "model.suffix": "format of the files `{train}` and `{generated}`",
    "sweep.n": "sizes of the training set, increasing",
    "sweep.repeats": "training runs at each size, or at each value of a parameter",
    "sweep.seed": "seed of every random choice",
    "sweep.samples": "samples drawn from each trained model",
    "sweep.parameter": "a key of `[model]` to sweep at one n, which then is not in `[model]`: "
    + ", ".join(
        f"`{kind}`: {', '.join(f'`{found.name}`' for found in parameters)}"
        for kind, parameters in SWEEPABLE.items()
    ),
    "sweep.values": "values of the parameter, increasing; all see the same training sets",
    "distance.definition": "`paper`: arXiv 2411.17807's; `matched`: an audit. By default `paper` "
    "where data and model have closed forms, else `matched`",
    "distance.form": "of the distance: by default `l2` for `paper`, `kl` for `matched`",
    "distance.fresh": 'held-out points of a trial, or `"exact"` to integrate them out where that '
    "is possible, which is then the default; otherwise 400",
    "distance.fresh_rows": 'size of the fresh set that `"exact"` stands for',
}
BOUNDS = {"gt": "> ", "ge": "≥ ", "lt": "< ", "le": "≤ "}


def page() -> str:
    """Return the page; raises ValueError when MEANING and the models do not match."""
    described: set[str] = set()
    parts = [OPENING]
    for name, union in (("data", plan.Data), ("model", plan.Model)):
        parts.append(f"## [{name}]\n")
        for section in get_args(get_args(union)[0]):
            parts += _section(name, section, described)
    for name, section in (("sweep", plan.Sweep), ("distance", plan.Distance)):
        parts.append(f"## [{name}]\n")
        parts += _section(name, section, described)
    for key in set(MEANING) - described:
        raise ValueError(f"docsite/plan_files.py describes {key}, which no plan has")
    return "\n".join(parts)


def _section(name: str, section: Any, described: set[str]) -> list[str]:
    kind = section.model_fields.get("kind")
    parts = []
    if kind:
        parts.append(f'### kind = "{get_args(kind.annotation)[0]}"\n')
    parts.append(docstring(section.__doc__ or "") + "\n")
    for key, field in section.model_fields.items():
        if key == "kind":
            described.add(f"{name}.kind")
            continue
        full = f"{name}.{key}"
        if full not in MEANING:
            raise ValueError(f"docsite/plan_files.py does not say what {full} means")
        described.add(full)
        default = "required" if field.is_required() else f"default {_toml(field.default)}"
        parts.append(f"`{key}` *{_type(field)}, {default}*\n:   {MEANING[full]}\n")
    return parts


def _type(field: Any) -> str:
    """Return a field's type in TOML's words, with its bounds."""
    return _named(field.annotation, field.metadata)


def _named(annotation: Any, metadata: Any = ()) -> str:
    if hasattr(annotation, "__metadata__"):  # Annotated[...]: bounds inside
        inner = annotation.__metadata__
        more = [m for meta in inner for m in getattr(meta, "metadata", [meta])]
        return _named(annotation.__origin__, more)
    if get_origin(annotation) is Literal:
        return " or ".join(f'`"{value}"`' for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of " + _named(get_args(annotation)[0]).replace("number", "numbers")
    options = [a for a in get_args(annotation) if a is not type(None)]
    if options:
        return " or ".join(_named(option, metadata) for option in options)
    words = {int: "whole number", float: "number", str: "text"}[annotation]
    bounds = [
        f"{sign}{getattr(item, bound):g}"
        for item in metadata
        for bound, sign in BOUNDS.items()
        if getattr(item, bound, None) is not None
    ]
    return " ".join([words, *bounds])


def _toml(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"
