"""The parameter that a plan sweeps at one n, and which of its directions regularises.

Only parameters whose effect on memorization has a known direction can be swept: "first value at
which the verdict is `generalizes`" needs an order from weak to strong regularisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from byheart.errors import UsageError


@dataclass(frozen=True)
class Parameter:
    """name: its key in [model]. stronger: which values regularise more. unit: "" for a count."""

    name: str
    stronger: Literal["higher", "lower"]
    unit: str = ""

    @property
    def axis(self) -> str:
        """The parameter with its unit, as an axis is titled."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


_VARIANCE = "variance, squared units of the data"
_TRAINING = (Parameter("training_steps", "lower"), Parameter("epochs", "lower"))
SWEEPABLE: dict[str, tuple[Parameter, ...]] = {  # kind of model -> what can be swept
    "linear-multi-step": (Parameter("noise_floor", "higher", _VARIANCE),),
    "kernel-smoothed": (Parameter("bandwidth", "higher", "deviation, units of the data"),),
    "tikhonov": (Parameter("constant", "higher", _VARIANCE),),
    "empirical-bayes": (Parameter("log_threshold", "higher", "no unit"),),
    "mlp": (*_TRAINING, Parameter("width", "lower"), Parameter("depth", "lower")),
    "unet": _TRAINING,
}


def parameter_of(kind: str, name: str) -> Parameter:
    """Return the parameter `name` of a kind of model; UsageError when it cannot be swept.

    >>> parameter_of("tikhonov", "constant").stronger
    'higher'
    """
    known = {parameter.name: parameter for parameter in SWEEPABLE.get(kind, ())}
    if name not in known:
        advice = f"choose from {', '.join(known)}" if known else "sweep n instead"
        raise UsageError(
            f'sweep.parameter = "{name}" cannot be swept for model.kind = "{kind}"; {advice}'
        )
    return known[name]


def filled(content: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return the sections of a plan with the first value of its parameter in [model].

    A plan without a parameter, or with sections of the wrong form, comes back as it is. Raises
    UsageError for a parameter that cannot be swept or that [model] sets too.
    """
    sweep, model = content.get("sweep"), content.get("model")
    if not (isinstance(sweep, Mapping) and isinstance(model, Mapping)):
        return content
    name, values, kind = sweep.get("parameter"), sweep.get("values"), model.get("kind")
    if not (isinstance(name, str) and isinstance(values, list | tuple) and isinstance(kind, str)):
        return content
    if name in model:
        raise UsageError(
            f"{where}: model.{name} is what sweep.parameter sweeps; leave it out of [model]"
        )
    if not values or kind not in SWEEPABLE:
        return content
    try:
        parameter_of(kind, name)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    return {**content, "model": {**model, name: values[0]}}
