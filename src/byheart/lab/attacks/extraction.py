"""Extraction by surrogate guidance, beside unconditional sampling at equal compute.

For auditing one's own model (SIDE; Chen et al., arXiv 2410.02467v1):

1. *first*: draw samples of the model;
2. cluster them and drop incoherent clusters (`surrogate_labels`);
3. train p(c | y, s) on the rest (`lab.diffusion.neural_classifier`);
4. *pilot*: guide a few samples with every strength lambda of a list;
5. *guided*: draw a cluster for each sample, uniformly, and guide towards it with the best lambda.

*Extracted* is a training point x with D(g, x) <= radius for some sample g: the cumulative UMS of
`metrics.extraction`, times the number of samples. The effect of lambda is not monotone, so it is
chosen, by points extracted per unit of compute, on one random half of the training points, and
everything else is counted on the other half. As many held-out points are counted beside: chance.

*Compute* is counted in rows that pass through the denoiser once. A gradient of the classifier, a
row of a training batch and a clustered sample are converted by their measured CPU time. All five
parts are charged, and unconditional sampling gets as many samples as the whole sum pays for.
Samples of all parts count for the attack, as its owner has them all; the guided part alone is given
beside.

Intervals of one attack are over draws of the samples, given the clusters, the classifier and
lambda (`metrics.extraction`; the two arms are independent). They leave out what another run of
the whole attack would change; repeat it with other seeds for that.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from byheart import _check
from byheart.distances.neighbours import two_way
from byheart.errors import InputError, UsageError
from byheart.lab.attacks.extraction_result import (
    Compute,
    Costs,
    ExtractionAttack,
    Pilot,
    count_findings,
    extracted,
    growth,
    ratio_interval,
)
from byheart.lab.attacks.surrogate_labels import Features, SurrogateLabels, surrogate_labels
from byheart.lab.diffusion.denoisers import Denoiser
from byheart.lab.diffusion.guidance import Classifier, GuidedDenoiser
from byheart.lab.diffusion.samplers import AncestralSampler, EulerSampler, HeunSampler

Array = NDArray[np.float64]
AnySampler = EulerSampler | HeunSampler | AncestralSampler

_TIMED_STEPS = 20  # of training, whenever its cost is measured


def extract(
    sampler: AnySampler,
    train: Any,
    heldout: Any,
    radius: float,
    *,
    first: int = 500,
    pilot: int = 60,
    guided: int = 500,
    strengths: Sequence[float] = (0.5, 1.0, 2.0, 4.0, 8.0),
    clusters: int = 100,
    cohesion: float = 0.5,
    most: int | None = None,
    features: Features | None = None,
    background: bool = False,
    classifier_steps: int = 300,
    batch_size: int = 128,
    costs: Costs | None = None,
    seed: int,
    level: float = 0.05,
) -> ExtractionAttack:
    """Attack the model of `sampler` and compare with unconditional sampling at equal compute.

    sampler: an Euler, Heun or ancestral sampler of the model under audit. train (n, d), heldout
    (h, d), with h at least n/2. radius: distance at which a point counts as extracted, in the
    data's units; `held_out_radius` gives one. first, guided: samples of these parts, pilot: samples
    for each of `strengths`. clusters, cohesion, most, features: see `surrogate_labels`. background:
    the dropped samples are a class of their own, which is never drawn, instead of left out (ours).
    classifier_steps, batch_size: of its training. costs: by default measured on this machine by CPU
    time, which moves the number of unconditional samples from run to run; pass a result's `costs`
    for equal results from equal seeds, and your own where the model runs on a GPU.
    Raises InputError for sets that do not match, UsageError for other arguments or when fewer than
    two clusters are coherent, MissingExtraError without torch.
    Source: arXiv 2410.02467v1; compute, split and controls are ours, see the introduction.
    """
    t, h, radius = _sets(sampler.denoiser.dimension, train, heldout, radius)
    for number, name in ((first, "first"), (pilot, "pilot"), (guided, "guided")):
        _check.integer(number, name, 1)
    ladder = _ladder(strengths)
    from byheart.lab.diffusion.neural_classifier import train_classifier

    split, drawing, alone = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)
    )
    order, half = split.permutation(len(t)), len(t) // 2
    chooses, scored = t[order[:half]], t[order[half:]]
    control = h[split.permutation(len(h))[: len(scored)]]

    begun = time.perf_counter()
    counter = _Counting(sampler.denoiser)
    base = dataclasses.replace(sampler, denoiser=counter)
    parts = [base.sample(first, drawing)]
    per_sample = counter.rows // first

    def cluster() -> SurrogateLabels:
        return surrogate_labels(
            parts[0],
            clusters=clusters,
            cohesion=cohesion,
            most=most,
            features=features,
            needed=1 if background else 2,
            seed=seed,
        )

    labels = cluster()
    levels = sampler.schedule.noise_levels(sampler.steps)
    classifier = train_classifier(
        *_labelled(parts[0], labels, background),
        s_min=float(levels[-1]),
        s_max=float(levels[0]),
        steps=classifier_steps,
        batch_size=batch_size,
        seed=seed,
    )
    training_rows = classifier_steps * batch_size
    measuring = time.perf_counter()
    if costs is None:
        costs = _measure(sampler.denoiser, classifier, parts[0], levels, batch_size, cluster)
    measuring = time.perf_counter() - measuring

    def draw(count: int, strength: float) -> Array:
        which = drawing.integers(labels.kept, size=count)
        towards = GuidedDenoiser(counter, classifier, which, strength)
        return dataclasses.replace(sampler, denoiser=towards).sample(count, drawing)

    pilots = []
    for strength in ladder:
        parts.append(draw(pilot, strength))
        found = [extracted(parts[-1], x, radius) for x in (chooses, scored, control)]
        pilots.append(Pilot(strength, pilot, *(int(f.any(axis=0).sum()) for f in found)))
    best = max(pilots, key=lambda p: (p.chooses, -p.strength)).strength
    parts.append(draw(guided, best))
    gradient_rows = counter.rows - first * per_sample
    set_up = costs.training * training_rows + costs.clustering * first
    units = counter.rows + costs.gradient * gradient_rows + set_up
    spent = Compute(counter.rows, gradient_rows, training_rows, units)
    attacked = time.perf_counter() - begun - measuring

    begun = time.perf_counter()
    count = max(1, int(units // per_sample))
    free = sampler.sample(count, alone)
    sampled = time.perf_counter() - begun
    arms = [np.concatenate(parts), parts[-1], free, free[:guided]]
    budgets = [spent, spent, *(_sampling(len(x) * per_sample) for x in arms[2:])]
    findings, variances = [], []
    for samples, compute in zip(arms, budgets, strict=True):
        finding, variance = count_findings(samples, scored, control, radius, compute, level)
        findings.append(finding)
        variances.append(variance)
    attack, last, unconditional, as_many = findings
    # What each sample has paid for, in order: the first guided one pays clusters and training.
    own = np.full(len(arms[0]), per_sample * (1 + costs.gradient))
    own[:first] = per_sample
    own[first] += set_up
    curves = (
        growth(arms[0], np.cumsum(own), units, scored, radius),
        growth(free, per_sample * np.arange(1.0, count + 1), units, scored, radius),
    )
    difference = attack.train - unconditional.train
    z = float(ndtri(1 - level / 2))
    half_width = z * math.sqrt(variances[0] + variances[2])
    return ExtractionAttack(
        radius=radius,
        scored=len(scored),
        clusters_found=labels.found,
        clusters_kept=labels.kept,
        strength=best,
        pilots=tuple(pilots),
        costs=costs,
        attack=attack,
        guided=last,
        unconditional=unconditional,
        as_many=as_many,
        difference=difference,
        difference_interval=(difference - half_width, difference + half_width),
        ratio=attack.train / unconditional.train if unconditional.train else math.nan,
        ratio_interval=ratio_interval(attack, unconditional, variances[0], variances[2], z),
        curves=curves,
        seconds=(attacked, sampled),
    )


def _labelled(
    samples: Array, labels: SurrogateLabels, background: bool
) -> tuple[Array, NDArray[np.intp]]:
    """Return what the classifier is trained on: kept clusters, and a last class of the dropped."""
    if not background or len(labels.rows) == len(samples):
        return samples[labels.rows], labels.labels
    classes = np.full(len(samples), labels.kept)
    classes[labels.rows] = labels.labels
    return samples, classes


def held_out_radius(train: Any, heldout: Any, quantile: float = 0.01) -> float:
    """Return the distance below which only a share `quantile` of held-out points has a neighbour
    in the training set: what an honest draw of the data seldom comes within.

    >>> held_out_radius(np.zeros((1, 1)), np.arange(1.0, 101.0)[:, None], 0.5)
    50.5
    """
    t, h = _check.matrix(train, "train"), _check.matrix(heldout, "heldout")
    if t.shape[1] != h.shape[1]:
        raise InputError(f"train and heldout must have the same columns: {t.shape}, {h.shape}")
    dtype = np.result_type(t, h)
    nearest = two_way(h.astype(dtype), t.astype(dtype), 1).forward.distances[:, 0]
    return float(np.quantile(nearest, _check.fraction(quantile, "quantile")))


class _Counting(Denoiser):
    """A denoiser that counts the rows that pass through it."""

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser, self.rows = denoiser, 0

    @property
    def dimension(self) -> int:
        return self._denoiser.dimension

    def mean(self, y: Array, noise_level: float) -> Array:
        self.rows += len(y)
        return self._denoiser.mean(y, noise_level)


def _sampling(rows: int) -> Compute:
    return Compute(rows, units=float(rows))


def _sets(d: int, train: Any, heldout: Any, radius: float) -> tuple[Array, Array, float]:
    t = _check.float64_matrix(train, "train")
    h = _check.float64_matrix(heldout, "heldout")
    for x, role in ((t, "train"), (h, "heldout")):
        if x.shape[1] != d:
            raise InputError(f"{role}: {x.shape[1]} columns, and the model has {d} coordinates")
    if len(t) < 2 or 2 * len(h) < len(t):
        raise InputError(
            f"heldout: {len(h):,} rows are fewer than half of the {len(t):,} training rows, with "
            "which they are compared; hold out more, or pass fewer training rows"
        )
    return t, h, _check.positive(radius, "radius")


def _ladder(strengths: Sequence[float]) -> list[float]:
    ladder = [_check.positive(strength, "strengths") for strength in strengths]
    if not ladder or len(set(ladder)) < len(ladder):
        raise UsageError("strengths must be at least one number, none twice; such as (1, 2, 4)")
    return ladder


def _measure(
    denoiser: Denoiser,
    classifier: Classifier,
    samples: Array,
    levels: Array,
    batch_size: int,
    cluster: Callable[[], object],
) -> Costs:
    """Return costs from CPU times here, medians of five; what starting up takes is left out."""
    from byheart.lab.diffusion.neural_classifier import train_classifier

    rows = np.resize(samples, (min(512, 8 * len(samples)), samples.shape[1]))
    s = float(levels[len(levels) // 2])
    labels = np.zeros(len(rows), dtype=np.intp)
    classes = np.arange(len(samples)) % classifier.classes
    spent = np.empty((5, 4))
    for times in spent:
        begun = time.process_time()
        denoiser.mean(rows, s)
        denoised = time.process_time()
        classifier.log_gradient(rows, s, labels)
        pulled = time.process_time()
        train_classifier(
            samples,
            classes,
            s_min=float(levels[-1]),
            s_max=float(levels[0]),
            steps=_TIMED_STEPS,
            batch_size=batch_size,
            seed=0,
        )
        trained = time.process_time()
        cluster()
        ended = time.process_time()
        times[:] = denoised - begun, pulled - denoised, trained - pulled, ended - trained
    handled = [len(rows), len(rows), _TIMED_STEPS * batch_size, len(samples)]
    row, gradient, training, clustering = np.median(spent, axis=0) / handled
    return Costs(float(gradient / row), float(training / row), float(clustering / row))
