"""One trial: split, train, sample, measure.

The random choices of trial (n, repeat) come from SeedSequence(seed, spawn_key=(n, repeat)): they do
not depend on the engine, on the order of trials, or on which other sizes a plan has. Nor do they on
the value of a swept parameter: all values see the same splits and the same noise, so that their
differences are those of the parameter.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.metrics.phases import phases
from byheart.auditing.protocol import audit
from byheart.lab.measures.coordinates import relative_coordinate_distance
from byheart.lab.measures.relative import relative_distance, relative_sample_distance
from byheart.lab.sweeps.command import run_command
from byheart.lab.sweeps.engines import Trial
from byheart.lab.sweeps.material import Material
from byheart.lab.sweeps.models import draw_samples, fit_law
from byheart.lab.sweeps.plan_sections import (
    CommandModel,
    GaussianData,
    LinearModel,
    LinearMultiStepModel,
)
from byheart.lab.sweeps.record import Outcome
from byheart.lab.theory.gaussians import GaussianLaw, kl, squared_hellinger
from byheart.monitoring.quality import Judge
from byheart.samples import encode, read

Array = NDArray[np.float64]


def run_trial(material: Material, trial: Trial) -> Outcome:
    """Train one model on one training set of `trial.n` points and measure it.

    Raises InputError and UsageError as models and measures do.

    >>> from byheart.lab.sweeps.material import prepare
    >>> from byheart.lab.sweeps.plan import Plan
    >>> plan = Plan.parse({
    ...     "data": {"kind": "gaussian", "dimension": 16},
    ...     "model": {"kind": "linear"},
    ...     "sweep": {"n": [96], "repeats": 1},
    ... })
    >>> run_trial(prepare(plan), Trial(96, 0)).positive
    True
    """
    plan, measure = material.plan.at(trial.value), material.plan.measure
    seeds = np.random.SeedSequence(plan.sweep.seed, spawn_key=(trial.n, trial.repeat))
    data, model, other = seeds.spawn(3)
    train, heldout = material.split(trial.n, np.random.default_rng(data))
    if (
        (measure.definition, measure.form) == ("paper", "l2")
        and isinstance(plan.data, GaussianData)
        and isinstance(plan.model, LinearModel | LinearMultiStepModel)
    ):
        law = fit_law(plan.model, train, np.random.default_rng(model))
        return _exact(material, plan.data, train, heldout, law)
    if isinstance(plan.model, CommandModel):
        generated: Any = str(_run(material, plan.model, trial, train, model))
    else:
        flat = train.reshape(len(train), -1)
        generated = draw_samples(plan.model, material, flat, plan.sweep.samples, model)
        generated = generated.reshape(-1, *train.shape[1:])
    if measure.definition == "matched":
        return _audited(material, train, heldout, generated, other)
    return _sampled(material, train, heldout, generated)


def _exact(
    material: Material, data: GaussianData, train: Array, heldout: Array, law: GaussianLaw
) -> Outcome:
    """The paper's definition for Gaussian data and a Gaussian model, in closed form."""
    delta = relative_distance(
        train,
        law,
        mean=data.mean,
        sigma=data.std,
        fresh=heldout if len(heldout) else "exact",
        fresh_rows=material.plan.measure.fresh_rows,
    )
    truth = GaussianLaw.isotropic(np.full(data.dimension, data.mean), data.std**2)
    return Outcome(
        delta.positive,
        delta.log_size,
        float(kl(law, truth)),
        {"squared_hellinger": float(squared_hellinger(law, truth))},
    )


def _sampled(material: Material, train: Array, heldout: Array, generated: Any) -> Outcome:
    """The paper's definition for samples, against fresh points."""
    t, h, g = _rows(train, heldout, generated)
    if material.plan.measure.form == "coordinates":
        found = relative_coordinate_distance(t, h, g, material.deviations)
        size = math.log(abs(found.delta)) if found.delta else -math.inf
        return Outcome(found.delta > 0, size, found.distance_fresh)
    sigma = math.sqrt(float(np.mean(material.deviations**2)))
    delta = relative_sample_distance(t, h, g, sigma=sigma)
    return Outcome(delta.positive, delta.log_size, _energy_distance(h, g))


def _audited(
    material: Material, train: Any, heldout: Any, generated: Any, seeds: np.random.SeedSequence
) -> Outcome:
    """The matched definition: an audit, and the quality of the samples on held-out points."""
    seed = int(seeds.generate_state(1)[0])
    result = audit(train, heldout, generated, seed=seed)
    t, h, g = _rows(train, heldout, generated)
    if result.delta is None or result.copies is None or result.membership is None:
        raise RuntimeError("an audit with a held-out set has all its parts")
    curve = result.delta.kl if material.plan.measure.form == "kl" else result.delta.l2
    middle = float(curve.values[len(curve.values) // 2])
    return Outcome(
        result.verdict != "memorizes",
        math.log(abs(middle)) if middle else -math.inf,
        _energy_distance(h, g),
        {
            "delta": middle,
            "verdict": result.verdict,
            "kind": result.kind or "",
            "p_value": float(result.p_value if result.p_value is not None else math.nan),
            "memorized_lower_bound": float(result.copies.memorized_lower_bound or 0),
            "membership_auc": float(result.membership.auc),
            **_phase_shares(t, h, g, seed),
        },
    )


def _phase_shares(train: Array, heldout: Array, generated: Array, seed: int) -> dict[str, float]:
    """Return the shares of the three phases, compared over n at one number of samples."""
    if len(generated) < 2:  # a command may write fewer samples than it was asked for
        return {}
    found = phases(train, heldout, generated, seed=seed)
    return {
        "memorized_share": found.memorized.value,
        "spurious_share": found.spurious.value,
        "generalized_share": found.generalized.value,
    }


def _rows(train: Any, heldout: Any, generated: Any) -> tuple[Array, Array, Array]:
    """Return the three sets as comparable rows of numbers, as an audit sees them."""
    encoded = encode(read(train, "train"), read(heldout, "heldout"), read(generated, "generated"))
    t, h, g = encoded.train, encoded.heldout, encoded.generated
    if h is None:
        raise RuntimeError("a trial has a held-out set")
    return t[:].astype(np.float64), h[:].astype(np.float64), g[:].astype(np.float64)


def _energy_distance(heldout: Array, generated: Array) -> float:
    judge = Judge.of(heldout, np.random.default_rng(0))  # draws only from more rows than it uses
    return judge.of_samples(generated).value


def _run(
    material: Material,
    model: CommandModel,
    trial: Trial,
    train: Any,
    seeds: np.random.SeedSequence,
) -> Path:
    if material.folder is None:
        raise RuntimeError("a command needs a folder to work in")
    return run_command(
        model,
        Path(material.plan.folder),
        material.folder / f"n{trial.n}-repeat{trial.repeat}",
        train,
        material.plan.sweep.samples,
        int(seeds.generate_state(1)[0] >> 1),
    )
