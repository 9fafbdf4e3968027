"""From a training set to a model's law or samples, for every kind of model but a command.

Linear models have a Gaussian law in closed form; the others are sampled. Samplers start at the
training mean plus noise of 16 times the data's length and stop at a twentieth of the typical
distance between neighbours, where the posterior mean of a training set is one of its points. With
Tikhonov's constant c they go on to a tenth of sqrt(c), if that is lower: the samples' variance is
then right to 1% (`lab.diffusion.regularised`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byheart.errors import UsageError
from byheart.lab.diffusion import (
    AncestralSampler,
    Denoiser,
    EmpiricalBayesDenoiser,
    EmpiricalDenoiser,
    HeunSampler,
    KernelSmoothedDenoiser,
    TikhonovDenoiser,
    VarianceExploding,
)
from byheart.lab.diffusion.start import Start
from byheart.lab.sweeps.material import Material
from byheart.lab.sweeps.plan_sections import (
    EmpiricalBayesModel,
    EmpiricalModel,
    KernelSmoothedModel,
    LinearModel,
    LinearMultiStepModel,
    MLPModel,
    TikhonovModel,
    UNetModel,
)
from byheart.lab.theory.gaussians import GaussianLaw
from byheart.lab.theory.linear_steps import LinearSteps
from byheart.threads import one_thread

if TYPE_CHECKING:
    from byheart.lab.diffusion.neural import NeuralDenoiser

Array = NDArray[np.float64]

_START, _STOP = 16.0, 0.05


def fit_law(
    model: LinearModel | LinearMultiStepModel, points: Array, rng: np.random.Generator
) -> GaussianLaw:
    """Train a linear model on `points`, (n, d), and return its law.

    A multi-step model is N(xbar, Sigma_hat + c I), with Sigma_hat unbiased.
    """
    if isinstance(model, LinearMultiStepModel):
        centre = points.mean(axis=0)
        factor = (points - centre).T / math.sqrt(len(points) - 1)
        return GaussianLaw.from_factor(centre, factor, model.noise_floor)
    chain = LinearSteps(points.shape[1], model.time, model.noise_scale, model.steps)
    return chain.fit(points, rng)


def draw_samples(
    model: Any, material: Material, points: Array, count: int, seeds: np.random.SeedSequence
) -> Array:
    """Train a model on `points`, (n, d), and return (count, d) samples of it.

    Raises MissingExtraError when a neural model lacks its libraries, UsageError when a U-Net is
    asked for on data that are not images.
    """
    training, sampling = seeds.spawn(2)
    rng = np.random.default_rng(sampling)
    if isinstance(model, LinearModel | LinearMultiStepModel):
        return fit_law(model, points, np.random.default_rng(training)).sample(count, rng)
    if isinstance(
        model, EmpiricalModel | KernelSmoothedModel | TikhonovModel | EmpiricalBayesModel
    ):
        return _draw(model, material, points, count, rng)
    if isinstance(model, MLPModel | UNetModel):
        return _train_and_draw(model, material, points, count, training, rng)
    raise UsageError(f"a model of kind {model.kind!r} is not sampled here")


def check_model(model: Any, material: Material) -> None:
    """Build a neural model once, so that what is wrong with it is said before any trial.

    Raises MissingExtraError without its libraries; UsageError for a device that is not there, or a
    network that does not fit the data.
    """
    if isinstance(model, MLPModel | UNetModel):
        _denoiser(model, material, np.arange(2.0 * material.dimension).reshape(2, -1), seed=0)


def _draw(
    model: EmpiricalModel | KernelSmoothedModel | TikhonovModel | EmpiricalBayesModel,
    material: Material,
    points: Array,
    count: int,
    rng: np.random.Generator,
) -> Array:
    denoiser: Denoiser = EmpiricalDenoiser(points)
    stop = _STOP * material.spacing
    if isinstance(model, KernelSmoothedModel):
        denoiser = KernelSmoothedDenoiser(points, model.bandwidth)
    elif isinstance(model, TikhonovModel):
        denoiser = TikhonovDenoiser(points, model.constant)
        stop = min(stop, 0.1 * math.sqrt(model.constant))
    elif isinstance(model, EmpiricalBayesModel):
        denoiser = EmpiricalBayesDenoiser(points, model.log_threshold)
    length = math.sqrt(float(np.sum(material.deviations**2)))
    schedule = VarianceExploding(stop, _START * length)
    start = Start(mean=points.mean(axis=0))
    sampler = HeunSampler(denoiser, schedule, model.steps, finish="posterior_mean", start=start)
    return sampler.sample(count, rng)


def _denoiser(
    model: MLPModel | UNetModel, material: Material, points: Array, seed: int
) -> NeuralDenoiser:
    """Return an untrained denoiser for `points`."""
    from byheart.lab.diffusion.neural import NeuralDenoiser, mlp, unet
    from byheart.lab.diffusion.schedules import DiscreteBeta

    if isinstance(model, UNetModel):
        network = unet(_image_shape(material), block_channels=model.channels, seed=seed)
    else:
        network = mlp(points.shape[1], width=model.width, depth=model.depth, seed=seed)
    shift = float(points.mean()) if model.shift is None else model.shift
    scale = float(points.std()) if model.scale is None else model.scale
    chain = DiscreteBeta(length=model.steps, scale=scale)
    return NeuralDenoiser(network, chain, shift, model.device)


def _train_and_draw(
    model: MLPModel | UNetModel,
    material: Material,
    points: Array,
    count: int,
    training: np.random.SeedSequence,
    rng: np.random.Generator,
) -> Array:
    from byheart.lab.diffusion.training import train

    weights, batches = (int(word) for word in training.generate_state(2))
    with one_thread():  # once more: torch may have been loaded just now
        denoiser = _denoiser(model, material, points, weights)
        for state in train(
            denoiser,
            points,
            epochs=model.epochs or model.training_steps or 1,  # an epoch has at least one step
            batch_size=model.batch_size,
            learning_rate=model.learning_rate,
            seed=batches,
        ):
            if model.training_steps and state.step >= model.training_steps:
                break
        sampler = AncestralSampler(
            denoiser,
            denoiser.schedule,
            model.steps - 1,
            finish="posterior_mean",
            start=denoiser.start,
        )
        return sampler.sample(count, rng)


def _image_shape(material: Material) -> tuple[int, int, int]:
    """Return (channels, height, width); a flat vector of a square number of entries is a square."""
    shape = material.image_shape
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    side = math.isqrt(material.dimension)
    if len(shape) == 1 and side * side == material.dimension:
        return 1, side, side
    raise UsageError(
        f"a unet needs grey images or vectors of a square length, and samples have shape {shape}; "
        'use kind = "mlp"'
    )
