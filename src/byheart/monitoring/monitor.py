"""Memorization watched while a model trains; no training framework is known or needed.

Between checkpoints a cheap look (`baseline`): the audit's family of statistics, membership,
Delta, a lower bound on memorized points, and the energy distance to the held-out rows (`quality`).
At a checkpoint the full audit. The figures of the theory of training time (Bonnaire et al. 2025):

    tau_gen   the step at which held-out quality stops improving,
    tau_mem   the first step with copies (`copies_from`),

and before copies appear, samples lean towards training rows (`traces_from`).

Many looks are many chances of a false alarm. All looks share one set of relabellings, each look's
statistics are pooled by weighted min-p, and the pooled values go through one sequential test:

    P(an alarm at any step, ever | the model owes nothing to its training rows) ≤ level,

whatever the dependence between steps, for any number of looks, and wherever training is stopped
(rule and proof: `sequential`). So `alarm` may be asked after every step. The samples must
not be steered otherwise by figures that see the labels: choosing a learning rate by them, say.

What holds jointly and what does not: `alarm`, `p_joint` and `traces_from` hold jointly. A step is
called one of copies only once the alarm is there, so a run that owes nothing to T has copies with
probability at most level; how many points are named, bounds and intervals hold at each step.
Checkpoints' audits have their own p-values, each of its step alone. The step that `best` names was
chosen with these held-out rows: audit it on others before release.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.auditing.groups import Grouping
from byheart.auditing.protocol import audit
from byheart.auditing.result import AuditResult
from byheart.auditing.sets import MINIMUM_ROWS
from byheart.auditing.settings import Settings, keywords
from byheart.errors import InputError, UsageError
from byheart.features.extractors import load_features
from byheart.monitoring.baseline import Baseline, Look
from byheart.monitoring.quality import Quality, turn
from byheart.monitoring.result import Checkpoint, MonitorResult, Observation
from byheart.monitoring.sequential import PLANNED_SHARE, SequentialTest
from byheart.monitoring.state import MonitorState
from byheart.samples import ArraySamples, Encoded, Samples, encode, encode_alone, joined, read

Sample = Callable[[int], Any] | Any


class MemorizationMonitor:
    """Watch any training loop for memorization.

    train, heldout: as for `byheart.audit`; heldout rows must never be trained on. every: a look at
    the first step at or beyond each multiple of it. samples: asked of `sample(count)`. looks:
    planned number of looks over the run; there may be more or fewer. permutations: relabellings;
    with permutations + 1 ≥ looks/(.8 level) the test can alarm at every single look. options: as
    for `byheart.audit`, also used in its audits, which have relabellings of their own.

    Raises InputError for unusable samples and UsageError for unusable arguments.
    Statistics: derived in `monitoring.sequential` and docs/explanation/statistics.md.

    >>> rng = np.random.default_rng(0)
    >>> train, heldout = rng.normal(size=(2, 100, 4))
    >>> monitor = MemorizationMonitor(train, heldout, every=10, samples=100, looks=10)
    >>> for step in range(1, 41):  # a model that knows the law first, then shrinks onto T
    ...     def sample(count):
    ...         fresh = rng.normal(size=(count, 4))
    ...         copy = train[rng.integers(100, size=count)] + 0.1 * fresh
    ...         return copy if step > 20 else fresh
    ...     observation = monitor.update(step, sample)
    >>> monitor.alarm, monitor.result().copies_from, monitor.result().best.step <= 20
    (True, 30, True)
    """

    @keywords
    def __init__(
        self,
        train: Any,
        heldout: Any,
        *,
        every: int = 500,
        samples: int = 1000,
        looks: int = 50,
        permutations: int = 1999,
        **options: Any,
    ) -> None:
        self._every = _check.integer(every, "every", 1)
        self._samples = _check.integer(samples, "samples", MINIMUM_ROWS)
        self._looks = _check.integer(looks, "looks", 1)
        self._permutations = _check.integer(permutations, "permutations", 99, 10**6)
        settings = Settings.of(options, "MemorizationMonitor")
        self._seed, self._level, self._fdr = settings.seed, settings.level, settings.fdr
        self._memory = settings.max_memory
        self._extractor = load_features(
            settings.features, device=settings.device, cache=settings.feature_cache
        )
        # Both are read more than once, an iterator is not.
        train = joined(train, "train", self._memory)
        heldout = joined(heldout, "heldout", self._memory)
        self._audit: Callable[[Any], AuditResult] = partial(audit, train, heldout, **options)
        self._read = partial(read, image_size=settings.image_size)
        self._train, self._heldout = self._read(train, "train"), self._read(heldout, "heldout")
        for real in (self._train, self._heldout):
            _require_rows(real)
        self._grouping = Grouping.of(settings.groups, self._train, self._heldout)
        self._ignore = (*settings.left_out, *self._grouping.columns)
        # Whether the two fit together should be known before training, not at the first look.
        encode(self._train, None, self._heldout, ignore=self._ignore)
        self._known: _Known | None = None  # until the first look
        self._test = SequentialTest(self._level, self._permutations + 1, self._looks)
        self._observations: list[Observation] = []
        self._qualities: list[Quality] = []
        self._checkpoints: list[Checkpoint] = []

    @property
    def alarm(self) -> bool:
        """Whether a trace of the training rows is significant, over all looks so far."""
        return self._test.p_value <= self._level

    def due(self, step: int) -> bool:
        """Return whether `update` would look at this step."""
        last = self._observations[-1].step if self._observations else 0
        return _check.integer(step, "step", 0) // self._every > last // self._every

    def update(self, step: int, sample: Sample) -> Observation | None:
        """Look at the samples of `step` if a look is due; call this at every step.

        sample: a function count -> samples, called only when due, or the samples: a numpy array,
        a torch tensor of any device, a data frame, an iterator of batches. Returns None when
        nothing was due.
        """
        return self.observe(step, sample) if self.due(step) else None

    def observe(self, step: int, sample: Sample) -> Observation:
        """Look at the samples of `step` now; an error leaves the monitor as it was.

        Raises UsageError for a step that is not beyond the last one, InputError for samples that
        do not fit the training rows; whatever `sample` raises passes through.
        """
        return self._observe(self._new(step), self._draw(sample))

    def checkpoint(self, step: int, sample: Sample, label: str | Path | None = None) -> Checkpoint:
        """Audit the samples of `step` in full, and count it as a look if it is a new step.

        label: what you call the checkpoint, such as its file. The audit takes the monitor's seed
        and level; errors are those of `observe` and of `byheart.audit`.
        """
        seen = self._observations[-1].step if self._observations else -1
        step = seen if step == seen else self._new(step)
        made = joined(sample(self._samples) if callable(sample) else sample, "generated")
        outcome = self._audit(made)
        if step > seen:
            self._observe(step, self._read(made, "generated"))
        done = Checkpoint(
            step,
            None if label is None else str(label),
            outcome.verdict,
            outcome.kind,
            outcome.reason,
            outcome.p_value,
            outcome,
        )
        self._checkpoints.append(done)
        return done

    def result(self) -> MonitorResult:
        """Return what was seen so far; the monitor goes on unchanged."""
        steps = [o.step for o in self._observations]
        counts = {o.samples for o in self._observations}
        warnings: list[str] = []
        wait = math.ceil(self._looks / (PLANNED_SHARE * self._level * (self._permutations + 1)))
        if wait > 1:
            warnings.append(
                f"with {self._permutations:,} relabellings for {self._looks:,} looks an alarm may "
                f"come up to {wait - 1:,} looks late; pass permutations="
                f"{math.ceil(self._looks / (PLANNED_SHARE * self._level)) - 1} or more"
            )
        if len(counts) > 1:
            warnings.append(
                f"the number of samples changed between {min(counts):,} and {max(counts):,}: "
                "quality and AUC are not comparable between such steps; p-values are"
            )
        points = self._train.rows, self._heldout.rows
        if self._known is not None:
            baseline = self._known.baseline
            points = baseline.points
            warnings += self._known.encoded.warnings
            if not baseline.exchangeable.passed:
                warnings.append(
                    "training and held-out rows differ from each other (p = "
                    f"{baseline.exchangeable.p_value:.3g}), so an alarm proves nothing: split the "
                    "data at random, keep rows that belong together in one set (groups)"
                )
            if baseline.duplicates:
                warnings.append(
                    f"{baseline.duplicates:,} held-out rows are equal to a training row; they are "
                    "kept, but a copy of them shows nothing"
                )
        return MonitorResult(
            self._level,
            *points,
            tuple(self._observations),
            tuple(self._checkpoints),
            turn(steps, self._qualities, self._level),
            tuple(warnings),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed run needs, as plain JSON values, to save with the weights."""
        return MonitorState(
            self._test.looks,
            self._test.crossed,
            self._observations,
            self._qualities,
            self._checkpoints,
        ).to_dict(self._settings())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`, of a monitor with the same rows and settings.

        Raises UsageError for a state of other rows or settings, naming them, and for anything else
        that is no state; the monitor is then as it was.
        """
        loaded = MonitorState.from_dict(state, self._settings(), self._test.crossed.shape)
        self._test.looks, self._test.crossed = loaded.looks, loaded.crossed
        self._observations, self._qualities = loaded.observations, loaded.qualities
        self._checkpoints = loaded.checkpoints

    def _settings(self) -> dict[str, Any]:
        return {
            "train": self._train.sha256,
            "heldout": self._heldout.sha256,
            "seed": self._seed,
            "level": self._level,
            "looks": self._looks,
            "permutations": self._permutations,
            "fdr": self._fdr,
            "features": self._extractor.name,
            "groups": self._grouping.name,
            "ignore": list(self._ignore),
        }

    def _new(self, step: int) -> int:
        step = _check.integer(step, "step", 0)
        last = self._observations[-1].step if self._observations else -1
        if step <= last:
            raise UsageError(
                f"step {step} is not beyond step {last}, the last one observed; steps must grow. "
                "To go back to a checkpoint of the training, load_state_dict its monitor's state"
            )
        return step

    def _draw(self, sample: Sample) -> Samples:
        return self._read(sample(self._samples) if callable(sample) else sample, "generated")

    def _observe(self, step: int, generated: Samples) -> Observation:
        _require_rows(generated)
        baseline, rows = self._measured(generated)
        look = baseline.look(rows)
        # Nothing has changed up to here, whatever was raised; from here on nothing raises.
        p_joint = self._test.look(look.columns)
        made = self._observation(step, len(rows), look, p_joint)
        self._observations.append(made)
        self._qualities.append(look.quality)
        return made

    def _measured(self, generated: Samples) -> tuple[Baseline, NDArray[np.floating]]:
        """Return the baseline and the features of the generated rows, comparable with its rows."""
        known, stored = self._known, None
        if isinstance(generated, ArraySamples):
            stored = (generated.values.dtype.str, generated.values.shape[1:])
        if known is not None and stored is not None and stored == known.stored:
            rows, _ = encode_alone(generated)
            rows = rows.astype(known.encoded.train.dtype, copy=False)
            alone = replace(known.encoded, train=rows, heldout=None, generated=rows)
            return known.baseline, self._extractor.apply(alone).generated[:]
        # The first look, samples stored otherwise than before, or a table, whose columns are
        # encoded together. Only if the real rows come out differently are they measured again.
        encoded = encode(self._train, self._heldout, generated, ignore=self._ignore)
        vectors = self._extractor.apply(encoded)
        if known is not None and known.holds(encoded):
            baseline = known.baseline
        else:
            baseline = Baseline.measure(
                vectors.train[:],
                vectors.train[:0] if vectors.heldout is None else vectors.heldout[:],
                self._grouping,
                seed=self._seed,
                level=self._level,
                fdr=self._fdr,
                permutations=self._permutations,
                max_memory=self._memory,
            )
        self._known = _Known(stored, encoded, baseline)
        return baseline, vectors.generated[:]

    def _observation(self, step: int, samples: int, look: Look, p_joint: float) -> Observation:
        traces, bound = p_joint <= self._level, look.memorized_lower_bound
        return Observation(
            step=step,
            samples=samples,
            p_value=float(np.mean(look.columns <= look.columns[0])),
            p_joint=p_joint,
            traces=traces,
            copies=traces and bound >= 1 and look.copies,
            auc=look.auc,
            auc_interval=look.auc_interval,
            delta_kl=look.delta_kl,
            delta_interval=look.delta_interval,
            memorized_lower_bound=bound,
            memorized_share=bound / look.train_points,
            named=look.named,
            reproduced_train=look.reproduced_train,
            reproduced_heldout=look.reproduced_heldout,
            quality=look.quality.value,
            quality_interval=look.quality.interval(self._level),
        )


@dataclass(frozen=True)
class _Known:
    """The baseline, and how the samples were stored with which the real rows were encoded."""

    stored: tuple[str, tuple[int, ...]] | None
    encoded: Encoded
    baseline: Baseline

    def holds(self, encoded: Encoded) -> bool:
        """Return whether these real rows are those of the baseline."""
        mine, other = self.encoded, encoded
        return (
            mine.train.dtype == other.train.dtype
            and mine.heldout is not None
            and other.heldout is not None
            and np.array_equal(mine.train, other.train)
            and np.array_equal(mine.heldout, other.heldout)
        )


def _require_rows(samples: Samples) -> None:
    if samples.rows < MINIMUM_ROWS:
        raise InputError(
            f"{samples.where}: {samples.rows} rows; a monitor needs at least {MINIMUM_ROWS} in "
            "each set, some hundreds to find anything"
        )
