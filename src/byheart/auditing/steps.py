"""The steps of an audit once its rows are encoded.

Pool and shuffle T ∪ H, find neighbours once, evaluate the permutation family once, list the copies,
run the controls, decide. Every random choice has a stream of its own (`streams`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from byheart.auditing import (
    controls,
    copies,
    copying,
    evidence,
    family,
    planted,
    untested,
    verdict,
)
from byheart.auditing.approximate import ApproximateSearch
from byheart.auditing.delta import delta
from byheart.auditing.groups import Grouping
from byheart.auditing.heap import give_back
from byheart.auditing.membership import membership
from byheart.auditing.memory import Budget
from byheart.auditing.pool import Points, Pool
from byheart.auditing.result import AuditResult, Controls, ControlTest
from byheart.auditing.search import ExactSearch, Search
from byheart.auditing.sets import Sets
from byheart.auditing.settings import Settings
from byheart.auditing.streams import Streams
from byheart.distances.neighbours import on_engine
from byheart.distances.rows import Rows, held
from byheart.progress import Progress, Watcher
from byheart.samples import Encoded

NEIGHBOURS = 32


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
    points = Points.of(pool, distances.scores)

    watch(Progress("relabelling"))
    test = family.run(pool, distances, settings.permutations, streams.take("relabelling"))
    found = copies.find(
        points,
        pool,
        distances.table,
        settings.fdr,
        level,
        streams.take("memorized_lower_bound"),
        controls.reproduction(exact, pool.training, pool.training).p_value,
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
    checks = _controls(search, pool, test.role_swap, settings, material, streams, watch)
    limits = verdict.Limits(
        train_points=len(points.train_distance),
        heldout_points=len(points.heldout_distance),
        level=level,
        tolerance=settings.tolerance,
        resolution=settings.resolution,
    )
    decision = verdict.decide(test.pooled.p_value, found, checks, limits)
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


def _controls(
    search: Search,
    pool: Pool,
    role_swap: float,
    settings: Settings,
    material: Material,
    streams: Streams,
    watch: Watcher,
) -> Controls:
    """Run all controls; role_swap: the family's p-value with the roles exchanged."""
    watch(Progress("running controls"))
    level = settings.level * verdict.CONTROL_SHARE
    exchangeable = controls.exchangeability(
        pool.rows,
        search.distances.among_real,
        pool.units,
        settings.permutations,
        level,
        streams.take("exchangeability"),
    )
    comparable = controls.comparability(
        search, material.sample_shape, streams.take("comparability")
    )
    assert material.vectors.heldout is not None
    twins = controls.duplicates(material.vectors.train, material.vectors.heldout)
    give_back()
    watch(Progress("planting copies"))
    power = planted.planted(search, pool.units, settings.level, streams.take("planting"))
    return Controls(
        role_swap=ControlTest(role_swap, role_swap > level),
        exchangeability=exchangeable,
        comparability=comparable,
        independence=controls.independence(search.exact, pool.training, level),
        duplicates=twins,
        planted=power,
        minimum_detectable_rate=power.minimum_detectable_share[
            power.noise.index(planted.GATE_NOISE)
        ],
    )
