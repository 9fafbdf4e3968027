"""The models of report.json, schema version 1, in the order of its keys.

They check what is written and what is read. The shipped report.schema.json is `json_schema()`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
)

SCHEMA_VERSION = "1"
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Interval = tuple[float | None, float | None]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class InputSet(_Model):
    """Where one set of samples came from; `path` is relative to the report, null for an array."""

    path: str | None
    sha256: str
    rows: Count
    dimension: Count
    dtype: str


class Inputs(_Model):
    """The three sets; `heldout` is null when there was none."""

    train: InputSet
    heldout: InputSet | None
    generated: InputSet


class Test(_Model):
    """One statistic of the family."""

    name: str
    statistic: float | None
    p_value: Share
    p_adjusted: Share


class DeltaCurve(_Model):
    """One form of the relative distance over bandwidths."""

    bandwidths: tuple[float, ...]
    values: tuple[float | None, ...]
    intervals: tuple[Interval, ...]


class Delta(_Model):
    """The relative distance; negative is memorization."""

    kl: DeltaCurve
    l2: DeltaCurve


class CopiedPair(_Model):
    """A training row and its nearest generated row; names are null when examples are left out."""

    train_index: Count
    generated_index: Count
    distance: float
    q_value: float
    train_name: str | None
    generated_name: str | None


class Copies(_Model):
    """The memorized training points."""

    memorized_lower_bound: Count
    fdr: float
    flagged_train: tuple[Count, ...]
    pairs: tuple[CopiedPair, ...]
    share_of_generated: Share
    share_interval: Interval
    minimum_list_length: Count
    reproduced_train: Count
    reproduced_heldout: Count
    reproduction_p_value: Share


class TruePositiveRates(_Model):
    """True-positive rates at two false-positive rates; null with too few held-out points."""

    one_percent: Share | None = Field(alias="0.01")
    one_per_mille: Share | None = Field(alias="0.001")


class Membership(_Model):
    """The attack "close to a generated sample means trained on"."""

    auc: Share
    auc_interval: Interval
    tpr_at_fpr: TruePositiveRates
    epsilon_lower_bound: float | None


class ControlTest(_Model):
    """A control that ought not to alarm."""

    p_value: Share
    passed: bool


class Duplicates(_Model):
    """Rows in both train and held-out, as (train index, held-out index)."""

    count: Count
    pairs: tuple[tuple[Count, Count], ...]


class Planted(_Model):
    """Power against planted copies: rows follow `noise`, columns `training_share`."""

    noise: tuple[float, ...]
    training_share: tuple[float, ...]
    generated_share: tuple[float, ...]
    power: tuple[tuple[Share | None, ...], ...]
    minimum_detectable_share: tuple[Share | None, ...]


class Comparability(_Model):
    """Are the generated samples on the data's scale?"""

    distance_ratio: float | None
    limit: float
    passed: bool
    cause: str | None


class Independence(_Model):
    """Does the model reproduce held-out rows more often than training rows do?"""

    generated_share: Share
    train_share: Share
    p_value: Share
    passed: bool


class Controls(_Model):
    """Everything that has to hold before a verdict is believed."""

    role_swap: ControlTest
    exchangeability: ControlTest
    duplicates: Duplicates
    planted: Planted
    minimum_detectable_rate: Share | None
    comparability: Comparability
    independence: Independence


class Metric(_Model):
    """A descriptive figure; a bound that does not exist is null."""

    value: float | None
    interval: Interval | None
    goal: Literal["minimize", "maximize", "zero", "none"]
    minimum: float | None
    maximum: float | None


class Recall(_Model):
    """Which share of the true nearest rows was found, on a random sample of `rows` rows."""

    rows: Count
    at_1: Share
    at_1_interval: Interval
    at_k: Share
    at_k_interval: Interval


class Approximation(_Model):
    """What the first stage of an approximate audit read, and what it found.

    `read_by_…` are shares of the real rows; figures named in `sampled` were computed exactly, on a
    sample of rows.
    """

    lists: Count
    read_by_generated: Share
    read_by_real: Share
    forward: Recall
    backward: Recall
    among_real: Recall
    sampled: tuple[str, ...]
    withheld: tuple[str, ...]


class Parameters(BaseModel):
    """What the audit was run with; further keys are allowed."""

    model_config = ConfigDict(extra="allow", frozen=True)

    features: str = "raw"


class Report(_Model):
    """All of report.json."""

    schema_version: Literal["1"]
    byheart_version: str
    created: str
    seed: Count
    level: float
    fdr: float
    tolerance: float
    resolution: float
    permutations: Count
    verdict: Literal["memorizes", "generalizes", "inconclusive"]
    kind: Literal["copies", "traces"] | None
    reason: str
    p_value: Share | None
    inputs: Inputs
    tests: tuple[Test, ...]
    delta: Delta | None
    copies: Copies | None
    membership: Membership | None
    controls: Controls | None
    metrics: dict[str, Metric]
    parameters: Parameters
    environment: dict[str, JsonValue]
    warnings: tuple[str, ...]
    approximation: Approximation | None = None  # left out when all neighbours are exact

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        if plain["approximation"] is None:
            del plain["approximation"]
        return plain


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of report.json; the shipped file is equal to it."""
    schema = Report.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "byheart report, schema version 1",
    }


if __name__ == "__main__":  # python -m byheart.report.schema renews the shipped file
    import json

    SCHEMA_FILE.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
