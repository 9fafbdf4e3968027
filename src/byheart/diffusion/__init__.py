"""Diffusion models in numpy: noise schedules, denoisers with a formula, and samplers."""

from byheart.diffusion.denoisers import (
    Denoiser,
    EmpiricalDenoiser,
    GaussianDenoiser,
    GaussianMixtureDenoiser,
    KernelSmoothedDenoiser,
    LinearDenoiser,
)
from byheart.diffusion.samplers import (
    AncestralSampler,
    EulerSampler,
    HeunSampler,
    OneStepSampler,
    Sampler,
)
from byheart.diffusion.schedules import CosineBeta, LinearBeta, Schedule, VarianceExploding

__all__ = [
    "AncestralSampler",
    "CosineBeta",
    "Denoiser",
    "EmpiricalDenoiser",
    "EulerSampler",
    "GaussianDenoiser",
    "GaussianMixtureDenoiser",
    "HeunSampler",
    "KernelSmoothedDenoiser",
    "LinearBeta",
    "LinearDenoiser",
    "OneStepSampler",
    "Sampler",
    "Schedule",
    "VarianceExploding",
]
