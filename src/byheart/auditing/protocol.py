"""The audit from end to end.

Read, encode, pool and shuffle T ∪ H, find neighbours once, evaluate the permutation family once,
run the controls, decide. Every random choice comes from one SeedSequence, one child per purpose.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from byheart import _check, cluster
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
from byheart.auditing.groups import Grouping, Groups
from byheart.auditing.heap import give_back
from byheart.auditing.membership import membership
from byheart.auditing.memory import Budget
from byheart.auditing.metrics.definitions import CHOICES
from byheart.auditing.metrics.neighbour_tables import NeighbourTables
from byheart.auditing.metrics.tables import measure
from byheart.auditing.pool import Distances, Points, Pool, score_rows
from byheart.auditing.result import AuditResult, Controls, ControlTest
from byheart.auditing.sets import Sets
from byheart.distances.neighbours import ENGINES, TwoWay, on_engine, two_way, within
from byheart.distances.rows import held
from byheart.errors import UsageError
from byheart.features.extractors import load_features
from byheart.samples import Encoded, encode

NEIGHBOURS = 32
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """The validated parameters of one audit."""

    seed: int
    level: float
    fdr: float
    tolerance: float
    resolution: float
    permutations: int


def audit(
    train: Any,
    heldout: Any,
    generated: Any,
    seed: int = 0,
    *,
    level: float = 0.05,
    fdr: float = 0.1,
    tolerance: float = 0.01,
    resolution: float = 0.05,
    permutations: int = 999,
    features: str | Callable[[NDArray[Any]], Any] | None = None,
    device: str = "cpu",
    feature_cache: str | os.PathLike[str] | None = None,
    groups: Groups | None = None,
    ignore: Sequence[str] = (),
    image_size: int | tuple[int, int] | None = None,
    max_memory: str | int = "1GiB",
    engine: str = "serial",
    approximate: bool = False,
    metrics: Literal["tables", "all"] = "tables",
    progress: Progress | None = None,
) -> AuditResult:
    """Audit a generative model: has it learned its training data by heart?

    train, heldout, generated: rows are samples; a path (.npy, .npz, .csv, .parquet, .safetensors,
    a folder of images), a numpy array (n, d), (n, h, w) or (n, h, w, c), a torch tensor, a data
    frame, or an iterator of batches of arrays, such as a sampler yields. `heldout` are rows of the
    same origin that the model never saw; None gives descriptive figures only.

    seed: of every random choice; the same seed gives the same result. level: of the family's test
    and of all confidence statements. fdr: of the list of copied points. tolerance: share of
    training points that may leave a trace. resolution: largest share of copied training points
    that the audit may be blind to and still clear the model. permutations: relabellings, at least
    99. features: "raw", a callable batch -> vectors, "MODULE:FUNCTION", "FILE.onnx", or
    "hf:FOLDER_OR_NAME", an image encoder of transformers. device, of a model in files: "cpu",
    "cuda" or "cuda:N". feature_cache: folder that keeps the vectors of a model in files. groups:
    rows that belong together (a column, a file, or a pair of sequences). ignore: table columns to
    leave out. image_size: to bring images of different sizes to one. max_memory: of the whole
    process, beside mapped files and given arrays; the result does not depend on it. engine: where
    the neighbour pass runs, "serial" (this process) or "ray" (the cluster at RAY_ADDRESS, else a
    local one; each task within max_memory); the result is the same. approximate: look for
    neighbours in an index of the real rows instead of among all, for sets too large for that;
    p-value, list and bound stay valid, the recall is measured and reported. metrics: the figures
    beside the verdict: those that the audit's own neighbour tables hold, or "all", which takes
    further passes over the rows, in this process. progress: called with the name of each stage.

    Raises InputError for unusable samples and UsageError for unusable arguments. Statistics:
    docs/explanation/statistics.md.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> data = rng.normal(size=(400, 8))
    >>> audit(data[:200], data[200:], data[:200] + 0.01).verdict
    'memorizes'
    """
    settings = Settings(
        seed=_check.integer(seed, "seed", 0),
        level=_check.fraction(level, "level"),
        fdr=_check.fraction(fdr, "fdr"),
        tolerance=_check.fraction(tolerance, "tolerance"),
        resolution=_check.fraction(resolution, "resolution"),
        permutations=_check.integer(permutations, "permutations", 99, 10**6),
    )
    limit = _check.memory(max_memory)
    _check.choice(engine, "engine", ENGINES)
    if engine == "ray":
        cluster.ray_module()  # to miss it before anything is read
    _check.choice(metrics, "metrics", CHOICES)
    if approximate:
        _require_approximate(heldout, engine, metrics)
    say = progress or (lambda stage: None)
    extractor = load_features(features, device=device, cache=feature_cache)
    say("reading samples")
    sets = Sets.read(train, heldout, generated, image_size, limit)
    sets.require_rows()
    grouping = Grouping.of(groups, sets.train, sets.heldout)
    ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    say("encoding")
    encoded = encode(sets.train, sets.heldout, sets.generated, ignore=(*ignore, *grouping.columns))
    vectors = extractor.apply(
        encoded, progress=lambda done, total: say(f"features: {done:,} of {total:,} samples")
    )
    sizes = sets.sizes(vectors, NEIGHBOURS, settings.permutations)
    if metrics == "all":  # a search there has one coordinate more
        sizes = replace(sizes, dimension=sizes.dimension + 1)
    budget = Budget.of(limit, replace(sizes, sharded=engine == "ray", approximate=approximate))
    frame = AuditResult(
        **asdict(settings),
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
            "features": extractor.name,
            **({"feature_model": extractor.description} if extractor.description else {}),
            "groups": grouping.name,
            "ignore": list(ignore),
            "image_size": list(image_size) if isinstance(image_size, tuple) else image_size,
            "columns": list(encoded.columns),
            "k": NEIGHBOURS,
            "metrics": metrics,
            **({"approximate": True} if approximate else {}),
        },
        environment=environment.describe(extractor.versions),
        warnings=tuple(encoded.warnings),
    )
    say("finding neighbours")
    with on_engine(engine):  # one connection for all passes
        if vectors.heldout is None:
            return _without_heldout(frame, settings, vectors, budget, engine)
        result = _against_heldout(
            frame, settings, sets, grouping, encoded, vectors, budget, engine, say, approximate
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


def _require_approximate(heldout: Any, engine: str, metrics: str) -> None:
    """Refuse what an approximate search cannot be combined with."""
    if heldout is None:
        raise UsageError(
            "approximate needs a held-out set: without one nothing is tested, and the figures can "
            "be had exactly from fewer rows; pass heldout, or some thousand rows of each set"
        )
    if engine != "serial":
        raise UsageError(
            f'approximate does not run on engine "{engine}"; leave the engine out, or approximate'
        )
    if metrics != "tables":
        raise UsageError(
            'metrics="all" takes exact passes over all pairs; leave it out, or approximate'
        )
