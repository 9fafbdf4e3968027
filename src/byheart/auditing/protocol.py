"""The audit from end to end: read, encode, and then all its `steps`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from numpy.typing import NDArray

from byheart import _check, cluster
from byheart.auditing import environment, steps, verdict
from byheart.auditing.groups import Grouping, Groups
from byheart.auditing.memory import Budget
from byheart.auditing.metrics.definitions import CHOICES
from byheart.auditing.result import AuditResult
from byheart.auditing.sets import Sets
from byheart.auditing.settings import Settings
from byheart.auditing.steps import NEIGHBOURS, Progress
from byheart.distances.neighbours import ENGINES
from byheart.errors import UsageError
from byheart.features.extractors import load_features
from byheart.samples import encode


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
        engine=_check.choice(engine, "engine", ENGINES),
        approximate=approximate,
        metrics=_check.choice(metrics, "metrics", CHOICES),
    )
    limit = _check.memory(max_memory)
    if engine == "ray":
        cluster.ray_module()  # to miss it before anything is read
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
        seed=settings.seed,
        level=settings.level,
        fdr=settings.fdr,
        tolerance=settings.tolerance,
        resolution=settings.resolution,
        permutations=settings.permutations,
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
    material = steps.Material(sets, grouping, encoded, vectors, budget)
    return steps.run(frame, settings, material, say)


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
