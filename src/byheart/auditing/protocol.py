"""The audit from end to end.

Read, encode, pool and shuffle T ∪ H, find neighbours once, evaluate the permutation family once,
run the controls, decide. Every random choice comes from one SeedSequence, one child per purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from byheart import cluster
from byheart.auditing import (
    controls,
    copies,
    environment,
    evidence,
    family,
    planted,
    verdict,
)
from byheart.auditing.approximate import Search
from byheart.auditing.delta import delta
from byheart.auditing.groups import Grouping
from byheart.auditing.heap import give_back
from byheart.auditing.membership import membership
from byheart.auditing.memory import Budget
from byheart.auditing.metrics.neighbour_tables import NeighbourTables
from byheart.auditing.metrics.tables import measure
from byheart.auditing.pool import Distances, Points, Pool, score_rows
from byheart.auditing.result import AuditResult, Controls, ControlTest
from byheart.auditing.sets import Sets
from byheart.auditing.settings import AT_THE_TOP, Settings, keywords
from byheart.distances.neighbours import TwoWay, on_engine, two_way, within
from byheart.distances.rows import held
from byheart.errors import UsageError
from byheart.features.extractors import load_features
from byheart.samples import Encoded, encode

NEIGHBOURS = 32
Progress = Callable[[str], None]


@keywords
def audit(
    train: Any,
    heldout: Any,
    generated: Any,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> AuditResult:
    """Audit a generative model: has it learned its training data by heart?

    train, heldout, generated: rows are samples; a path (.npy, .npz, .csv, .parquet, .safetensors,
    a folder of images), a numpy array (n, d), (n, h, w) or (n, h, w, c), a torch tensor, a data
    frame, or an iterator of batches of arrays, such as a sampler yields. `heldout` are rows of the
    same origin that the model never saw; None gives descriptive figures only.

    progress: called with the name of each stage.
    {options}

    Raises InputError for unusable samples and UsageError for unusable arguments. Statistics:
    docs/explanation/statistics.md.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> data = rng.normal(size=(400, 8))
    >>> audit(data[:200], data[200:], data[:200] + 0.01).verdict
    'memorizes'
    """
    settings = Settings.of(options, "audit")
    if settings.engine == "ray":
        cluster.ray_module()  # to miss it before anything is read
    if settings.approximate and heldout is None:
        raise UsageError(
            "approximate needs a held-out set: without one nothing is tested, and the figures can "
            "be had exactly from fewer rows; pass heldout, or some thousand rows of each set"
        )
    say = progress or (lambda stage: None)
    extractor = load_features(
        settings.features, device=settings.device, cache=settings.feature_cache
    )
    say("reading samples")
    sets = Sets.read(train, heldout, generated, settings.image_size, settings.max_memory)
    sets.require_rows()
    grouping = Grouping.of(settings.groups, sets.train, sets.heldout)
    say("encoding")
    encoded = encode(
        sets.train, sets.heldout, sets.generated, ignore=(*settings.ignore, *grouping.columns)
    )
    vectors = extractor.apply(
        encoded, progress=lambda done, total: say(f"features: {done:,} of {total:,} samples")
    )
    sizes = sets.sizes(vectors, NEIGHBOURS, settings.permutations)
    if settings.metrics == "all":  # a search there has one coordinate more
        sizes = replace(sizes, dimension=sizes.dimension + 1)
    sizes = replace(sizes, sharded=settings.engine == "ray", approximate=settings.approximate)
    budget = Budget.of(settings.max_memory, sizes)
    recorded = settings.recorded()
    top = {name: recorded.pop(name) for name in AT_THE_TOP}
    frame = AuditResult(
        **top,
        verdict=verdict.NO_HELDOUT.verdict,
        kind=None,
        reason=verdict.NO_HELDOUT.reason,
        p_value=None,
        inputs=sets.described(vectors.train.shape[1]),
        tests=(),
        delta=None,
        copies=None,
        membership=None,
        controls=None,
        metrics={},
        parameters={
            **recorded,
            **({"feature_model": extractor.description} if extractor.description else {}),
            "columns": list(encoded.columns),
            "k": NEIGHBOURS,
        },
        environment=environment.describe(extractor.versions),
        warnings=tuple(encoded.warnings),
    )
    say("finding neighbours")
    with on_engine(settings.engine):  # one connection for all passes
        if vectors.heldout is None:
            return _without_heldout(frame, settings, vectors, budget, settings.engine)
        result = _against_heldout(
            frame,
            settings,
            sets,
            grouping,
            encoded,
            vectors,
            budget,
            settings.engine,
            say,
            settings.approximate,
        )
    give_back()
    return result


def _without_heldout(
    frame: AuditResult, settings: Settings, vectors: Encoded, budget: Budget, engine: str
) -> AuditResult:
    made = held(vectors.generated, budget.spare // 3)
    table = two_way(made, vectors.train, NEIGHBOURS, max_memory=budget.search, engine=engine)
    among = within(vectors.train, NEIGHBOURS, max_memory=budget.search, engine=engine)
    everyone = np.ones(len(vectors.train), bool)
    tables = NeighbourTables(made, vectors.train, everyone, table, among, budget.search)
    rng = np.random.default_rng(settings.seed)
    found = measure(frame.parameters["metrics"], tables, settings.level, rng)
    return replace(frame, metrics=found)


def _against_heldout(
    frame: AuditResult,
    settings: Settings,
    sets: Sets,
    grouping: Grouping,
    encoded: Encoded,
    vectors: Encoded,
    budget: Budget,
    engine: str,
    say: Progress,
    approximate: bool,
) -> AuditResult:
    """Fill `frame` in: `encoded` are the samples, `vectors` their features."""
    assert sets.heldout is not None
    assert vectors.heldout is not None
    made = held(vectors.generated, budget.spare // 3)
    # One independent stream per purpose: adding a step leaves the others' draws as they were.
    *seeds, spare_seed = np.random.SeedSequence(settings.seed).spawn(10)
    streams = iter(map(np.random.default_rng, seeds))
    pool = Pool.shuffled(
        vectors.train, vectors.heldout, grouping.rows, next(streams), budget.spare * 2 // 3
    )
    search = None
    if approximate:
        search = Search.run(
            made,
            pool.rows,
            NEIGHBOURS,
            settings.level,
            np.random.default_rng(spare_seed),
            budget.search,
        )
    distances = (
        search.distances
        if search
        else Distances.between(made, pool.rows, NEIGHBOURS, budget.search, engine)
    )
    among_real = distances.among_real
    # What missed neighbours would bias is computed from rows whose neighbours are exact.
    sample = search.sample if search else None
    forward = sample.forward if sample else distances.table.forward
    near_real = sample.among_real if sample else among_real
    sampled = sample.real if sample else None
    scores = score_rows(distances)
    points = Points.of(pool, scores)

    say("relabelling")
    tested = family.run(pool, distances, scores, settings.permutations, next(streams))
    found = copies.find(
        points,
        pool,
        TwoWay(forward, distances.table.backward),
        settings.fdr,
        settings.level,
        next(streams),
        controls.reproduction(forward, near_real, pool.training, pool.training, sampled).p_value,
        (sets.train.row_name, sets.generated.row_name),
    )
    figures, cautions = membership(
        points.train_distance, points.heldout_distance, next(streams), settings.level
    )

    say("running controls")
    level = settings.level * verdict.CONTROL_SHARE
    exchangeable = controls.exchangeability(
        pool.rows, among_real, pool.units, settings.permutations, level, next(streams)
    )
    shape = encoded.sample_shape if vectors is encoded else ()
    comparable = controls.comparability(
        pool.rows, made, forward, distances.scale, shape, next(streams), budget.search
    )
    twins = controls.duplicates(vectors.train, vectors.heldout)
    give_back()
    say("planting copies")
    power = planted.planted(
        planted.Planting(
            real=pool.rows,
            generated_rows=len(made),
            neighbours=NEIGHBOURS,
            scores=scores,
            units=pool.units,
            scale=distances.scale,
            level=settings.level,
            max_memory=budget.search,
            engine=engine,
            search=search.nearest if search else None,
        ),
        next(streams),
    )
    checks = Controls(
        role_swap=ControlTest(tested.role_swap, tested.role_swap > level),
        exchangeability=exchangeable,
        comparability=comparable,
        independence=controls.independence(forward, near_real, pool.training, level, sampled),
        duplicates=twins,
        planted=power,
        minimum_detectable_rate=power.minimum_detectable_share[
            power.noise.index(planted.GATE_NOISE)
        ],
    )
    decision = verdict.decide(
        tested.pooled.p_value,
        found,
        checks,
        verdict.Limits(
            train_points=len(points.train_distance),
            heldout_points=len(points.heldout_distance),
            level=settings.level,
            tolerance=settings.tolerance,
            resolution=settings.resolution,
        ),
    )
    if search:
        cautions.extend(search.warnings())
    if twins.count:
        cautions.append(
            f"{twins.count:,} held-out rows are equal to a training row; they are kept, which "
            "keeps the test exact, but a copy of them shows nothing"
        )
    return replace(
        frame,
        **asdict(decision),
        p_value=tested.pooled.p_value,
        tests=tested.pooled.tests,
        delta=delta(
            forward,
            among_real,
            pool.training,
            distances.bandwidths,
            next(streams),
            settings.level,
            vectors.train.shape[1],
        ),
        copies=found,
        membership=figures,
        controls=checks,
        metrics=sample.metrics(made, pool, settings.level, budget.search)
        if sample
        else measure(
            frame.parameters["metrics"],
            NeighbourTables(
                made, pool.rows, pool.training, distances.table, among_real, budget.search
            ),
            settings.level,
            next(streams),
        ),
        parameters={
            **frame.parameters,
            "bandwidths": list(distances.bandwidths),
            "planted": {
                "gate_noise": planted.GATE_NOISE,
                "repeats": planted.REPEATS,
                "relabellings": planted.RELABELLINGS,
            },
        },
        warnings=(*frame.warnings, *cautions),
        evidence=evidence.gather(
            found, points, pool, distances, encoded, sets.train, sets.heldout, sets.generated
        ),
        approximation=search.approximation if search else None,
    )
