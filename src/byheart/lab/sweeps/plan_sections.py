"""The sections [data] and [model] of a plan: one class for each kind."""

from __future__ import annotations

import shlex
import string
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Number = int | Annotated[float, Field(allow_inf_nan=False)]

PLACEHOLDERS = ("train", "generated", "count", "m", "seed", "n", "python")


class Section(BaseModel):
    """A table of a plan: unknown keys and wrong types are errors, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GaussianData(Section):
    """Points of N(mean, std² I), drawn anew for every trial."""

    kind: Literal["gaussian"]
    dimension: Count
    mean: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    std: Positive = 1.0


class DigitsData(Section):
    """scikit-learn's 1,797 digits, 8 x 8 pixels in [0, 1], split at random for every trial."""

    kind: Literal["digits"]


class FileData(Section):
    """Samples in any format of an audit, split at random for every trial."""

    kind: Literal["file"]
    path: str


class LinearModel(Section):
    """The solvable model of arXiv 2411.17807: linear denoisers, T, lambda, one step or several."""

    kind: Literal["linear"]
    time: Positive = 2.0
    noise_scale: Positive = 1.0
    steps: Count = 1


class LinearMultiStepModel(Section):
    """The linear denoiser with infinitely many noise draws: N(xbar, Sigma_hat + c I)."""

    kind: Literal["linear-multi-step"]
    noise_floor: Positive


class EmpiricalModel(Section):
    """The exact posterior mean of the training set: memorizes."""

    kind: Literal["empirical"]
    steps: Count = 24


class KernelSmoothedModel(Section):
    """The exact posterior mean of the training set smoothed by a kernel of this bandwidth."""

    kind: Literal["kernel-smoothed"]
    bandwidth: Positive
    steps: Count = 24


class TikhonovModel(Section):
    """The training set's score with a variance `constant` added to its denominator.

    In squared units of the data, not relative to anything. Samples lie about
    sqrt(constant · dimension) from training points.
    """

    kind: Literal["tikhonov"]
    constant: Positive
    steps: Count = 48


class EmpiricalBayesModel(Section):
    """The training set's score with its sum of kernels bounded below by exp(log_threshold).

    Without a unit. Samples pass from copies to noise where it is about -dimension/2.
    """

    kind: Literal["empirical-bayes"]
    log_threshold: Annotated[float, Field(allow_inf_nan=False)]
    steps: Count = 48


class _Trained(Section):
    """Training of a network: its length in epochs or in gradient steps, and DDPM's chain.

    steps: of the chain, in training and in sampling. shift, scale: what standardises the data, by
    default the mean and the deviation of the training set's entries.
    """

    epochs: Count | None = None
    training_steps: Count | None = None
    batch_size: Count = 128
    learning_rate: Positive = 2e-4
    steps: Annotated[int, Field(ge=2)] = 200
    shift: Annotated[float, Field(allow_inf_nan=False)] | None = None
    scale: Positive | None = None
    device: str = "cpu"

    @model_validator(mode="after")
    def _length(self) -> Self:
        if (self.epochs is None) == (self.training_steps is None):
            raise ValueError("needs one of epochs and training_steps, the length of the training")
        return self


class MLPModel(_Trained):
    """A residual multilayer perceptron, trained on each training set; needs the extra `neural`."""

    kind: Literal["mlp"]
    width: Count = 256
    depth: Count = 3


class UNetModel(_Trained):
    """diffusers' UNet2DModel, trained on each training set; needs the extra `neural`."""

    kind: Literal["unet"]
    channels: tuple[Count, ...] = Field(default=(64, 128, 256), strict=False, min_length=1)


class CommandModel(Section):
    """Your own training command, run once for every trial in a folder of its own.

    The words of `command` may hold {train}, {generated}, {count} (or {m}), {seed}, {n} and
    {python}, the interpreter that runs byheart. A word that names a file beside the plan is given
    as its full path. `suffix`: the format of {train} and {generated}. `timeout`: seconds.
    """

    kind: Literal["command"]
    command: str
    timeout: Positive = 3600.0
    suffix: Literal[".npy", ".csv", ".parquet"] = ".npy"

    @field_validator("command")
    @classmethod
    def _splits(cls, command: str) -> str:
        try:
            words = shlex.split(command)
            fields = [field for word in words for _, field, _, _ in string.Formatter().parse(word)]
        except ValueError as error:
            raise ValueError(f"cannot be split into words ({error})") from None
        named = [field for field in fields if field is not None]
        for field in named:
            if field not in PLACEHOLDERS:
                raise ValueError(
                    f"{{{field}}} is not filled in; choose from "
                    + ", ".join(f"{{{p}}}" for p in PLACEHOLDERS)
                    + ", and write {{ for a brace"
                )
        for needed in ("train", "generated"):
            if needed not in named:
                raise ValueError(f"must hold {{{needed}}}")
        return command


Data = Annotated[GaussianData | DigitsData | FileData, Field(discriminator="kind")]
Model = Annotated[
    LinearModel
    | LinearMultiStepModel
    | EmpiricalModel
    | KernelSmoothedModel
    | TikhonovModel
    | EmpiricalBayesModel
    | MLPModel
    | UNetModel
    | CommandModel,
    Field(discriminator="kind"),
]
