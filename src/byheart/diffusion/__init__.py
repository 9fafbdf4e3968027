"""Diffusion models in numpy: noise schedules, denoisers with a formula, and samplers.

Networks need torch: `byheart.diffusion.neural` and `byheart.diffusion.training` are imported by
their own names, and nothing here loads them.
"""

from byheart.diffusion.denoisers import (
    Denoiser,
    EmpiricalDenoiser,
    GaussianDenoiser,
    GaussianMixtureDenoiser,
    KernelSmoothedDenoiser,
    LinearDenoiser,
)
from byheart.diffusion.one_step import LinearOneStepDenoiser
from byheart.diffusion.regularised import EmpiricalBayesDenoiser, TikhonovDenoiser
from byheart.diffusion.samplers import (
    AncestralSampler,
    EulerSampler,
    HeunSampler,
    OneStepSampler,
    Sampler,
)
from byheart.diffusion.schedules import (
    CosineBeta,
    DiscreteBeta,
    LinearBeta,
    Schedule,
    VarianceExploding,
)
from byheart.diffusion.start import Start

__all__ = [
    "AncestralSampler",
    "CosineBeta",
    "Denoiser",
    "DiscreteBeta",
    "EmpiricalBayesDenoiser",
    "EmpiricalDenoiser",
    "EulerSampler",
    "GaussianDenoiser",
    "GaussianMixtureDenoiser",
    "HeunSampler",
    "KernelSmoothedDenoiser",
    "LinearBeta",
    "LinearDenoiser",
    "LinearOneStepDenoiser",
    "OneStepSampler",
    "Sampler",
    "Schedule",
    "Start",
    "TikhonovDenoiser",
    "VarianceExploding",
]
