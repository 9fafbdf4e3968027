"""The steps of an audit once its rows are encoded.

Pool and shuffle T ∪ H, find neighbours once, evaluate the permutation family once, list the copies,
run the controls, decide. Every random choice has a stream of its own (`streams`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from byheart.auditing import (
    comparability,
    controls,
    copies,
    copying,
    drift,
    evidence,
    family,
    planted,
    sensitivity,
    trace,
    untested,
    verbatim,
    verdict,
)
from byheart.auditing.approximate import ApproximateSearch
from byheart.auditing.delta import delta
from byheart.auditing.drift import Drift
from byheart.auditing.groups import Grouping
from byheart.auditing.heap import give_back
from byheart.auditing.membership import membership
from byheart.auditing.memory import Budget
from byheart.auditing.pictures import picture_scores
from byheart.auditing.pool import Distances, Points, Pool
from byheart.auditing.result import AuditResult, Controls, ControlTest, Exchangeability
from byheart.auditing.search import ExactSearch, Search
from byheart.auditing.sets import Sets
from byheart.auditing.settings import Settings
from byheart.auditing.streams import Streams
from byheart.auditing.substitution import Substitution
from byheart.auditing.table_scores import table_scores
from byheart.auditing.verbatim import Values, VerbatimCount
from byheart.distances.neighbours import on_engine
from byheart.distances.rows import Rows, held
from byheart.progress import Progress, Watcher
from byheart.samples import Encoded, Span

NEIGHBOURS = 32
ORDER_RELABELLINGS = 199


@dataclass(frozen=True)
class Material:
    """The three sets as they were read, as samples and as features, and the memory for them."""

    sets: Sets
    grouping: Grouping
    samples: Encoded
    vectors: Encoded
    budget: Budget

    def generated(self) -> Rows:
        """Return the generated rows, in memory if that has room for them."""
        return held(self.vectors.generated, self.budget.spare // 3)

    def pool(self, rng: np.random.Generator) -> Pool:
        """Return the real rows, shuffled."""
        assert self.vectors.heldout is not None
        spare = self.budget.spare * 2 // 3
        return Pool.shuffled(
            self.vectors.train, self.vectors.heldout, self.grouping.rows, rng, spare
        )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of a sample where the features are its values."""
        return self.samples.sample_shape if self.vectors is self.samples else ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """A table's columns, where they are what the features hold."""
        return self.samples.spans if self.vectors is self.samples else ()


def run(frame: AuditResult, settings: Settings, material: Material, watch: Watcher) -> AuditResult:
    """Fill in `frame`: the figures without a held-out set, and all the rest with one."""
    watch(Progress("finding neighbours"))
    with on_engine(settings.engine):  # one connection for all passes
        if material.sets.heldout is None:
            return _described(frame, settings, material)
        result = _tested(frame, settings, material, watch)
    give_back()
    return result


def _described(frame: AuditResult, settings: Settings, material: Material) -> AuditResult:
    train, budget = material.vectors.train, material.budget
    search = ExactSearch.run(
        material.generated(), train, NEIGHBOURS, budget.search, settings.engine
    )
    rng = np.random.default_rng(settings.seed)  # the only draws: no other stream to keep apart
    everyone = np.ones(len(train), bool)
    listed = untested.find(search, material.sets)
    return replace(
        frame,
        metrics=search.metrics(settings.metrics, everyone, settings.level, rng),
        verbatim=verbatim.shown(verbatim.find(Values.of(train, None, search.generated))),
        untested=listed,
        evidence=evidence.untested(listed, search.distances, material.samples),
    )


def _tested(
    frame: AuditResult, settings: Settings, material: Material, watch: Watcher
) -> AuditResult:
    level, streams = settings.level, Streams(settings.seed)
    made, pool = material.generated(), material.pool(streams.take("shuffle"))
    search = _search(made, pool.rows, settings, material.budget.search, streams)
    exact, distances = search.exact, search.distances
    vectors = material.vectors
    values = Values.of(vectors.train, vectors.heldout, made)
    equal = verbatim.find(values, material.grouping.rows)
    watch(Progress("scoring rows"))
    further = _further(made, pool, distances, settings, material, streams.take("table_scores"))
    points = Points.of(pool, distances.scores, further)

    watch(Progress("relabelling"))
    identity = VerbatimCount("verbatim", values.marked[pool.order], pool.units.group)
    test = family.run(
        pool, distances, settings.permutations, streams.take("relabelling"), further, identity
    )
    checks, seen = _controls(
        search, values, pool, test.role_swap, tuple(further), settings, material, streams, watch
    )
    near = copies.Reproduced(
        copies.reproduced(points, pool, distances.table.forward, streams.take("reproduction")),
        controls.reproduction(exact, pool.training, pool.training).p_value,
    )
    found = copies.find(
        points,
        pool,
        distances.table,
        equal,
        near,
        settings,
        streams.take("memorized_lower_bound"),
        (material.sets.train.row_name, material.sets.generated.row_name),
    )
    found = replace(
        found,
        training_rows=copying.training_rows(
            found.rows,
            found.flagged_train,
            distances,
            pool,
            material.sets.train.row_name,
            planted.GATE_NOISE * distances.scale,
        ),
    )
    figures, cautions = membership(
        points.train_distance, points.heldout_distance, streams.take("membership"), level
    )
    limits = verdict.Limits(
        train_points=len(points.train_distance),
        heldout_points=len(points.heldout_distance),
        level=level,
        tolerance=settings.tolerance,
        resolution=settings.resolution,
    )
    odds = sensitivity.analyse(points, seen.logits, level)
    decision = verdict.decide(
        verdict.Findings(test.pooled.p_value, found, equal, odds, checks), limits
    )
    withheld = verdict.withholding(checks)
    if withheld is not None:
        found = copies.withheld(found, withheld)
        figures = replace(figures, epsilon_lower_bound=None)
    return replace(
        frame,
        **asdict(decision),
        p_value=test.pooled.p_value,
        tests=test.pooled.tests,
        delta=delta(
            exact.forward,
            distances.among_real,
            pool.training,
            distances.bandwidths,
            streams.take("delta"),
            level,
            made.shape[1],
            test.delta if search.approximation is None else None,  # the curve is of the sample then
        ),
        copies=found,
        membership=figures,
        controls=checks,
        metrics=search.metrics(settings.metrics, pool.training, level, streams.take("metrics")),
        parameters={
            **frame.parameters,
            "bandwidths": list(distances.bandwidths),
            **({"relabellings": test.relabellings} if further else {}),
            "planted": {
                "gate_noise": planted.GATE_NOISE,
                "repeats": planted.REPEATS,
                "relabellings": planted.RELABELLINGS,
            },
        },
        warnings=(
            *frame.warnings,
            *cautions,
            *search.warnings(),
            *controls.warnings(checks.duplicates),
        ),
        verbatim=verbatim.shown(equal),
        sensitivity=odds,
        trace=trace.size(search, pool, figures.auc, material.samples.kind, streams.take("trace"))
        if decision.kind == "traces"
        else None,
        evidence=evidence.gather(found, points, pool, distances, material.samples, material.sets),
        approximation=search.approximation,
    )


def _search(
    generated: Rows, real: Rows, settings: Settings, max_memory: int, streams: Streams
) -> Search:
    if settings.approximate:
        rng = streams.take("search")
        return ApproximateSearch.run(generated, real, NEIGHBOURS, settings.level, rng, max_memory)
    return ExactSearch.run(generated, real, NEIGHBOURS, max_memory, settings.engine)


def _further(
    made: Rows,
    pool: Pool,
    distances: Distances,
    settings: Settings,
    material: Material,
    rng: np.random.Generator,
) -> dict[str, NDArray[np.float64]]:
    """Return the scores beside distances that tables and images have."""
    if material.spans:
        return table_scores(made, pool.rows, material.spans, rng)
    if settings.approximate or material.samples.kind != "images":
        return {}
    own = distances.among_real.distances[:, 0]
    return picture_scores(made, pool.rows, material.sample_shape, own, material.budget.search)


def _controls(
    search: Search,
    values: Values,
    pool: Pool,
    role_swap: float,
    further: Collection[str],
    settings: Settings,
    material: Material,
    streams: Streams,
    watch: Watcher,
) -> tuple[Controls, Drift]:
    """Run all controls.

    role_swap: the family's p-value with the roles exchanged; further: its scores beside distances.
    """
    watch(Progress("running controls"))
    level = settings.level * copies.CONTROL_SHARE
    samples, vectors, sets = material.samples, material.vectors, material.sets
    assert vectors.heldout is not None
    assert sets.heldout is not None
    seen = drift.drift(
        pool.rows,
        search.distances.among_real,
        pool.units,
        settings.permutations,
        level,
        streams.take("exchangeability"),
    )
    order = None
    if not seen.passed:
        order = drift.order(
            vectors.train, vectors.heldout, ORDER_RELABELLINGS, streams.take("order")
        )
    table = samples.kind == "table"
    comparable = comparability.comparability(
        pool.rows,
        search.generated,
        search.exact.forward.distances[:, 0],
        streams.take("comparability"),
        raw=vectors is samples and not table,
        sample_shape=material.sample_shape,
        columns=comparability.numeric_columns(
            (sets.train, sets.heldout, sets.generated), samples.columns
        ),
        max_memory=search.max_memory,
    )
    twins = controls.duplicates(vectors.train, vectors.heldout)
    give_back()
    watch(Progress("planting copies"))
    power = planted.planted(
        search,
        Substitution.of(search.distances.table, values.generated),
        pool.units,
        family.active_level(settings.level, further),
        streams.take("planting"),
    )
    checks = Controls(
        role_swap=ControlTest(role_swap, role_swap > level),
        exchangeability=Exchangeability(seen.p_value, seen.passed, seen.parts, order),
        comparability=comparable,
        independence=controls.independence(search.exact, pool.training, level),
        duplicates=twins,
        planted=power,
        minimum_detectable_rate=power.minimum_detectable_share[
            power.noise.index(planted.GATE_NOISE)
        ],
    )
    return checks, seen
