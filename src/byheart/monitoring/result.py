"""What a monitor has seen: one record per observation, and what follows from all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from byheart.auditing.result import AuditResult
from byheart.intervals import Interval
from byheart.monitoring.quality import Turn


@dataclass(frozen=True)
class Observation:
    """One look at the samples of one step.

    Intervals and the bound hold for this step with probability 1 − level; `p_joint` holds for the
    whole run.
    """

    step: int
    samples: int
    p_value: float  # of this step alone: not to be compared with a level at many steps
    p_joint: float  # over all steps so far; never rises
    traces: bool  # p_joint is at most the level
    copies: bool  # traces, and points are named or reproduced beyond chance
    auc: float  # membership attack "close to a sample means trained on"; 1/2 is none
    auc_interval: Interval
    delta_kl: float  # nats, negative is memorization
    delta_interval: Interval
    memorized_lower_bound: int
    memorized_share: float  # the bound over the number of training points
    named: int  # training points on the list of controlled false discovery rate
    reproduced_train: int
    reproduced_heldout: int
    quality: float  # energy distance to the held-out rows, as a share of theirs; 0 is their law
    quality_interval: Interval

    def to_row(self) -> dict[str, Any]:
        """Return the figures as one flat dict; an interval becomes `…_low` and `…_high`."""
        row: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if name.endswith("_interval"):
                stem = name.removesuffix("_interval")
                row[f"{stem}_low"], row[f"{stem}_high"] = value
            else:
                row[name] = value
        return row


@dataclass(frozen=True)
class Checkpoint:
    """The full audit of one step; of a resumed run, only its outcome is kept."""

    step: int
    label: str | None  # what the user calls it, such as the file of the weights
    verdict: str
    kind: str | None
    reason: str
    p_value: float | None  # of this audit alone
    audit: AuditResult | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class MonitorResult:
    """The run so far.

    >>> MonitorResult(0.05, 100, 100, (), (), None, ()).advice
    'nothing was observed yet: call update(step, sample) in the training loop'
    """

    level: float
    train_points: int
    heldout_points: int
    observations: tuple[Observation, ...]  # by step
    checkpoints: tuple[Checkpoint, ...]
    tau_gen: Turn | None  # None: held-out quality has not stopped improving yet
    warnings: tuple[str, ...]

    @property
    def traces_from(self) -> int | None:
        """First step with a significant trace, with the error of all steps at most `level`."""
        return next((o.step for o in self.observations if o.traces), None)

    @property
    def copies_from(self) -> int | None:
        """First step with copies, tau_mem: named, or reproduced beyond chance, after a trace."""
        return next((o.step for o in self.observations if o.copies), None)

    @property
    def best(self) -> Observation | None:
        """The observation of the best quality before any trace or memorizing checkpoint."""
        ends = [c.step for c in self.checkpoints if c.verdict == "memorizes"]
        if self.traces_from is not None:
            ends.append(self.traces_from)
        clean = [o for o in self.observations if not ends or o.step < min(ends)]
        return min(clean, key=lambda o: o.quality, default=None)

    @property
    def advice(self) -> str:
        """One sentence: what to do now."""
        if not self.observations:
            return "nothing was observed yet: call update(step, sample) in the training loop"
        last, best = self.observations[-1], self.best
        if best is None:
            return (
                "the samples lean on training rows from the first observation on: no step is "
                "clean; train on more rows, regularise, or observe earlier steps"
            )
        memorizing = [c.step for c in self.checkpoints if c.verdict == "memorizes"]
        if self.traces_from is None and not memorizing:
            seen = f"no trace of the training rows in {len(self.observations)} observations"
            seen += f" (joint p = {last.p_joint:.2g})"
            if best.step == last.step:
                return f"{seen}, and held-out quality is the best so far: go on"
            if self.tau_gen is not None and self.tau_gen.fallen:
                return (
                    f"{seen}, but held-out quality has fallen since step {best.step}: keep that "
                    "checkpoint, audit it, and stop"
                )
            return f"{seen}; held-out quality was best at step {best.step}: keep that checkpoint"
        keep = (
            f"keep the checkpoint of step {best.step}, the best before, and audit it on rows that "
            "this monitor has not seen"
        )
        if self.traces_from is None:
            return f"the audit of step {min(memorizing)} says memorizes: stop, and {keep}"
        found = f"the samples lean on training rows from step {self.traces_from} on"
        if self.copies_from is not None:
            found += f" and copy them from step {self.copies_from} on"
        return f"{found}: stop, and {keep}"

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one flat dict per observation, as `pandas.DataFrame` takes them."""
        return [observation.to_row() for observation in self.observations]
