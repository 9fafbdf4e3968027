"""What an audit returns: small frozen records, in the order in which the report tells them.

Units: every distance is in the units of the (encoded) features; every share and rate is a
fraction; indices are row numbers of the input sets, counted from 0, in the order given by the user.
`None` stands where there is no value, and a warning says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from byheart import pages
from byheart.auditing.settings import AT_THE_TOP, options
from byheart.errors import UsageError
from byheart.intervals import Interval
from byheart.numbers import Count, Maximum, Minimum, Number, Share

Verdict = Literal["memorizes", "generalizes", "inconclusive"]
Kind = Literal["copies", "traces"]


@dataclass(frozen=True)
class InputSet:
    """Where one set of samples came from."""

    path: str | None  # as the user gave it, in a report relative to it; None for an array
    sha256: str
    rows: Count
    dimension: Count  # columns after encoding
    dtype: str  # of the stored values


@dataclass(frozen=True)
class Test:
    """One statistic of the family: observed value, its own p-value, and the family-adjusted one."""

    __test__ = False  # not a pytest class

    name: str
    statistic: Number
    p_value: Share
    p_adjusted: Share


@dataclass(frozen=True)
class DeltaCurve:
    """A relative distance over bandwidths, with bootstrap intervals; negative is memorization."""

    bandwidths: tuple[float, ...]
    values: tuple[Number, ...]
    intervals: tuple[Interval, ...]
    null: tuple[Interval, ...] = ()  # where 1 - level of the random relabellings keep it; or none


@dataclass(frozen=True)
class Delta:
    """The relative distance in both forms, train against held-out at equal bandwidth.

    `kl` is in nats; `l2` is divided by the pooled overlap and so lies in about [-4, 4].
    """

    kl: DeltaCurve
    l2: DeltaCurve


@dataclass(frozen=True)
class CopiedPair:
    """A training row and the generated row nearest to it."""

    train_index: Count
    generated_index: Count
    distance: float
    q_value: float
    train_name: str | None  # the file's name, or "row 17"; None in a report that withholds names
    generated_name: str | None


@dataclass(frozen=True)
class CopyingRow:
    """A generated row, and the training row that it copies."""

    generated_index: Count
    generated_name: (
        str | None
    )  # the file's name, the ID, or "row 17"; None where names are withheld
    train_index: Count
    train_name: str | None
    distance: float
    verbatim: bool  # the two are equal
    times_reproduced: Count  # generated rows that copy this training row
    q_value: float | None  # of the training point; None without a held-out set


@dataclass(frozen=True)
class TrainingRow:
    """A training row that comes back, or that stands in the training set more than once."""

    train_index: Count
    train_name: str | None
    times_reproduced: Count  # generated rows that copy it
    distance: float  # to the nearest generated row
    named: bool  # on the list that the false discovery rate holds for
    cluster: Count | None  # number of its duplicates and near duplicates in the training set
    twin_distance: float | None  # to the nearest row of the cluster


@dataclass(frozen=True)
class Untested:
    """What can be listed without a held-out set; none of it is evidence of memorization."""

    rows: tuple[CopyingRow, ...]  # generated rows equal to a training row
    closest: tuple[CopyingRow, ...]  # the closest pairs, one for each generated row, at most 100
    training_rows: tuple[TrainingRow, ...]  # most often reproduced first


@dataclass(frozen=True)
class Copies:
    """The memorized training points: how many at least, and which.

    A point comes back if it is named (`flagged_train`), verbatim, or reproduced beyond chance; it
    is in `pairs` then. The lower bound counts all that left a trace.
    """

    memorized_lower_bound: Count | None  # with confidence 1 - level; None where it is withheld
    fdr: float
    flagged_train: tuple[Count, ...]
    pairs: tuple[CopiedPair, ...]  # closest first; with q_value > fdr: reproduced, not named
    share_of_generated: Share  # of generated rows that copy a training row: len(rows) of them
    share_interval: Interval
    minimum_list_length: Count  # a shorter list cannot come out at this fdr and these sizes
    reproduced_train: Count  # rows with a generated row three times nearer than any other real row
    reproduced_heldout: Count  # the same for held-out rows: what chance alone does ("phantoms")
    reproduction_p_value: Share  # that G reproduces T no more often than T reproduces itself
    rows: tuple[CopyingRow, ...] = ()  # every generated row that copies a training row
    training_rows: tuple[TrainingRow, ...] = ()  # most often reproduced first
    withheld: str | None = None  # why bound, list and epsilon are not given


@dataclass(frozen=True)
class Repeated:
    """The real row that comes back most often; the training row where it stands in both sets."""

    role: Literal["train", "heldout"]
    index: Count
    times: Count  # generated rows equal to it


@dataclass(frozen=True)
class Verbatim:
    """Real rows that stand in the generated set, equal in every value.

    Rows count each row of a set; values count equal rows once. What is about a held-out set is
    None where there is none.
    """

    train_rows: Count
    train_values: Count
    heldout_rows: Count | None
    heldout_values: Count | None
    shared_values: Count | None  # of those, values that stand in both sets: no evidence
    generated_of_train: Count  # generated rows equal to a training row
    generated_of_heldout: Count | None
    most_repeated: Repeated | None
    generated_rows: Count
    distinct_generated: Count
    effective_generated: float  # inverse Simpson, in [1, generated_rows]
    real_distinct: bool  # whether no two real rows are equal
    p_value: Share | None  # hypergeometric, of as many marked points in T
    pairs: tuple[tuple[Count, Count], ...]  # (generated row, first equal training row)

    @property
    def evident(self) -> bool:
        """Whether training rows come back verbatim by more than an accident of discrete data.

        Either no two real rows are equal, so that chance repeats none, or too many verbatim rows
        lie in T (p ≤ .01).
        """
        return self._beyond(0.01)

    @property
    def suspicious(self) -> bool:
        """The same at p ≤ .2: too much for a model to be cleared."""
        return self._beyond(0.2)

    def _beyond(self, level: float) -> bool:
        unlikely = self.p_value is not None and self.p_value <= level
        return self.train_rows > 0 and (self.real_distinct or unlikely)


@dataclass(frozen=True)
class Membership:
    """The attack "close to a generated sample means trained on"."""

    auc: Share
    auc_interval: Interval
    tpr_at_fpr: Mapping[str, Share | None]  # keys "0.01" and "0.001"; None: too few held-out rows
    epsilon_lower_bound: float | None


@dataclass(frozen=True)
class Sensitivity:
    """How far from random the split may have been, as odds ratios of membership.

    largest_odds: the largest one, Γ, under which the training rows are still too suspicious to owe
    it to the split (exact for independent rows); None: this test, weaker than the family, does not
    reject even a random split. residual_odds: where T and H were seen to differ, the same beyond
    what a classifier of T against H explains, an estimate; None elsewhere.
    """

    largest_odds: float | None
    residual_odds: float | None


@dataclass(frozen=True)
class Trace:
    """The size of a trace beside what ordinary fitting leaves; descriptive.

    ordinary: smallest and largest membership area when a smooth law is fitted to as many real rows
    drawn at random and sampled as often; None where it cannot be fitted (d ≥ n).
    """

    auc: Share
    ordinary: Interval | None
    fit: str  # the smooth law
    repeats: Count


@dataclass(frozen=True)
class ControlTest:
    """A control that ought not to alarm."""

    p_value: Share
    passed: bool


@dataclass(frozen=True)
class Exchangeability:
    """Do T and H look like one random split?"""

    p_value: Share
    passed: bool
    parts: Mapping[str, Share] = field(default_factory=dict)  # p-value of each statistic alone
    order_p_value: Share | None = None  # rows that follow each other are alike; where T, H differ


@dataclass(frozen=True)
class Duplicates:
    """Rows that stand in both train and held-out: (train index, held-out index)."""

    count: Count
    pairs: tuple[tuple[Count, Count], ...]  # the first hundred


@dataclass(frozen=True)
class Comparability:
    """Are the generated samples on the data's scale?"""

    distance_ratio: (
        Number  # median: generated row to nearest real one, over two real ones at random
    )
    limit: float
    passed: bool
    cause: str | None  # the re-encoding that would bring the generated samples to the data


@dataclass(frozen=True)
class Independence:
    """Does the model reproduce held-out rows more often than training rows do?"""

    generated_share: Share  # of generated rows that reproduce a held-out row
    train_share: Share  # of training rows that reproduce a held-out row
    p_value: Share
    passed: bool


@dataclass(frozen=True)
class Planted:
    """Power against planted copies: rows of `power` follow `noise`, columns `training_share`."""

    noise: tuple[float, ...]  # in units of the median distance between nearest real rows
    training_share: tuple[float, ...]
    generated_share: tuple[float, ...]
    power: tuple[tuple[Share | None, ...], ...]  # None where the bisection did not go
    minimum_detectable_share: tuple[Share | None, ...]


@dataclass(frozen=True)
class Controls:
    """Everything that has to hold before a verdict is believed."""

    role_swap: ControlTest
    exchangeability: Exchangeability
    duplicates: Duplicates
    planted: Planted
    minimum_detectable_rate: Share | None  # at the gate's noise
    comparability: Comparability
    independence: Independence


@dataclass(frozen=True)
class Metric:
    """A descriptive figure; a bound that does not exist is infinite, null in JSON."""

    value: Number
    interval: Interval | None
    goal: Literal["minimize", "maximize", "zero", "none"]
    minimum: Minimum
    maximum: Maximum


@dataclass(frozen=True)
class Recall:
    """Which share of the true nearest rows a search found, on a random sample of rows.

    A row found at the distance of a true one counts as found.
    """

    rows: Count  # searched again among all rows
    at_1: Share  # of the nearest row
    at_1_interval: Interval
    at_k: Share  # of the k nearest rows
    at_k_interval: Interval


@dataclass(frozen=True)
class Approximation:
    """What the first stage of an approximate audit read, and what it found."""

    lists: Count  # into which the real rows were sorted
    read_by_generated: Share  # share of the real rows that a generated row was compared with
    read_by_real: Share  # the same of a real row
    forward: Recall  # of the real rows nearest to a generated one
    backward: Recall  # of the generated row nearest to a real one; k = 1
    among_real: Recall  # of the real rows nearest to a real one
    sampled: tuple[str, ...]  # figures measured exactly, on the sample
    withheld: tuple[str, ...]  # metrics that would need all rows


@dataclass(frozen=True)
class Match:
    """Two rows to be shown side by side; `real` is a training or a held-out row."""

    real: NDArray[Any]  # shaped like one sample
    generated: NDArray[Any]
    real_name: str
    generated_name: str
    distance: float
    q_value: float | None  # None for held-out rows


@dataclass(frozen=True)
class Evidence:
    """What the charts and the gallery are drawn from; none of it is in report.json."""

    sample_kind: Literal["images", "table", "vectors"]
    columns: tuple[str, ...]  # of a table, else empty
    value_range: Interval  # smallest and largest training value, for grey levels
    train_matches: tuple[Match, ...]  # closest first, at most 24
    heldout_matches: tuple[Match, ...]  # the phantoms, closest first, at most 24
    train_distances: NDArray[np.float64]  # quantiles of s over train, at most 512 values, sorted
    heldout_distances: NDArray[np.float64]
    membership_curve: NDArray[np.float64]  # (points, 2): false-positive rate, true-positive rate


@dataclass(frozen=True)
class AuditResult:
    """The outcome of one audit.

    Example:
    >>> import numpy as np
    >>> import byheart
    >>> rng = np.random.default_rng(0)
    >>> data = rng.normal(size=(400, 8))
    >>> result = byheart.audit(data[:200], data[200:], data[:200] + 0.01, seed=1)
    >>> result.verdict, result.kind
    ('memorizes', 'copies')
    >>> result.to_rows()[0]["auc"] > 0.9, len(result.to_rows("copies"))
    (True, 200)
    """

    seed: Count
    level: float
    fdr: float
    tolerance: float
    resolution: float
    permutations: Count
    verdict: Verdict
    kind: Kind | None
    reason: str
    p_value: Share | None
    inputs: Mapping[str, InputSet | None]  # keys train, heldout, generated
    tests: tuple[Test, ...]
    delta: Delta | None
    copies: Copies | None
    membership: Membership | None
    controls: Controls | None
    metrics: Mapping[str, Metric]
    parameters: Mapping[str, Any]
    environment: Mapping[str, Any]
    warnings: tuple[str, ...]
    evidence: Evidence | None = field(default=None, repr=False, compare=False)
    verbatim: Verbatim | None = None
    sensitivity: Sensitivity | None = None
    trace: Trace | None = None  # of a verdict of the kind `traces`
    approximation: Approximation | None = None  # None: all neighbours are exact
    untested: Untested | None = None  # None: there is a held-out set, and copies has the lists

    @property
    def copying_rows(self) -> tuple[CopyingRow, ...]:
        """Every generated row that copies a training row; without a held-out set, equal ones."""
        lists = self.copies or self.untested
        return () if lists is None else lists.rows

    @property
    def training_rows(self) -> tuple[TrainingRow, ...]:
        """The training rows that come back or have a twin, most often reproduced first."""
        lists = self.copies or self.untested
        return () if lists is None else lists.training_rows

    def options(self) -> dict[str, Any]:
        """Return the options of the audit that a report records, by name."""
        top = {name: getattr(self, name) for name in AT_THE_TOP}
        return top | {n: self.parameters[n] for n in options() if n in self.parameters}

    def outcomes(self) -> set[str]:
        """Return the words that `--fail-on` knows and that hold.

        Verdict and kind, "verbatim", and "unverified" where there was no held-out set.
        """
        found: set[str] = {self.verdict, *([self.kind] if self.kind else [])}
        if self.inputs["heldout"] is None:
            found.add("unverified")
        return found | ({"verbatim"} if self.verbatim and self.verbatim.suspicious else set())

    def to_rows(
        self, table: Literal["audit", "tests", "copies", "copying", "training"] = "audit"
    ) -> list[dict[str, Any]]:
        """Return flat dicts, as the data frames of pandas and polars take them.

        table: "audit", one row of everything that is one number, None where there is no value;
        "tests", a row for each statistic; "copies", a row for each copied training point, closest
        first; "copying", a row for each generated row that copies one; "training", a row for each
        training row that comes back or has a twin. Raises UsageError for another table.
        """
        if table == "audit":
            return [self._row()]
        if table == "tests":
            return [asdict(test) for test in self.tests]
        if table == "copies":
            return [] if self.copies is None else [asdict(pair) for pair in self.copies.pairs]
        if table == "copying":
            return [asdict(row) for row in self.copying_rows]
        if table == "training":
            return [asdict(row) for row in self.training_rows]
        raise UsageError(
            f'table must be "audit", "tests", "copies", "copying" or "training", got {table!r}'
        )

    def _row(self) -> dict[str, Any]:
        copies, membership = self.copies, self.membership
        share = None if copies is None else copies.share_interval
        auc = None if membership is None else membership.auc_interval
        rates = {} if membership is None else membership.tpr_at_fpr
        return {
            "verdict": self.verdict,
            "kind": self.kind,
            "p_value": self.p_value,
            "seed": self.seed,
            "level": self.level,
            **{
                f"{role}_rows": None if given is None else given.rows
                for role, given in self.inputs.items()
            },
            "memorized_lower_bound": None if copies is None else copies.memorized_lower_bound,
            "flagged_train": None if copies is None else len(copies.flagged_train),
            "reproduced_train": None if copies is None else copies.reproduced_train,
            "reproduced_heldout": None if copies is None else copies.reproduced_heldout,
            "share_of_generated": None if copies is None else copies.share_of_generated,
            "share_of_generated_low": None if share is None else share[0],
            "share_of_generated_high": None if share is None else share[1],
            "auc": None if membership is None else membership.auc,
            "auc_low": None if auc is None else auc[0],
            "auc_high": None if auc is None else auc[1],
            "tpr_at_fpr_0.01": rates.get("0.01"),
            "tpr_at_fpr_0.001": rates.get("0.001"),
            "epsilon_lower_bound": None if membership is None else membership.epsilon_lower_bound,
            **{name: metric.value for name, metric in self.metrics.items()},
        }

    def to_json(self, path: str | Path) -> Path:
        """Write report.json to `path` and return it."""
        return Path(pages.call("AuditResult.to_json", self, path))

    def to_html(self, path: str | Path) -> Path:
        """Write the self-contained report page to `path` and return it."""
        return Path(pages.call("AuditResult.to_html", self, path))

    def plot(self) -> Any:
        """Return the chart of the distances to the nearest generated row, train and held-out.

        An altair chart, which notebooks show; UsageError without a held-out set.
        """
        return pages.call("AuditResult.plot", self)

    def __str__(self) -> str:
        """Return the summary that the command line prints."""
        return str(pages.call("AuditResult.__str__", self))

    def _repr_html_(self) -> str:
        return str(pages.call("AuditResult._repr_html_", self))
