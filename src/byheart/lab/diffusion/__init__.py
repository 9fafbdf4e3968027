"""Diffusion models in numpy: noise schedules, denoisers with a formula, and samplers.

Networks need torch: the modules `neural` and `training` are imported by their own names, and
nothing here loads them.
"""

from byheart.lab.diffusion.denoisers import (
    Denoiser,
    EmpiricalDenoiser,
    GaussianDenoiser,
    GaussianMixtureDenoiser,
    KernelSmoothedDenoiser,
    LinearDenoiser,
)
from byheart.lab.diffusion.one_step import LinearOneStepDenoiser
from byheart.lab.diffusion.regularised import EmpiricalBayesDenoiser, TikhonovDenoiser
from byheart.lab.diffusion.samplers import (
    AncestralSampler,
    EulerSampler,
    HeunSampler,
    OneStepSampler,
    Sampler,
)
from byheart.lab.diffusion.schedules import (
    CosineBeta,
    DiscreteBeta,
    LinearBeta,
    Schedule,
    VarianceExploding,
)
from byheart.lab.diffusion.start import Start

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
