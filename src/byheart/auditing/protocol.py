"""The audit from end to end: read, encode, and then all its `steps`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from byheart import cluster
from byheart.auditing import environment, steps, verdict
from byheart.auditing.groups import Grouping
from byheart.auditing.memory import Budget
from byheart.auditing.result import AuditResult
from byheart.auditing.sets import Sets
from byheart.auditing.settings import AT_THE_TOP, Settings, keywords
from byheart.auditing.steps import NEIGHBOURS
from byheart.errors import UsageError
from byheart.features.extractors import load_features
from byheart.progress import Progress, Watcher
from byheart.samples import encode


@keywords
def audit(
    train: Any,
    heldout: Any,
    generated: Any,
    *,
    progress: Watcher | None = None,
    **options: Any,
) -> AuditResult:
    """Audit a generative model: has it learned its training data by heart?

    train, heldout, generated: rows are samples; a path (.npy, .npz, .csv, .parquet, .safetensors,
    a folder of images), a numpy array (n, d), (n, h, w) or (n, h, w, c), a torch tensor, a data
    frame, or an iterator of batches of arrays, such as a sampler yields. `heldout` are rows of the
    same origin that the model never saw; None gives descriptive figures only.

    progress: called with a `byheart.progress.Progress` at every stage; `print` will do.
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
    watch = progress or (lambda state: None)
    watch(Progress("reading samples"))
    extractor = load_features(
        settings.features, device=settings.device, cache=settings.feature_cache
    )
    sets = Sets.read(train, heldout, generated, settings)
    sets.require_rows()
    grouping = Grouping.of(settings.groups, sets.train, sets.heldout)
    watch(Progress("encoding"))
    encoded = encode(
        sets.train, sets.heldout, sets.generated, ignore=(*settings.left_out, *grouping.columns)
    )
    vectors = extractor.apply(
        encoded, progress=lambda done, total: watch(Progress("features", done, total))
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
    material = steps.Material(sets, grouping, encoded, vectors, budget)
    result = steps.run(frame, settings, material, watch)
    sets.require_unchanged()
    return result
